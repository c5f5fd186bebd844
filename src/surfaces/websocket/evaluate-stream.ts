import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Caller, Failure } from '../../exchange/index.ts';
import type { DecisionPoint } from '../decision/point.ts';
import type { Answer } from '../http/decisions.ts';
import { streamPath } from '../http/openapi.ts';
import { Questions } from './questions.ts';
import { upgrades } from './upgrade.ts';

export interface StreamLimits {
  /** Of one message. */
  readonly message_bytes_max: number;
  /** Streams of this process at once. */
  readonly streams_max: number;
  /** Answers that wait for a client to read them; more, and nothing further is read from it. */
  readonly unread_bytes_max: number;
  /** How long a client may read nothing then, before its stream is cut. */
  readonly unread_ms_max: number;
  /** How often a stream's key is asked for again, and its client whether it is there. */
  readonly check_ms: number;
  readonly ping_ms: number;
}

export const streamLimits: StreamLimits = {
  message_bytes_max: 1_048_576,
  streams_max: 10_000,
  unread_bytes_max: 1_048_576,
  unread_ms_max: 30_000,
  check_ms: 1000,
  ping_ms: 30_000,
};

const goingAway = 1001;
/** Of the key: it is not known any more, or lost its scope. */
const notAllowed = 1008;
/** How long clients may take to say goodbye. */
const farewell_ms = 1000;

interface Open {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  heard: boolean;
}

/**
 * Serves streams of questions: who connects is let in as by REST, before the connection is a WebSocket; who is not is
 * answered by the route of that path, in words. Closed with the listener, with 1001.
 */
export function evaluateStreams(
  app: FastifyInstance,
  point: DecisionPoint,
  answer: Answer,
  { body_bytes_max, ...given }: Partial<StreamLimits> & { readonly body_bytes_max: number },
): void {
  const limits = { ...streamLimits, ...given };
  const maxPayload = Math.min(limits.message_bytes_max, body_bytes_max);
  const server = new WebSocketServer({ noServer: true, maxPayload, perMessageDeflate: false, clientTracking: false });
  const streams = new Set<Open>();
  let closing = false;

  const begin = (socket: WebSocket, request: IncomingMessage, caller: Caller): void => {
    const one: Open = { socket, request, heard: true };
    streams.add(one);
    point.recent.streams = streams.size;
    const questions = new Questions(point, caller, socket, limits);
    socket.on('message', (data: Buffer, binary: boolean) => questions.ask(data, binary));
    socket.on('pong', () => {
      one.heard = true;
    });
    // What is wrong with a frame closes the stream; `ws` says why in the close.
    socket.on('error', () => {});
    socket.on('close', () => {
      questions.end();
      streams.delete(one);
      point.recent.streams = streams.size;
    });
    if (closing) socket.close(goingAway, 'shutting down');
  };

  // A connection that becomes a WebSocket never gets here: this is what one that does not is told.
  app.get(streamPath, { config: { judgement: 'caller' } }, (request, reply) =>
    answer(reply, request, async () => {
      await point.door.enter(request.raw.headers, 'policy:evaluate');
      if (streams.size >= limits.streams_max) throw full(limits.streams_max);
      reply.header('upgrade', 'websocket');
      throw new Failure('invalid_request', 'This is a WebSocket: connect with `upgrade: websocket`.', { status: 426 });
    }),
  );
  upgrades(app.server, streamPath, async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (closing || streams.size >= limits.streams_max) return false;
    const caller = await point.door.enter(request.headers, 'policy:evaluate').catch(() => undefined);
    if (caller === undefined || socket.destroyed) return caller !== undefined;
    server.handleUpgrade(request, socket, head, (opened) => begin(opened, request, caller));
    return true;
  });

  const check = setInterval(() => {
    for (const { socket, request } of streams) {
      point.door
        .enter(request.headers, 'policy:evaluate')
        .catch(() => socket.close(notAllowed, 'the key is not valid'));
    }
  }, limits.check_ms).unref();
  const ping = setInterval(() => {
    for (const one of streams) {
      if (!one.heard) one.socket.terminate();
      else one.socket.ping();
      one.heard = false;
    }
  }, limits.ping_ms).unref();

  app.addHook('preClose', async () => {
    closing = true;
    clearInterval(check);
    clearInterval(ping);
    const over = [...streams].map(({ socket }) => new Promise((resolve) => socket.once('close', resolve)));
    for (const { socket } of streams) socket.close(goingAway, 'shutting down');
    const late = setTimeout(() => {
      for (const { socket } of streams) socket.terminate();
    }, farewell_ms);
    await Promise.all(over);
    clearTimeout(late);
    server.close();
  });
}

function full(limit: number): Failure {
  return new Failure('rate_limit_exceeded', `There are ${limit} streams open, as many as may be.`, {
    retryAfterSeconds: 1,
    extra: { scope: 'gateway', limit, unit: 'streams' },
  });
}
