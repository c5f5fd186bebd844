import { Failure } from '../../exchange/index.ts';
import type { HeaderList } from '../header-list.ts';
import { replyHeaderList } from '../headers.ts';
import type { UpstreamCall, UpstreamReply, UpstreamSink } from '../upstream.ts';
import { timedOut } from '../upstream-failure.ts';
import type { DemoReply } from './wire.ts';

/** Hands out a reply piece by piece, as a connection would: paced, held when paused, cut off when aborted. */
export class DemoCall implements UpstreamReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly #provider: string;
  readonly #onAbort = (reason: Failure) => this.abort(reason);
  readonly #call: UpstreamCall;
  readonly #reply: DemoReply;
  readonly #pace_ms: number;
  readonly #over: () => void;
  readonly #started_ms = performance.now();
  #next = 0;
  #sink: UpstreamSink | undefined;
  #timer: NodeJS.Timeout | undefined;
  #paused = false;
  #done = false;

  constructor(provider: string, call: UpstreamCall, reply: DemoReply, pace_ms: number, over: () => void) {
    this.status = reply.status;
    this.headers = reply.headers;
    this.#provider = provider;
    this.#call = call;
    this.#reply = reply;
    this.#pace_ms = pace_ms;
    this.#over = over;
    call.abort?.attach(this.#onAbort);
  }

  clientHeaders(): HeaderList {
    return replyHeaderList(this.headers);
  }

  read(sink: UpstreamSink): void {
    if (this.#sink !== undefined) throw new Error('A reply is read once.');
    this.#sink = sink;
    if (!this.#done) this.#step();
  }

  pause(): void {
    this.#paused = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.#done && this.#sink !== undefined && this.#timer === undefined) this.#step();
  }

  abort(_reason: Failure): void {
    if (!this.#done) this.#leave();
  }

  #leave(): void {
    this.#done = true;
    clearTimeout(this.#timer);
    this.#call.abort?.detach(this.#onAbort);
    this.#over();
  }

  #step(): void {
    this.#timer = undefined;
    const sink = this.#sink;
    if (sink === undefined) return;
    const { total_timeout_ms } = this.#call;
    if (performance.now() - this.#started_ms >= total_timeout_ms) {
      this.#leave();
      sink.error(timedOut(this.#provider, 'total', total_timeout_ms));
      return;
    }
    const piece = this.#reply.pieces[this.#next];
    if (piece !== undefined) {
      this.#next += 1;
      sink.data(piece);
      if (this.#done || this.#paused) return;
      if (this.#next < this.#reply.pieces.length) {
        this.#timer = setTimeout(() => this.#step(), this.#pace_ms);
        return;
      }
    }
    this.#leave();
    if (this.#reply.breaksOff) {
      const message = `Provider ${this.#provider} broke off in the middle of its reply.`;
      sink.error(new Failure('upstream_error', message, { extra: { phase: 'body', reason: 'demo' } }));
    } else sink.end();
  }
}
