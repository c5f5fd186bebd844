import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { asFailure, type Failure, type Format } from '../../exchange/index.ts';
import { anthropicMessages, openaiChat } from '../../formats/index.ts';
import { type Arrival, clientGone, handle, ownModels, ownUsage, refuse, type Walk } from '../../pipeline/index.ts';
import type { DecisionPoint } from '../decision/point.ts';
import { evaluateStreams } from '../websocket/evaluate-stream.ts';
import { Connections } from './connections.ts';
import { decisionRoutes } from './decisions.ts';
import { listenerFailure, notServed, rendered, requestIdOf } from './failures.ts';
import { type JudgedRoute, routesOf } from './judgement.ts';
import { buildListener } from './listener.ts';
import { httpOutlet } from './outlet.ts';
import { passthroughRoutes } from './passthrough.ts';

export interface DataListenerOptions {
  readonly walk: Walk;
  readonly point: DecisionPoint;
  readonly body_bytes_max: number;
  /** Bytes of request bodies under way at once, over all connections. */
  readonly in_flight_bytes_max: number;
  /** Proxies whose `x-forwarded-for` counts. */
  readonly trustedProxies: readonly string[];
  /** Whether the gateway can take calls now, and why not. */
  ready(): { readonly ready: boolean; readonly reasons: readonly string[] };
}

/** Endpoints of chat, by the format a client speaks there. */
const walks: Readonly<Record<string, Format>> = {
  '/v1/chat/completions': openaiChat,
  '/v1/messages': anthropicMessages,
};

/** The data listener, and when the exchanges it let in are over: settled and recorded, not only answered. */
export interface DataListener {
  readonly app: FastifyInstance;
  readonly connections: Connections;
  idle(): Promise<void>;
  /** Every route there is, and how it answers for its calls; complete once the listener is ready. */
  readonly routes: readonly JudgedRoute[];
}

/** Builds the data listener: the only one that reaches providers, and only through the walk. */
export function buildDataListener(options: DataListenerOptions): DataListener {
  const { walk, point } = options;
  const exchanges = new Exchanges(walk);
  const app = buildListener({
    ...options,
    judgements: ['walk', 'caller', 'open'],
    unreadable: (request, reply, failure) => exchanges.refuse(unknownRoute, request, reply, failure),
  });
  for (const [route, format] of Object.entries(walks)) {
    const place = { route, format };
    app.post(route, {
      config: { judgement: 'walk' },
      // Hands nothing back: Fastify would only wait for what it is no longer to answer.
      handler: (request, reply) => void exchanges.handle(place, request, reply),
      // What is wrong before the body is whole is an exchange too: refused, recorded, told in the route's format.
      errorHandler: (error, request, reply) => exchanges.refuse(place, request, reply, listenerFailure(error)),
    });
  }

  passthroughRoutes(app, {
    walk,
    format: openaiChat,
    refuse: (request, reply, failure, route) =>
      exchanges.refuse(route === undefined ? unknownRoute : { route, format: openaiChat }, request, reply, failure),
    underWay: (exchange) => exchanges.counted(exchange),
  });
  app.get('/v1/models', { config: { judgement: 'caller' } }, (request, reply) =>
    answer(reply, request, async () => ownModels(walk, request.raw.headers, undefined)),
  );
  app.get('/v1/models/*', { config: { judgement: 'caller' } }, (request, reply) =>
    answer(reply, request, async () => ownModels(walk, request.raw.headers, (request.params as { '*': string })['*'])),
  );
  app.get('/v1/usage', { config: { judgement: 'caller' } }, (request, reply) =>
    answer(reply, request, () => ownUsage(walk, request.raw.headers)),
  );
  decisionRoutes(app, point, answer);
  evaluateStreams(app, point, answer, options);
  app.get('/health', { config: { judgement: 'open' } }, (_request, reply) => reply.send({ status: 'ok' }));
  app.get('/ready', { config: { judgement: 'open' } }, (_request, reply) => {
    const state = options.ready();
    return reply
      .code(state.ready ? 200 : 503)
      .send({ status: state.ready ? 'ready' : 'not ready', reasons: state.reasons });
  });
  app.setNotFoundHandler((request, reply) =>
    exchanges.refuse(unknownRoute, request, reply, notServed(request.method, request.url)),
  );
  app.setErrorHandler((error, request, reply) => send(reply, request, listenerFailure(error)));
  return { app, connections: new Connections(app.server), idle: () => exchanges.idle(), routes: routesOf(app) };
}

/** Where a request came in; the format of an unknown route is the one its caller seems to speak. */
interface Place {
  readonly route: string;
  readonly format?: Format;
}

const unknownRoute: Place = { route: 'unknown' };

/** Hands requests to the walk and knows how many are under way there. */
class Exchanges {
  readonly #walk: Walk;
  #running = 0;
  #waiting: (() => void)[] = [];

  constructor(walk: Walk) {
    this.#walk = walk;
  }

  handle(place: Place, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    reply.hijack();
    const body = request.body instanceof Buffer ? request.body : noBody;
    return this.counted(handle(this.#walk, arrival(place, request, body), httpOutlet(reply.raw)));
  }

  refuse(place: Place, request: FastifyRequest, reply: FastifyReply, failure: Failure): Promise<void> {
    reply.hijack();
    const why = reply.raw.destroyed ? clientGone : failure;
    return this.counted(refuse(this.#walk, arrival(place, request, noBody), httpOutlet(reply.raw), why));
  }

  /** Resolves once none is under way. */
  idle(): Promise<void> {
    return this.#running === 0 ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Counts an exchange as under way until it is over. */
  counted(exchange: Promise<void>): Promise<void> {
    this.#running += 1;
    // It never rejects; one that did all the same would be over too, and must end no process.
    return exchange.then(this.#over, this.#over);
  }

  readonly #over = (): void => {
    this.#running -= 1;
    if (this.#running > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  };
}

const noBody = Buffer.alloc(0);

function arrival({ route, format }: Place, request: FastifyRequest, body: Buffer): Arrival {
  const { url = '' } = request.raw;
  const at = url.indexOf('?');
  const made = { route, format: format ?? formatOf(request), headers: request.raw.headers, ip: request.ip, body };
  return at < 0 ? made : { ...made, query: url.slice(at + 1) };
}

/** Runs a route that answers with JSON from our own state; failures become the caller's format. */
async function answer(
  reply: FastifyReply,
  request: FastifyRequest,
  body: () => Promise<unknown>,
): Promise<FastifyReply> {
  try {
    return reply.header('x-request-id', requestIdOf(request)).send(await body());
  } catch (thrown) {
    return send(reply, request, asFailure(thrown));
  }
}

function send(reply: FastifyReply, request: FastifyRequest, failure: Failure): FastifyReply {
  const { status, headers, body } = rendered(failure, formatOf(request), requestIdOf(request));
  return reply.code(status).headers(headers).send(body);
}

/** The language a caller of a path without a format of its own expects errors in. */
function formatOf({ raw }: FastifyRequest): Format {
  const anthropic = raw.headers['anthropic-version'] !== undefined || raw.url?.startsWith('/v1/messages') === true;
  return anthropic ? anthropicMessages : openaiChat;
}
