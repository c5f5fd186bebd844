import { createServer, type RequestListener, type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Failure, Turn } from '../../exchange/index.ts';
import { openaiChat } from '../../formats/index.ts';
import { type BodyLimits, readBodies } from './bodies.ts';
import { listenerFailure, ownRequestId, rendered } from './failures.ts';
import { type Judgement, requireJudgements } from './judgement.ts';

export interface ListenerOptions extends BodyLimits {
  readonly judgements: readonly Judgement[];
  /** Forwarded addresses count only from these. */
  readonly trustedProxies?: readonly string[];
  /** Answers a request whose path cannot be read; no hook has seen it. */
  unreadable(request: FastifyRequest, reply: FastifyReply, failure: Failure): unknown;
}

/** A Fastify instance as every listener of ours wants it: bodies as bytes, one spelling of a path, judged routes. */
export function buildListener(options: ListenerOptions): FastifyInstance {
  const { body_bytes_max, judgements, trustedProxies = [] } = options;
  const app = Fastify({
    logger: false,
    bodyLimit: body_bytes_max,
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    serverFactory: server,
    forceCloseConnections: 'idle',
    // What still comes over an open connection while the listener stops is answered, and its connection closed.
    return503OnClosing: false,
    routerOptions: { caseSensitive: true, ignoreDuplicateSlashes: false, ignoreTrailingSlash: false },
    frameworkErrors: (error, request, reply) => {
      options.unreadable(request, reply as FastifyReply, listenerFailure(error));
    },
    clientErrorHandler: unparsed,
  });
  requireJudgements(app, judgements);
  readBodies(app, options);
  return app;
}

/** Requests of one turn of the event loop are handled together. Streams outlive a keep-alive; slow heads do not (slowloris). */
function server(handle: RequestListener): Server {
  const turn = new Turn();
  const made = createServer((request, response) => turn.later(() => handle(request, response)));
  made.keepAliveTimeout = 72_000;
  made.requestTimeout = 300_000;
  made.setTimeout(0);
  return made;
}

/** What is no HTTP at all, or never becomes a whole request, is told so and hung up on. */
function unparsed(
  error: NodeJS.ErrnoException,
  socket: Socket & { _httpMessage?: { headersSent: boolean } | null },
): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  // In the middle of another reply nothing may be written: it must not look like a part of it.
  if (socket.writable && socket._httpMessage?.headersSent !== true) {
    const { status, headers, body } = rendered(unparsedFailure(error.code), openaiChat, ownRequestId());
    const head = Object.entries({ ...headers, 'content-length': String(body.length), connection: 'close' });
    const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines}\r\n`);
    socket.write(body);
  }
  socket.destroySoon();
}

function unparsedFailure(code: string | undefined): Failure {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Failure('invalid_request', 'The request headers are too large.', { status: 431 });
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Failure('invalid_request', 'The request did not come whole in time.', {
        status: 408,
        retryable: true,
      });
    default:
      return new Failure('invalid_request', 'This is not a request that HTTP allows.');
  }
}
