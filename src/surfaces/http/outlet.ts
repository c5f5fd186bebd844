import type { ServerResponse } from 'node:http';
import type { HeaderPairs, Outlet } from '../../pipeline/index.ts';

/** An outlet over Node's response: heads of streams are flushed at once, plain replies leave in one write. */
export function httpOutlet(response: ServerResponse): Outlet {
  return new HttpOutlet(response);
}

/** A plain reply up to this long leaves as one string with its head: one piece instead of two to gather. */
const joinedBytesMax = 8 * 1024;

function withoutTrailer(headers: HeaderPairs): HeaderPairs {
  return headers.filter((_, at) => headers[at - (at % 2)] !== 'trailer');
}

class HttpOutlet implements Outlet {
  readonly #response: ServerResponse;
  #status = 0;
  #headers: HeaderPairs = [];
  #headWritten = false;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get gone(): boolean {
    return this.#response.destroyed || this.#response.closed;
  }

  head(status: number, headers: HeaderPairs, streamed: boolean): void {
    this.#status = status;
    this.#headers = headers;
    if (!streamed) return;
    this.#headWritten = true;
    // HTTP/1.0 (what some proxies speak to their upstreams) has no chunks, and so no room for a trailer: Node would throw.
    const list = this.#response.req.httpVersion === '1.0' ? withoutTrailer(headers) : headers;
    this.#response.writeHead(status, list);
    this.#response.flushHeaders();
  }

  write(bytes: Buffer): boolean {
    return this.gone || this.#response.write(bytes);
  }

  end(bytes: Buffer, trailers?: Readonly<Record<string, string>>): void {
    if (this.gone) return;
    if (!this.#headWritten) {
      this.#headers.push('content-length', String(bytes.length));
      this.#response.writeHead(this.#status, this.#headers);
      if (bytes.length <= joinedBytesMax) {
        // Each byte is one character of it, whatever it means.
        this.#response.end(bytes.toString('latin1'), 'latin1');
        return;
      }
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
