import { connect, type Socket } from 'node:net';

/** A reply as it came over the wire. */
export interface RawReply {
  readonly status: number;
  /** Names in lower case; of repeated ones the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What to send beside method and path; header lines are written as they are given, host among them. */
export interface RawRequest {
  readonly method?: string;
  /** The request target, unchanged by any client's idea of a URL. */
  readonly target: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string | Buffer;
}

/** Sends one request byte for byte and reads its reply; no library in between mends what is odd. */
export function rawRequest(origin: string, request: RawRequest): Promise<RawReply> {
  return rawBytes(origin, requestBytes(origin, request));
}

/** A request as it goes over the wire; `connection: close` where its headers say nothing else. */
export function requestBytes(origin: string, request: RawRequest): Buffer {
  const { method = 'POST', target, headers = [], body = '' } = request;
  const bytes = Buffer.from(body);
  const names = new Set(headers.map(([name]) => name.toLowerCase()));
  const lines = [...headers];
  if (!names.has('host')) lines.unshift(['Host', new URL(origin).host]);
  if (!names.has('content-length') && !names.has('transfer-encoding'))
    lines.push(['Content-Length', String(bytes.length)]);
  if (!names.has('connection')) lines.push(['Connection', 'close']);
  const head = `${method} ${target} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes]);
}

/** Sends bytes and reads one reply until it is whole or the connection ends. */
export function rawBytes(origin: string, bytes: Buffer): Promise<RawReply> {
  const socket = openSocket(origin);
  return rawReply(socket, bytes).finally(() => socket.destroy());
}

/** The same over a connection that is kept: one reply after the other, each asked for when the one before is whole. */
export function rawReply(socket: Socket, bytes: Buffer): Promise<RawReply> {
  return new Promise<RawReply>((resolve, reject) => {
    let received = Buffer.alloc(0);
    const leave = (): void => {
      socket.off('data', heard).off('end', done).off('close', done).off('error', failed).setTimeout(0);
    };
    const done = (): void => {
      leave();
      const reply = replyOf(received);
      if (reply === undefined) reject(new Error(`no reply, only: ${received.toString('latin1').slice(0, 200)}`));
      else resolve(reply);
    };
    const heard = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      if (isWhole(received)) done();
    };
    const failed = (error: Error): void => {
      leave();
      if (received.length > 0) done();
      else reject(error);
    };
    socket.on('data', heard).on('end', done).on('close', done).on('error', failed);
    socket.setTimeout(20_000, () => failed(new Error('no reply within 20 s')));
    if (socket.destroyed) failed(new Error('the connection was closed before'));
    else socket.write(bytes);
  });
}

export function openSocket(origin: string): Socket {
  const { hostname, port } = new URL(origin);
  return connect({ host: hostname, port: Number(port), noDelay: true });
}

function split(received: Buffer): { head: string; rest: Buffer } | undefined {
  const end = received.indexOf('\r\n\r\n');
  return end < 0 ? undefined : { head: received.subarray(0, end).toString('latin1'), rest: received.subarray(end + 4) };
}

function headersOf(head: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return headers;
}

function isWhole(received: Buffer): boolean {
  const parts = split(received);
  if (parts === undefined || parts.head.startsWith('HTTP/1.1 100')) return false;
  const { 'content-length': length, 'transfer-encoding': encoding } = headersOf(parts.head);
  if (encoding === 'chunked') return lastChunk.test(parts.rest.toString('latin1'));
  return length !== undefined && parts.rest.length >= Number(length);
}

/** Of length 0, with or without trailers behind it. */
const lastChunk = /(^|\r\n)0\r\n([^\r\n]+\r\n)*\r\n$/;

function replyOf(received: Buffer): RawReply | undefined {
  const parts = split(received);
  const status = /^HTTP\/1\.1 (\d{3})/.exec(parts?.head ?? '')?.[1];
  if (parts === undefined || status === undefined) return undefined;
  return { status: Number(status), headers: headersOf(parts.head), body: parts.rest.toString('utf8') };
}
