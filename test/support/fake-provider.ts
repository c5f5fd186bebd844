import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import { cut, encode, framesOf } from './fake-provider-body.ts';
import { type FakeFormat, wrongBody, wrongHeaders } from './fake-provider-strict.ts';
import { errorBody, type FakeAsked, type FakeSaid, plainBody } from './fake-provider-wire.ts';

export type { FakeFormat, FakeSaid };

/** What the provider is to do with a request. Everything left out is what a well-behaved one does. */
export interface FakeReply extends FakeSaid {
  /** An error status, with the format's error body. */
  status?: number;
  error?: { message?: string; type?: string; code?: string };
  /** Seconds, or a date. */
  retryAfter?: number | string;
  headers?: Record<string, string | string[]>;
  /** Status 200 and a stream whose first frame is an error. */
  firstFrameError?: { message: string; type: string };
  /** Falls silent here, for ever. */
  stall?: 'head' | 'first_frame' | 'middle';
  /** Destroys the connection here; a number: after so many frames. */
  die?: 'head' | 'first_frame' | 'middle' | number;
  /** An error frame in the middle of the stream; then the connection ends. */
  middleError?: { message: string; type: string };
  /** Repeats its last delta for ever. */
  endless?: boolean;
  /** Ends the body cleanly without the frames that end a reply. */
  unfinished?: boolean;
  /** Encodes the body although identity was asked for; `unknown` names one nobody has. */
  encoding?: 'gzip' | 'deflate' | 'bare deflate' | 'br' | 'unknown';
  /** Time between two frames. */
  pace_ms?: number;
  /** Bytes of a TCP write, whatever the frames; default a frame each. */
  tcp_bytes?: number;
  /** The body as it is, instead of everything above that makes one. */
  raw?: { contentType: string; chunks: (string | Buffer)[] };
}

/** A body as JSON. Of one that is none, or is refused, nothing may be relied on. */
export interface FakeBody {
  model: string;
  messages: { role: string; content: unknown }[];
  stream?: boolean;
  n?: number;
  stream_options?: { include_usage?: boolean };
  max_tokens?: number;
  [field: string]: unknown;
}

/** One request as it came. Times as `performance.now()` tells them. */
export interface FakeRequest {
  format: FakeFormat;
  method: string;
  /** Path and query. */
  url: string;
  headers: IncomingHttpHeaders;
  rawHeaders: string[];
  bytes: Buffer;
  body: FakeBody;
  arrived_ms: number;
  /** When the other side went away before the reply was whole. */
  aborted_ms: number | undefined;
  /** The whole reply was handed to the network. */
  finished: boolean;
  /** Frames written so far. */
  frames: number;
  /** Resolves when the connection or the exchange is over. */
  over: Promise<void>;
}

export interface FakeProvider {
  /** `http://127.0.0.1:<port>/v1` */
  readonly baseUrl: string;
  readonly origin: string;
  /** Everything received, in order; what was refused too. */
  readonly requests: FakeRequest[];
  /** What came that must never come (wrong fields or headers), in words. A test of the gateway ends with none. */
  readonly violations: string[];
  /** Sockets open now. */
  readonly connections: number;
  /** The script: called for every right request. */
  reply: (request: FakeRequest) => FakeReply | Promise<FakeReply>;
  /** The key to be shown, in whatever header; undefined: any or none. */
  key: string | undefined;
  reset(): void;
  close(): Promise<void>;
}

/** A provider on a real socket of a free port, speaking both formats by path, strict in what it takes. */
export async function startFakeProvider(options: { key?: string } = {}): Promise<FakeProvider> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    void serve(fake, request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket) => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fake: FakeProvider = {
    origin,
    baseUrl: `${origin}/v1`,
    requests: [],
    violations: [],
    get connections() {
      return sockets.size;
    },
    reply: () => ({}),
    key: options.key,
    reset: () => {
      fake.requests.length = 0;
      fake.violations.length = 0;
      fake.reply = () => ({});
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return fake;
}

async function serve(fake: FakeProvider, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const request = received(incoming, response, Buffer.concat(chunks));
  fake.requests.push(request);
  const wrong = refused(fake, request);
  if (wrong !== undefined) {
    const { status, message, type } = wrong;
    send(response, status, {}, JSON.stringify(errorBody(request.format, message, type, null)));
    return;
  }
  const reply = await fake.reply(request);
  if (reply.stall === 'head') return request.over;
  if (reply.die === 'head') {
    response.destroy();
    return;
  }
  const headers: Record<string, string | string[]> = {
    ...(request.format === 'openai-chat'
      ? { 'x-request-id': 'req_upstream', 'openai-organization': 'org-secret', 'openai-processing-ms': '12' }
      : { 'request-id': 'req_upstream', 'anthropic-organization-id': 'org-secret' }),
    'x-ratelimit-remaining-requests': '41',
    'set-cookie': ['__cf_bm=secret', 'session=secret'],
    ...(reply.retryAfter === undefined ? undefined : { 'retry-after': String(reply.retryAfter) }),
    ...reply.headers,
  };
  if (reply.status !== undefined && reply.status !== 200) {
    const { message = `fake status ${reply.status}`, type = 'fake_error', code = null } = reply.error ?? {};
    send(response, reply.status, headers, JSON.stringify(errorBody(request.format, message, type, code)));
    return;
  }
  const asked = askedOf(request);
  if (reply.raw !== undefined) {
    await write(request, response, { ...headers, 'content-type': reply.raw.contentType }, reply, reply.raw.chunks);
  } else if (request.body.stream === true) {
    const streamed = { ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };
    await write(request, response, streamed, reply, framesOf(request.format, reply, asked));
  } else {
    const body = JSON.stringify(plainBody(request.format, reply, asked));
    await write(request, response, { ...headers, 'content-type': 'application/json' }, reply, [body]);
  }
}

function received(incoming: IncomingMessage, response: ServerResponse, bytes: Buffer): FakeRequest {
  let body = {} as FakeBody;
  try {
    body = JSON.parse(bytes.toString('utf8')) as FakeBody;
  } catch {
    // Refused below: it has no model.
  }
  const request: FakeRequest = {
    format: /\/messages(\?|$)/.test(incoming.url ?? '') ? 'anthropic-messages' : 'openai-chat',
    method: incoming.method ?? '',
    url: incoming.url ?? '',
    headers: incoming.headers,
    rawHeaders: incoming.rawHeaders,
    bytes,
    body,
    arrived_ms: performance.now(),
    aborted_ms: undefined,
    finished: false,
    frames: 0,
    over: once(response, 'close').then(() => {}),
  };
  response.on('close', () => {
    request.finished = response.writableFinished;
    if (!request.finished) request.aborted_ms = performance.now();
  });
  return request;
}

function refused(
  fake: FakeProvider,
  request: FakeRequest,
): { status: number; message: string; type: string } | undefined {
  if (!/\/(chat\/completions|messages)(\?|$)/.test(request.url) || request.method !== 'POST') {
    return { status: 404, message: `no route ${request.method} ${request.url}`, type: 'not_found_error' };
  }
  const headers = wrongHeaders(request.format, request.headers);
  const body = wrongBody(request.format, request.body);
  const wrong = [...headers, ...(body === undefined ? [] : [body])];
  fake.violations.push(...wrong);
  if (wrong.length > 0) return { status: 400, message: wrong.join('; '), type: 'invalid_request_error' };
  const { authorization, 'x-api-key': anthropic, 'api-key': azure } = request.headers;
  const shown = authorization?.replace(/^Bearer /, '') ?? anthropic ?? azure;
  if (fake.key !== undefined && shown !== fake.key) {
    return { status: 401, message: `Incorrect API key provided: ${String(shown)}.`, type: 'authentication_error' };
  }
  return undefined;
}

function askedOf({ format, body }: FakeRequest): FakeAsked {
  return {
    model: body.model,
    choices: format === 'openai-chat' ? (body.n ?? 1) : 1,
    usageAsked: body.stream_options?.include_usage === true,
    inputTokens: JSON.stringify(body.messages).split(/\s+/).length,
  };
}

/** Writes a body piece by piece, doing whatever the script says on the way. Returns when it is over, however. */
async function write(
  request: FakeRequest,
  response: ServerResponse,
  headers: Record<string, string | string[]>,
  reply: FakeReply,
  frames: (string | Buffer)[],
): Promise<void> {
  const encoded = encode(reply.encoding, frames);
  response.writeHead(200, encoded === undefined ? headers : { ...headers, 'content-encoding': encoded.name });
  response.flushHeaders();
  if (reply.stall === 'first_frame') return request.over;
  if (reply.die === 'first_frame') return void response.destroy();
  const parts = cut(encoded?.bytes ?? frames, reply.tcp_bytes);
  const middle = Math.max(1, parts.length >> 1);
  const dieAt = reply.die === 'middle' ? middle : reply.die;
  let lastDelta: string | Buffer = '';
  for (const [index, part] of parts.entries()) {
    if (request.aborted_ms !== undefined) return;
    if (index === dieAt) return void response.destroy();
    if (index === middle && reply.stall === 'middle') return request.over;
    if (index === middle && reply.endless === true) return repeat(request, response, lastDelta, reply.pace_ms ?? 1);
    response.write(part);
    request.frames += 1;
    lastDelta = part;
    if (reply.pace_ms !== undefined) await wait(reply.pace_ms);
    else if (parts.length > 1) await nextTurn();
  }
  if (dieAt !== undefined) return void response.destroy();
  response.end();
  await request.over;
}

async function repeat(request: FakeRequest, response: ServerResponse, frame: string | Buffer, pace_ms: number) {
  while (request.aborted_ms === undefined) {
    if (response.write(frame) === false) await Promise.race([once(response, 'drain'), request.over]);
    request.frames += 1;
    await wait(pace_ms);
  }
}

function send(
  response: ServerResponse,
  status: number,
  headers: Record<string, string | string[]>,
  body: string,
): void {
  response.writeHead(status, { ...headers, 'content-type': 'application/json' });
  response.end(body);
}
