import type { Transform } from 'node:stream';
import type { Dispatcher } from 'undici';
import { asFailure, Failure, type FailureDetail, Turn } from '../exchange/index.ts';
import { Deadline, type Watched } from './deadlines.ts';
import { bareInflate, decoderFor, isBareDeflate } from './decoder.ts';
import type { HeaderList } from './header-list.ts';
import type { Origin } from './origin.ts';
import { type RawHeaders, rawHeader, rawRecord, rawReplyHeaders } from './raw-headers.ts';
import type { UpstreamCall, UpstreamReply, UpstreamSink } from './upstream.ts';
import { type CallPhase, connectionFailure, damaged, type TimedPhase, timedOut } from './upstream-failure.ts';

/** Bytes kept for a reader who has not come yet; then the provider is held. */
const keptBytesMax = 256 * 1024;

/** What came of all replies in one turn of the event loop is passed on together; short replies are whole by then. */
const replies = new Turn();

/** Headers or chunks that have not come. Shared by all calls, and never added to: a list that is pushed to makes room for many. */
const noBuffers: Buffer[] = [];

/**
 * One call on the wire: undici's handler on one side, the reply on the other, with nothing allocated in between for a
 * chunk. The handler is of undici's older kind, which its types declare and call deprecated: the newer one is laid over it,
 * and makes an object of all headers for each reply (9 us for the 26 of a usual one, against 2), a controller and a handler.
 */
export class LiveCall implements UpstreamReply, Dispatcher.DispatchHandler, Watched {
  status = 0;

  readonly #origin: Origin;
  readonly #onAbort = (reason: Failure) => this.abort(reason);
  readonly #call: UpstreamCall;
  readonly #resolve: (reply: UpstreamReply) => void;
  readonly #begin = (): void => this.#resolve(this);
  readonly #reject: (failure: Failure) => void;
  readonly #deadline: Deadline;
  /** Ends the request and its connection; missing while it waits for one. */
  #cut: ((reason?: Error) => void) | undefined;
  /** Has undici go on after it was told to wait. */
  #readOn: (() => void) | undefined;
  /** undici is to wait, at the latest after the next chunk. */
  #waits = false;
  #raw: RawHeaders = noBuffers;
  #byName: Readonly<Record<string, string>> | undefined;
  #phase: CallPhase = 'connect';
  #answered = false;
  /** The call is over for its caller: nothing more is told. */
  #over = false;
  /** How the body ended, until the reader has been told. */
  #ended: 'end' | Failure | undefined;
  #sink: UpstreamSink | undefined;
  #paused = false;
  /** The provider was told to wait. */
  #held = false;
  /** What came and is not passed on. */
  #kept = noBuffers;
  #keptBytes = 0;
  /** It is passed on in this turn. */
  #passing = false;
  #decoder: Transform | undefined;
  #bareDeflatePossible = false;

  /** `resolve` is called with the call itself once its head is there, `reject` where it does not come to that. */
  constructor(
    origin: Origin,
    call: UpstreamCall,
    resolve: (reply: UpstreamReply) => void,
    reject: (failure: Failure) => void,
  ) {
    this.#origin = origin;
    this.#call = call;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#deadline = new Deadline(origin.deadlines, this, call);
  }

  /** Watches times and the caller's abort. False: it was aborted already and must not be sent. */
  start(): boolean {
    this.#call.abort?.attach(this.#onAbort);
    if (this.#over) return false;
    this.#deadline.start();
    return true;
  }

  get headers(): Readonly<Record<string, string>> {
    this.#byName ??= rawRecord(this.#raw);
    return this.#byName;
  }

  clientHeaders(): HeaderList {
    return rawReplyHeaders(this.#raw);
  }

  read(sink: UpstreamSink): void {
    if (this.#sink !== undefined) throw new Error('A reply is read once.');
    this.#sink = sink;
    if (!this.#over) this.#flush();
  }

  pause(): void {
    this.#paused = true;
    this.#hold();
  }

  resume(): void {
    this.#paused = false;
    if (!this.#over && this.#sink !== undefined) this.#flush();
  }

  late(phase: TimedPhase, timeout_ms: number): void {
    this.#fail(timedOut(this.#origin.provider, phase, timeout_ms));
  }

  abort(reason: Failure): void {
    if (this.#over) return;
    const kept = this.#kept;
    this.#leave();
    this.#cut?.(reason);
    this.#reject(reason);
    // What came and waited for a slow reader was said all the same.
    if (this.#sink !== undefined) for (const chunk of kept) this.#sink.data(chunk);
  }

  // undici's handler.

  onConnect(cut: (reason?: Error) => void): void {
    this.#cut = cut;
    this.#phase = 'head';
    this.#deadline.connected = true;
    // Aborted while it waited for a connection: undici has no way to take it from its queue before this moment.
    if (this.#over) cut(new Error('aborted'));
  }

  /** False has undici wait, here and below. */
  onHeaders(status: number, raw: Buffer[], readOn: () => void): boolean {
    this.#readOn = readOn;
    if (!this.#over && status >= 200) this.#head(status, raw);
    return !this.#waits;
  }

  onData(chunk: Buffer): boolean {
    this.#deadline.begun = true;
    if (this.#decoder === undefined) this.#deliver(chunk);
    else this.#decode(chunk);
    return !this.#waits;
  }

  onComplete(): void {
    this.#origin.gone();
    if (this.#over) return;
    if (this.#decoder === undefined || !this.#deadline.begun) this.#finish('end');
    else this.#decoder.end();
  }

  onError(error: Error): void {
    this.#origin.gone();
    if (this.#over) return;
    this.#fail(connectionFailure(this.#origin.provider, this.#phase, error, this.#call.idle_timeout_ms ?? 0));
  }

  #head(status: number, raw: RawHeaders): void {
    if (status >= 300 && status < 400) {
      this.#refuse('answered with a redirect, which is not followed.', { extra: { upstream_status: status } });
      return;
    }
    this.#phase = 'body';
    this.status = status;
    this.#raw = raw;
    const encoding = rawHeader(raw, 'content-encoding');
    const decoder = decoderFor(encoding, status);
    if (decoder === 'unknown') {
      this.#refuse('sent its reply in an encoding we cannot read.', { unread: true });
      return;
    }
    if (decoder !== 'identity') {
      this.#bareDeflatePossible = encoding?.trim().toLowerCase() === 'deflate';
      this.#decodeWith(decoder());
    }
    this.#answered = true;
    replies.later(this.#begin);
  }

  #deliver(chunk: Buffer): void {
    if (this.#over) return;
    if (this.#kept === noBuffers) this.#kept = [chunk];
    else this.#kept.push(chunk);
    this.#keptBytes += chunk.length;
    if (this.#paused || this.#keptBytes >= keptBytesMax) this.#hold();
    if (this.#sink === undefined || this.#paused || this.#passing) return;
    this.#passing = true;
    replies.later(this.#pass);
  }

  readonly #pass = (): void => {
    this.#passing = false;
    if (!this.#over) this.#flush();
  };

  #flush(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    while (this.#kept.length > 0 && !this.#paused && !this.#over) {
      const chunk = this.#kept.shift();
      if (chunk === undefined) break;
      this.#keptBytes -= chunk.length;
      try {
        sink.data(chunk);
      } catch (thrown) {
        this.#fail(asFailure(thrown));
      }
    }
    if (this.#paused || this.#over) return;
    if (this.#ended !== undefined) this.#finish(this.#ended);
    else this.#release();
  }

  #finish(how: 'end' | Failure): void {
    this.#deadline.stop();
    const sink = this.#sink;
    if (sink === undefined || this.#kept.length > 0 || this.#paused) {
      this.#ended = how;
      return;
    }
    this.#leave();
    if (how === 'end') sink.end();
    else sink.error(how);
  }

  /** Ends the call with a failure, told where the caller stands: at the head, or after what was kept for it. */
  #fail(failure: Failure): void {
    if (this.#over || this.#ended instanceof Failure) return;
    this.#decoder?.destroy();
    if (this.#answered) {
      this.#ended = failure;
      this.#finish(failure);
    } else {
      this.#leave();
      this.#reject(failure);
    }
    this.#cut?.(failure);
  }

  /** Ends a call whose reply is none we can use. */
  #refuse(why: string, detail: FailureDetail = {}): void {
    const said = `Provider ${this.#origin.provider} ${why}`;
    this.#fail(new Failure('upstream_error', said, { status: 502, retryable: false, ...detail }));
  }

  #leave(): void {
    this.#over = true;
    this.#deadline.stop();
    this.#call.abort?.detach(this.#onAbort);
    this.#decoder?.destroy();
    this.#kept = noBuffers;
  }

  #hold(): void {
    this.#held = true;
    this.#waits = true;
    this.#decoder?.pause();
  }

  #release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#decoder?.resume();
    if (this.#decoder?.writableNeedDrain !== true) this.#goOn();
  }

  #goOn(): void {
    if (!this.#waits) return;
    this.#waits = false;
    this.#readOn?.();
  }

  #decodeWith(decoder: Transform): void {
    this.#decoder = decoder;
    decoder.on('data', (chunk: Buffer) => this.#deliver(chunk));
    decoder.on('drain', () => {
      if (!this.#paused) this.#goOn();
    });
    decoder.on('end', () => {
      if (!this.#over) this.#finish('end');
    });
    decoder.on('error', (error: Error) => {
      if (!this.#over) this.#fail(damaged(this.#origin.provider, error));
    });
  }

  #decode(chunk: Buffer): void {
    if (this.#over) return;
    if (this.#bareDeflatePossible) {
      this.#bareDeflatePossible = false;
      if (isBareDeflate(chunk[0] ?? 0)) {
        this.#decoder?.destroy();
        this.#decodeWith(bareInflate());
      }
    }
    if (this.#decoder?.write(chunk) === false) this.#waits = true;
  }
}
