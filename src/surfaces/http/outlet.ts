import type { ServerResponse } from 'node:http';
import type { Outlet } from '../../pipeline/index.ts';

/** An outlet over Node's response: heads of streams are flushed at once, plain replies leave in one write. */
export function httpOutlet(response: ServerResponse): Outlet {
  return new HttpOutlet(response);
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
    const { trailer: _, ...plain } = headers;
    // HTTP/1.0 (what some proxies speak to their upstreams) has no chunks, and so no room for a trailer: Node would throw.
    this.#response.writeHead(status, this.#response.req.httpVersion === '1.0' ? plain : headers);
    this.#response.flushHeaders();
  }

  write(bytes: Buffer): boolean {
    return this.gone || this.#response.write(bytes);
  }

  end(bytes: Buffer, trailers?: Readonly<Record<string, string>>): void {
    if (this.gone) return;
    if (!this.#headWritten) {
      this.#response.writeHead(this.#status, { ...this.#headers, 'content-length': String(bytes.length) });
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
    this.#response.once('close', () => {
      if (!this.#response.writableFinished) gone();
    });
  }
}
