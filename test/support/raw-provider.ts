import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as its bytes came. */
export interface RawRequest {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value ... spelled as they came. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** A provider that judges nothing: it keeps what came and answers what it is told to, byte for byte. */
export interface RawProvider {
  readonly baseUrl: string;
  readonly requests: RawRequest[];
  answer: (response: ServerResponse, request: RawRequest) => void | Promise<void>;
  close(): Promise<void>;
}

export async function startRawProvider(): Promise<RawProvider> {
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const { url = '', headers, rawHeaders } = incoming;
    const request = { url, headers, rawHeaders, body: Buffer.concat(chunks) };
    provider.requests.push(request);
    await provider.answer(response, request);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const provider: RawProvider = {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests: [],
    answer: (response) => void response.end(),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return provider;
}

/** A reply as its bytes came. */
export interface RawReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly trailers: NodeJS.Dict<string>;
  readonly body: Buffer;
}

export interface RawCall {
  /** Name and value pairs, in order; a name may come twice. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | Buffer;
  /** Without a length, in chunks of this many bytes. */
  readonly chunkBytes?: number;
}

/** One call with just these headers and bytes. */
export async function rawCall(url: string, call: RawCall): Promise<RawReply> {
  const bytes = Buffer.from(call.body);
  const length: [string, string][] = call.chunkBytes === undefined ? [['Content-Length', String(bytes.length)]] : [];
  const { host } = new URL(url);
  const headers = [['Host', host], ...call.headers, ...length].flat();
  const outgoing = httpRequest(url, { method: 'POST', headers, agent: false });
  const size = call.chunkBytes ?? bytes.length;
  for (let at = 0; at < bytes.length; at += size) outgoing.write(bytes.subarray(at, at + size));
  outgoing.end();
  const [incoming] = await once(outgoing, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const { statusCode, headers: received, rawHeaders, trailers } = incoming;
  return { status: statusCode, headers: received, rawHeaders, trailers, body: Buffer.concat(chunks) };
}
