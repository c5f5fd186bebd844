import type { HeaderList } from '../providers/index.ts';
import { streamHeaders } from './reply-headers.ts';
import type { Outlet } from './walk.ts';

/** Status line and headers of a reply, which leave once: with the first bytes of a stream, or with all of a plain reply. */
export class ReplyHead {
  readonly status: number;
  readonly headers: HeaderList;
  readonly #outlet: Outlet;
  #sent = false;

  constructor(outlet: Outlet, status: number, headers: HeaderList) {
    this.status = status;
    this.headers = headers;
    this.#outlet = outlet;
  }

  get sent(): boolean {
    return this.#sent;
  }

  /** As that of a reply whose bytes are all there. */
  send(): void {
    if (!this.#sent) this.#leave(false);
  }

  /** As a stream's, before its first bytes. */
  sendStream(): void {
    if (this.#sent) return;
    streamHeaders(this.headers);
    this.#leave(true);
  }

  #leave(streamed: boolean): void {
    this.#sent = true;
    this.#outlet.head(this.status, this.headers.pairs, streamed);
  }
}
