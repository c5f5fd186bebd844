import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import httpProxy from '@fastify/http-proxy';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Dispatcher } from 'undici';
import type { Failure, Format } from '../../exchange/index.ts';
import { enter, type PassReply, passPrefix, passRoute, type Walk } from '../../pipeline/index.ts';
import { listenerFailure, notServed } from './failures.ts';
import { httpOutlet } from './outlet.ts';

export interface PassthroughOptions {
  readonly walk: Walk;
  /** Failures are told in it. */
  readonly format: Format;
  /** Answers and records a call that never came to the walk; without a route it is one of an unknown route. */
  refuse(request: FastifyRequest, reply: FastifyReply, failure: Failure, route?: string): Promise<void>;
  /** Told of every call that did: it is under way until this resolves. */
  underWay(exchange: Promise<void>): void;
}

/** Sends the call a request was let in for. It stands among the headers the proxy builds, under a name no client can send. */
const sends = Symbol('sends');
interface Sending {
  send(): Promise<PassReply>;
  /** Its reply could not be written. */
  fail(): void;
}

/**
 * `/passthrough/{provider}/*`: proxied, and nothing passes but through the walk. Which providers, methods and paths are
 * listed is asked for each call, so that a changed configuration holds at once; while none is, there is no such route.
 *
 * The proxy keeps bodies as streams. Path, origin, headers and credentials are the walk's: the proxy is told of one fixed
 * address that is nowhere, and its transport is the provider's own. Its own would not check certificates, would try a GET
 * again on 503, and would let a call run on whose client has left (fast-proxy's defaults, @fastify/http-proxy 11.6.3).
 */
export function passthroughRoutes(app: FastifyInstance, options: PassthroughOptions): void {
  const { walk, format } = options;
  app.register(async (scope) => {
    // The listener's own parser would read bodies whole.
    scope.removeAllContentTypeParsers();
    scope.setErrorHandler((error, request, reply) => options.refuse(request, reply, listenerFailure(error), passRoute));
    await scope.register(httpProxy, {
      prefix: passPrefix,
      routes: ['/*'],
      httpMethods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      config: { judgement: 'walk' },
      upstream: 'http://passthrough.invalid',
      preRewrite: () => `${passPrefix}/`,
      undici: transport,
      disableCache: true,
      disableRequestLogging: true,
      handler: async (request, reply, nowhere, hooks) => {
        if (walk.pinned().passthrough.length === 0) {
          return options.refuse(request, reply, notServed(request.method, request.url));
        }
        const { method, raw, ip } = request;
        const body = request.body instanceof Readable ? request.body : undefined;
        const call = { method, target: raw.url ?? '', format, headers: raw.headers, ip, body };
        const entering = enter(walk, call, httpOutlet(reply.raw));
        options.underWay(entering.then((entered) => ('pass' in entered ? entered.pass.over : undefined)));
        const entered = await entering;
        if ('reply' in entered) {
          const { status, headers, body } = entered.reply;
          return write(reply.code(status).headers(headers), body);
        }
        const { pass } = entered;
        let answer: PassReply | undefined;
        const sending: Sending = {
          async send() {
            answer = await pass.send(lengthOf(raw.headers));
            return answer;
          },
          // Enough to end all of it: the exchange hears that its client is gone.
          fail: () => void reply.raw.destroy(),
        };
        try {
          return reply.from(nowhere, {
            ...hooks,
            queryString: () => '',
            rewriteRequestHeaders: () => Object.assign({}, { [sends]: sending }),
            retryDelay: () => null,
            onResponse: (_request, _reply, { stream }) => write(reply, stream, () => answer?.trailers() ?? {}),
          });
        } catch (thrown) {
          const { status, headers, body } = await pass.refuse(thrown);
          return write(reply.code(status).headers(headers), body);
        }
      },
    });
  });
}

interface ProxiedRequest {
  readonly headers: IncomingHttpHeaders & { readonly [sends]?: Sending };
}
type Proxied = { readonly statusCode: number; readonly headers: PassReply['headers']; readonly body: Readable };

/** What the proxy takes for its connections: a call's own way to its provider. */
const transport = {
  request({ headers }: ProxiedRequest, done: (error: Error | null, reply?: Proxied) => void): void {
    const sending = headers[sends];
    if (sending === undefined) {
      done(new Error('a call that was not let in'));
      return;
    }
    sending
      .send()
      .then(({ status, headers: told, body }) => done(null, { statusCode: status, headers: told, body }))
      .catch(() => sending.fail());
  },
} as unknown as { request: Dispatcher['request'] };

/** The length the client told; undefined for a body that comes in pieces. */
function lengthOf({ 'content-length': length }: IncomingHttpHeaders): number | undefined {
  return length === undefined ? undefined : Number(length);
}

/** Statuses without a body: no chunks, and no room for a trailer. */
const bodiless = new Set([204, 205, 304]);

/** Writes status and headers at once, then the body as it comes; where it breaks off, so does the connection. */
function write(reply: FastifyReply, body: Readable, trailers?: () => Readonly<Record<string, string>>): void {
  reply.hijack();
  const { raw, statusCode } = reply;
  if (raw.destroyed) {
    body.destroy();
    return;
  }
  const { connection, ...headers } = reply.getHeaders() as OutgoingHttpHeaders;
  const close = connection === 'close' || !raw.req.complete;
  const trailed = trailers !== undefined && raw.req.httpVersion !== '1.0' && !bodiless.has(statusCode);
  const whole = headers['content-length'] !== undefined;
  raw.writeHead(statusCode, {
    ...headers,
    ...(close ? { connection: 'close' } : {}),
    ...(trailed && !whole ? { trailer: 'x-llm-cost-usd' } : {}),
  });
  raw.flushHeaders();
  if (trailed && !whole) body.once('end', () => raw.addTrailers(trailers()));
  // Whoever breaks off first, the other hears of it (a bare pipe would let the provider go on).
  raw.once('close', () => body.destroy());
  body.once('error', () => raw.destroy());
  body.pipe(raw);
}
