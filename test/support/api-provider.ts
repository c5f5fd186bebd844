import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A call of a provider's API as it came. */
export interface ApiCall {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** What came of the body so far. */
  body: Buffer;
  /** When the other side went away before the reply was whole, as `performance.now()` tells it. */
  aborted_ms: number | undefined;
  /** Resolves when the exchange is over. */
  readonly over: Promise<void>;
}

/** The rest of a provider's API, where anything may be asked: it judges nothing and answers what it is told to. */
export interface ApiProvider {
  readonly origin: string;
  readonly baseUrl: string;
  /** Everything that came, in order, from the moment its head was there. */
  readonly calls: ApiCall[];
  /** Called once a call's body is whole. */
  answer: (response: ServerResponse, call: ApiCall) => void | Promise<void>;
  /** Called at a call's head; true: it is answered already, whatever is still to come. */
  early: (response: ServerResponse, call: ApiCall) => boolean;
  reset(): void;
  close(): Promise<void>;
}

export async function startApiProvider(): Promise<ApiProvider> {
  const server = createServer((incoming, response) => {
    void serve(api, incoming, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const api: ApiProvider = {
    origin,
    baseUrl: `${origin}/v1`,
    calls: [],
    answer: (response) => json(response, 200, '{"object":"thing"}'),
    early: () => false,
    reset() {
      api.calls.length = 0;
      api.answer = (response) => json(response, 200, '{"object":"thing"}');
      api.early = () => false;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return api;
}

async function serve(api: ApiProvider, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url = '', headers, rawHeaders } = incoming;
  const over = once(response, 'close').then(() => {});
  const call: ApiCall = { method, url, headers, rawHeaders, body: Buffer.alloc(0), aborted_ms: undefined, over };
  api.calls.push(call);
  response.on('close', () => {
    if (!response.writableFinished) call.aborted_ms = performance.now();
  });
  if (api.early(response, call)) return;
  for await (const chunk of incoming) call.body = Buffer.concat([call.body, chunk as Buffer]);
  await api.answer(response, call);
}

export function json(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(body);
}
