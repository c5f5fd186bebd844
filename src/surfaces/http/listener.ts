import Fastify, { type FastifyInstance } from 'fastify';
import { type Judgement, requireJudgements } from './judgement.ts';

export interface ListenerOptions {
  readonly body_bytes_max: number;
  readonly judgements: readonly Judgement[];
  /** Forwarded addresses count only from these. */
  readonly trustedProxies?: readonly string[];
}

/** A Fastify instance as every listener of ours wants it: bodies as bytes, one spelling of a path, judged routes. */
export function buildListener({ body_bytes_max, judgements, trustedProxies = [] }: ListenerOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: body_bytes_max,
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    // Streams outlive a keep-alive; slow heads do not (slowloris).
    connectionTimeout: 0,
    keepAliveTimeout: 72_000,
    requestTimeout: 300_000,
    forceCloseConnections: 'idle',
    routerOptions: { caseSensitive: true, ignoreDuplicateSlashes: false, ignoreTrailingSlash: false },
  });
  requireJudgements(app, judgements);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  return app;
}
