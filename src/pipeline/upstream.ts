import type { Format } from '../exchange/index.ts';
import { Failure, type Frame, mergeUsage, type ReplyDecoder, type Usage } from '../exchange/index.ts';
import type { UpstreamReply, UpstreamSink } from '../providers/index.ts';

const none: readonly Frame[] = Object.freeze([]);

/** How long a body may go on behind the end of its reply. */
const linger_ms = 1000;
const lingered = new Failure('upstream_error', "The provider's body went on behind the end of its reply.");

export interface FrameListener {
  frames(frames: readonly Frame[]): void;
  /** The provider's body is over, well or not: what is wrong with it came as an `error` event. */
  done(): void;
}

/**
 * A provider's reply as frames. Frames that come before anybody listens are kept, so that the first one can be seen
 * before the status is committed. No promise per chunk: the listener is called straight from the socket.
 */
export class ReplySource implements UpstreamSink {
  readonly streamed: boolean;
  readonly #reply: UpstreamReply;
  readonly #format: Format;
  readonly #decoder: ReplyDecoder | undefined;
  readonly #bytesMax: number;
  #body: Buffer[] | undefined;
  #size = 0;
  #kept: readonly Frame[] = none;
  #over = false;
  #listener: FrameListener | undefined;
  #begun = false;
  #lingering: NodeJS.Timeout | undefined;
  #seen: (() => void) | undefined;
  /** Bytes the provider sent. */
  bytes = 0;

  constructor(reply: UpstreamReply, format: Format, streamed: boolean, usageInjected: boolean, bytesMax: number) {
    this.#reply = reply;
    this.#format = format;
    this.streamed = streamed;
    this.#bytesMax = bytesMax;
    this.#decoder = streamed ? format.streamDecoder({ usageInjected }) : undefined;
  }

  /**
   * Starts reading. Resolves when the first frame that says something is there, or the reply is over; undefined where that
   * is so at once, as with a short reply that came with its head.
   */
  first(): Promise<void> | undefined {
    this.#reply.read(this);
    if (this.#begun) return undefined;
    return new Promise((resolve) => {
      this.#seen = resolve;
    });
  }

  /** The failure a reply begins with, if it does: then nothing of it was given out and another candidate may be tried. */
  openingFailure(): Failure | undefined {
    for (const frame of this.#kept) {
      for (const event of frame.events) {
        if (event.type === 'error') return event.failure;
        // A plain reply tells what it cost beside what is wrong with it; in a stream usage comes after something was said.
        if (event.type === 'usage' && !this.streamed) continue;
        if (event.type !== 'ping' && event.type !== 'start') return undefined;
      }
    }
    return undefined;
  }

  /** What the frames that nobody was told of say of their cost. */
  get keptUsage(): Usage | undefined {
    let usage: Usage | undefined;
    for (const { events } of this.#kept) {
      for (const event of events) if (event.type === 'usage') usage = mergeUsage(usage, event.usage);
    }
    return usage;
  }

  /** Whether the frames that nobody was told of are a plain reply, whatever went wrong with it. */
  get keptReply(): boolean {
    return !this.streamed && this.#kept.some(({ events }) => events.some(({ type }) => type === 'start'));
  }

  /** The provider's body is over, well or not. */
  get over(): boolean {
    return this.#over;
  }

  /** The frames nobody was told of yet. */
  take(): readonly Frame[] {
    const kept = this.#kept;
    this.#kept = none;
    return kept;
  }

  listen(listener: FrameListener): void {
    this.#listener = listener;
    const kept = this.take();
    if (kept.length > 0) listener.frames(kept);
    if (this.#over) listener.done();
  }

  pause(): void {
    this.#reply.pause();
  }

  resume(): void {
    this.#reply.resume();
  }

  /**
   * Cancels the call at the provider. Nothing is told to the listener any more, and what came before that and was not told
   * yet to `rest`; who waits for the first frame goes on.
   */
  abort(reason: Failure, rest?: FrameListener['frames']): void {
    this.#over ||= rest === undefined;
    this.#listener = rest === undefined ? undefined : { frames: rest, done: () => {} };
    this.#reply.abort(reason);
    this.#over = true;
    this.#listener = undefined;
    this.#wake();
  }

  /** From the provider: a piece of the body. */
  data(chunk: Buffer): void {
    if (this.#over) return;
    this.bytes += chunk.length;
    if (this.#decoder === undefined) {
      this.#size += chunk.length;
      if (this.#size > this.#bytesMax) {
        this.#break(
          new Failure('upstream_error', `The provider's reply has more than ${this.#bytesMax} bytes.`, {
            retryable: false,
          }),
        );
        return;
      }
      if (this.#body === undefined) this.#body = [chunk];
      else this.#body.push(chunk);
      return;
    }
    try {
      this.#give(this.#decoder.push(chunk));
    } catch (thrown) {
      this.#break(unreadable(thrown));
      return;
    }
    // Nearly always the body ends in the same breath.
    if (this.#decoder.over && !this.#over) queueMicrotask(() => this.#leave());
  }

  /**
   * The reply has ended, and so it is over: a provider that keeps its connection open after that keeps nobody waiting. A
   * body that ends soon leaves the connection to other calls; no other may hold it.
   */
  #leave(): void {
    if (this.#over) return;
    this.#finish();
    this.#reply.resume();
    this.#lingering = setTimeout(() => this.#reply.abort(lingered), linger_ms).unref();
  }

  #break(failure: Failure): void {
    this.#reply.abort(failure);
    this.error(failure);
  }

  /** From the provider: the body is whole. */
  end(): void {
    clearTimeout(this.#lingering);
    if (this.#over) return;
    try {
      if (this.#decoder === undefined) {
        const parts = this.#body ?? [];
        const [only] = parts;
        this.#body = undefined;
        this.#give([this.#format.plainFrame(parts.length === 1 && only !== undefined ? only : Buffer.concat(parts))]);
      } else {
        this.#give(this.#decoder.end());
      }
    } catch (thrown) {
      this.error(unreadable(thrown));
      return;
    }
    this.#finish();
  }

  /** From the provider, or of its bytes: the body broke off. */
  error(failure: Failure): void {
    clearTimeout(this.#lingering);
    if (this.#over) return;
    // What breaks after the last word breaks nothing of the reply.
    if (this.#decoder?.over !== true) this.#give([faultFrame(failure)]);
    this.#finish();
  }

  #finish(): void {
    this.#over = true;
    this.#listener?.done();
    this.#wake();
  }

  #give(frames: readonly Frame[]): void {
    if (frames.length === 0) return;
    if (this.#listener !== undefined) {
      this.#listener.frames(frames);
      return;
    }
    this.#kept = this.#kept.length === 0 ? frames : [...this.#kept, ...frames];
    if (frames.some(says)) this.#wake();
  }

  #wake(): void {
    this.#begun = true;
    const seen = this.#seen;
    this.#seen = undefined;
    seen?.();
  }
}

function says(frame: Frame): boolean {
  return !frame.passes && frame.events.length > 0;
}

function unreadable(thrown: unknown): Failure {
  return thrown instanceof Failure
    ? thrown
    : new Failure('upstream_error', "The provider's reply cannot be read.", { cause: thrown });
}

const noBytes = Buffer.alloc(0);

/** A fault of the transport as a frame: it has no bytes of its own, the client's format says it. */
function faultFrame(failure: Failure): Frame {
  return {
    raw: noBytes,
    events: [{ type: 'error', failure }],
    passes: false,
    usageOnly: false,
    rewrite: () => noBytes,
  };
}
