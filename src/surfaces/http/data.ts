import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { asFailure, Failure, type Format } from '../../exchange/index.ts';
import { anthropicMessages, openaiChat } from '../../formats/index.ts';
import { handle, ownModels, ownUsage, refuse, type Walk } from '../../pipeline/index.ts';
import { evaluateRoutes } from './evaluate.ts';
import { listenerFailure, rendered } from './failures.ts';
import { buildListener } from './listener.ts';
import { httpOutlet } from './outlet.ts';

export interface DataListenerOptions {
  readonly walk: Walk;
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

/** Builds the data listener: the only one that reaches providers, and only through the walk. */
export function buildDataListener(options: DataListenerOptions): FastifyInstance {
  const { walk, body_bytes_max } = options;
  const app = buildListener({
    body_bytes_max,
    judgements: ['walk', 'caller', 'open'],
    trustedProxies: options.trustedProxies,
  });
  boundInFlight(app, body_bytes_max, options.in_flight_bytes_max);

  for (const [route, format] of Object.entries(walks)) {
    const config = { judgement: 'walk' } as const;
    const arrive = (request: FastifyRequest, body: Buffer) => ({
      route,
      format,
      headers: request.raw.headers,
      ip: request.ip,
      body,
    });
    app.post(route, {
      config,
      handler: (request, reply) => {
        reply.hijack();
        const body = request.body instanceof Buffer ? request.body : Buffer.alloc(0);
        return handle(walk, arrive(request, body), httpOutlet(reply.raw));
      },
      // What is wrong before the body is whole is an exchange too: refused, recorded, told in the route's format.
      errorHandler: (error, request, reply) => {
        reply.hijack();
        const failure = listenerFailure(error, body_bytes_max);
        return refuse(walk, arrive(request, Buffer.alloc(0)), httpOutlet(reply.raw), failure);
      },
    });
  }

  app.get('/v1/models', { config: { judgement: 'caller' } }, (request, reply) =>
    answer(reply, request, async () => ownModels(walk, request.raw.headers, undefined)),
  );
  app.get('/v1/models/*', { config: { judgement: 'caller' } }, (request, reply) =>
    answer(reply, request, async () => ownModels(walk, request.raw.headers, (request.params as { '*': string })['*'])),
  );
  app.get('/v1/usage', { config: { judgement: 'caller' } }, (request, reply) =>
    answer(reply, request, () => ownUsage(walk, request.raw.headers)),
  );
  evaluateRoutes(app, walk, answer);
  app.get('/health', { config: { judgement: 'open' } }, (_request, reply) => reply.send({ status: 'ok' }));
  app.get('/ready', { config: { judgement: 'open' } }, (_request, reply) => {
    const state = options.ready();
    return reply
      .code(state.ready ? 200 : 503)
      .send({ status: state.ready ? 'ready' : 'not ready', reasons: state.reasons });
  });
  app.setNotFoundHandler((request, reply) => refuseUnknown(request, reply));
  app.setErrorHandler((error, request, reply) => send(reply, request, listenerFailure(error, body_bytes_max)));
  return app;
}

/** Bodies under way have a total: past it a call is told to come back, before its body is read. */
function boundInFlight(app: FastifyInstance, body_bytes_max: number, in_flight_bytes_max: number): void {
  let inFlight = 0;
  app.addHook('onRequest', (request, reply, done) => {
    const told = Number(request.headers['content-length']);
    const bytes =
      request.method === 'GET' ? 0 : Number.isFinite(told) ? Math.min(told, body_bytes_max) : body_bytes_max;
    if (bytes > 0 && inFlight > 0 && inFlight + bytes > in_flight_bytes_max) {
      done(
        new Failure('rate_limit_exceeded', 'The gateway holds as many request bytes as it may. Try again in 1 s.', {
          retryAfterSeconds: 1,
          extra: { scope: 'gateway', limit: in_flight_bytes_max, unit: 'bytes' },
        }),
      );
      return;
    }
    inFlight += bytes;
    reply.raw.once('close', () => {
      inFlight -= bytes;
    });
    done();
  });
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

function refuseUnknown(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const [path = ''] = request.url.split('?');
  const failure = new Failure('not_supported', `${request.method} ${path} is not served by this gateway.`);
  return send(reply, request, failure);
}

/** The language a caller of this path expects errors in. */
function formatOf(request: FastifyRequest): Format {
  return request.url.startsWith('/v1/messages') ? anthropicMessages : openaiChat;
}

function requestIdOf(request: FastifyRequest): string {
  const asked = request.headers['x-request-id'];
  return typeof asked === 'string' && /^[\x21-\x7e]{1,128}$/.test(asked)
    ? asked
    : `ex_${randomUUID().replaceAll('-', '')}`;
}

export type Answer = typeof answer;
