import type { Readable } from 'node:stream';
import type { Failure } from '../exchange/index.ts';
import type { HeaderList } from './header-list.ts';

/**
 * Ends a call from outside: made once for an exchange, before `send`, and good for every `send` it is handed to. Lighter
 * than an AbortSignal: a short list of functions, not an event target.
 */
export class Abort {
  #reason: Failure | undefined;
  #listeners: ((reason: Failure) => void)[] | undefined;

  /** Why it was aborted; undefined while it was not. */
  get reason(): Failure | undefined {
    return this.#reason;
  }

  /** Ends the call under way, if any, and every later one. Only the first reason counts. */
  abort(reason: Failure): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    for (const listener of listeners ?? []) listener(reason);
  }

  /** Who is told, once, beside all others; told at once where it is over already. */
  attach(listener: (reason: Failure) => void): void {
    if (this.#reason !== undefined) listener(this.#reason);
    else if (this.#listeners === undefined) this.#listeners = [listener];
    else this.#listeners.push(listener);
  }

  /** This one is not told any more; without an argument nobody is. */
  detach(listener?: (reason: Failure) => void): void {
    const listeners = this.#listeners;
    const isOnly = listeners?.length === 1 && listeners[0] === listener;
    if (listener === undefined || isOnly) this.#listeners = undefined;
    else this.#listeners = listeners?.filter((known) => known !== listener);
  }
}

export interface UpstreamCall {
  /** Path with query below the provider's origin, from `Provider.requestPath` or `Provider.ownPath`. */
  readonly path: string;
  /** Default POST. */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From `requestHeaders`. The provider's own headers (credentials, encoding) are added by `send` and win. */
  readonly headers: Readonly<Record<string, string>>;
  /** A stream is sent as it comes, and destroyed when the call is over before it is. */
  readonly body?: Buffer | Readable;
  /** Length of a stream, where it is known: it is sent with it, and must hold. Others are sent in chunks. */
  readonly body_bytes?: number;
  readonly abort?: Abort;
  /** Until a connection is there; waiting for a free one counts. */
  readonly connect_timeout_ms: number;
  /** From `send` to the first byte of the body. For plain replies that is nearly the whole call. */
  readonly first_byte_timeout_ms: number;
  /** From `send` to the last byte. */
  readonly total_timeout_ms: number;
  /** Longest silence between two pieces of the body, counted in whole seconds; unlimited where it is left out. */
  readonly idle_timeout_ms?: number;
}

/** Hears the body. Exactly one of `end` and `error` comes, last; neither after `abort`. */
export interface UpstreamSink {
  data(chunk: Buffer): void;
  end(): void;
  error(failure: Failure): void;
}

/** A reply whose head is there. Encoded bodies are decoded already. */
export interface UpstreamReply {
  readonly status: number;
  /** Names in lower case; repeated ones joined with a comma. `set-cookie` is among them, not joined: the last counts. */
  readonly headers: Readonly<Record<string, string>>;
  /** The headers as they go to a client (`replyHeaderList`): a list of its own each time, for ours to be added. */
  clientHeaders(): HeaderList;
  /**
   * Starts the body, once. What came already is handed over before `read` returns; the rest as it comes, with no
   * promise in between. Nobody reads: at most 256 KiB are kept, then the provider is held.
   */
  read(sink: UpstreamSink): void;
  /** Holds the provider (TCP backpressure). At most the chunk being handed over comes after it. */
  pause(): void;
  resume(): void;
  /** Ends the call and destroys its connection at once. What came and was kept is handed over first. Harmless once the reply is over. */
  abort(reason: Failure): void;
}
