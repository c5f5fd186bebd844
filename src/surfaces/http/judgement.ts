import type { FastifyInstance } from 'fastify';

/**
 * How a route answers for its calls. `walk`: the whole ladder, the only way to a provider. `caller`: identified, answers
 * from our own state. `admin`: an admin key. `approver`: that, or a caller who may approve. `open`: tells nothing about anybody.
 */
export type Judgement = 'walk' | 'caller' | 'admin' | 'approver' | 'open';

declare module 'fastify' {
  interface FastifyContextConfig {
    judgement?: Judgement;
    /** A caller's key with this scope opens an `admin` route as well. */
    scope?: string;
  }
}

/** A route that was let in. */
export interface JudgedRoute {
  readonly method: string;
  readonly url: string;
  readonly judgement: Judgement;
}

const judged = new WeakMap<FastifyInstance, JudgedRoute[]>();

/** The routes of a listener so far: the list grows with them. */
export function routesOf(app: FastifyInstance): readonly JudgedRoute[] {
  return judged.get(app) ?? [];
}

/** A route without a declared judgement does not start: the listener refuses to be built. */
export function requireJudgements(app: FastifyInstance, allowed: readonly Judgement[]): void {
  const routes: JudgedRoute[] = [];
  judged.set(app, routes);
  app.addHook('onRoute', (route) => {
    const judgement = route.config?.judgement;
    if (judgement === undefined || !allowed.includes(judgement)) {
      throw new Error(`route ${String(route.method)} ${route.url} declares no judgement this listener allows`);
    }
    for (const method of [route.method].flat()) routes.push({ method, url: route.url, judgement });
  });
}
