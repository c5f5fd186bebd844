import type { ServerResponse } from 'node:http';
import type { Outlet } from '../../pipeline/index.ts';

/** An outlet over Node's response: heads of streams are flushed at once, plain replies leave in one write. */
export function httpOutlet(response: ServerResponse): Outlet {
  return new HttpOutlet(response);
}

/** Name, value, name, value ...: Node writes a list some microseconds faster than an object it has to take apart. */
function listed(headers: Readonly<Record<string, string | string[]>>, without?: string): (string | string[])[] {
  const list: (string | string[])[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && name !== without) list.push(name, value);
  }
  return list;
}

class HttpOutlet implements Outlet {
  readonly #response: ServerResponse;
  #status = 0;
  #headers: Readonly<Record<string, string | string[]>> = {};
  #headWritten = false;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get gone(): boolean {
    return this.#response.destroyed || this.#response.closed;
  }

  head(status: number, headers: Readonly<Record<string, string | string[]>>, streamed: boolean): void {
    this.#status = status;
    this.#headers = headers;
    if (!streamed) return;
    this.#headWritten = true;
    // HTTP/1.0 (what some proxies speak to their upstreams) has no chunks, and so no room for a trailer: Node would throw.
    const without = this.#response.req.httpVersion === '1.0' ? 'trailer' : undefined;
    this.#response.writeHead(status, listed(headers, without));
    this.#response.flushHeaders();
  }

  write(bytes: Buffer): boolean {
    return this.gone || this.#response.write(bytes);
  }

  end(bytes: Buffer, trailers?: Readonly<Record<string, string>>): void {
    if (this.gone) return;
    if (!this.#headWritten) {
      const list = listed(this.#headers, 'content-length');
      list.push('content-length', String(bytes.length));
      this.#response.writeHead(this.#status, list);
    } else if (trailers !== undefined) {
      this.#response.addTrailers(trailers);
    }
    this.#response.end(bytes);
  }

  onDrain(drained: () => void): void {
    this.#response.on('drain', drained);
  }

  onGone(gone: () => void): void {
    if (this.gone && !this.#response.writableFinished) {
      gone();
      return;
    }
    this.#response.on('close', () => {
      if (!this.#response.writableFinished) gone();
    });
  }
}
