import { WebSocket } from 'ws';
import { teamKey } from './gateway.ts';

// biome-ignore lint/suspicious/noExplicitAny: JSON of many shapes, compared as it is
export type Said = any;

/** A stream of questions as a client has it: what it is told, in order. */
export interface AskingStream {
  readonly socket: WebSocket;
  say(message: unknown): void;
  /** The next message nobody has taken yet. Rejects when the stream is over before it comes. */
  next(): Promise<Said>;
  /** Resolves when it is over, with the close code and its reason. */
  readonly over: Promise<{ readonly code: number; readonly reason: string }>;
}

/** Opens a stream. Rejects with the HTTP status and body where it is refused. */
export function openAsking(
  origin: string,
  { key = teamKey, path = '/api/v1/evaluate/stream' }: { key?: string | null; path?: string } = {},
): Promise<AskingStream> {
  const headers = key === null ? {} : { authorization: `Bearer ${key}` };
  const socket = new WebSocket(origin.replace('http', 'ws') + path, { headers });
  const heard: string[] = [];
  const waiting: { resolve(said: string): void; reject(error: Error): void }[] = [];
  socket.on('message', (data) => {
    const next = waiting.shift();
    if (next === undefined) heard.push(String(data));
    else next.resolve(String(data));
  });
  const over = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => {
      for (const one of waiting.splice(0)) one.reject(new Error(`the stream is over: ${code} ${reason}`));
      resolve({ code, reason: String(reason) });
    });
  });
  return new Promise((resolve, reject) => {
    socket.on('error', () => {});
    socket.on('unexpected-response', (_request, response) => {
      let body = '';
      response.on('data', (bytes) => {
        body += bytes;
      });
      response.on('end', () => {
        socket.terminate();
        reject(Object.assign(new Error(`${response.statusCode} ${body}`), { status: response.statusCode, body }));
      });
    });
    socket.on('open', () =>
      resolve({
        socket,
        over,
        say: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
        async next() {
          const said =
            heard.shift() ?? (await new Promise<string>((resolve, reject) => waiting.push({ resolve, reject })));
          return JSON.parse(said);
        },
      }),
    );
  });
}
