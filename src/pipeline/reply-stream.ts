import { asFailure, Failure, type Frame, type ReplyEvent } from '../exchange/index.ts';
import type { Ending } from '../observe/index.ts';
import { clientGone } from './accept.ts';
import { Ceiling } from './ceiling.ts';
import { blocked, type GuardContext, type Guarded } from './guard.ts';
import type { Released } from './held-frames.ts';
import { type StreamWriter, sameFormatWriter, translatingWriter } from './reply-writer.ts';
import { costOf } from './settle.ts';

const noBytes = Buffer.alloc(0);

function isEnd({ type }: ReplyEvent): boolean {
  return type === 'end';
}
/** A client that hears nothing for this long is told by a comment that the stream lives (many time out at 30 s). */
const keepAlive_ms = 10_000;

/**
 * One streamed reply on its way from the provider's socket to the client's: judged, metered, extended, written. Called
 * straight from the socket, with no promise for a chunk.
 */
export class StreamRun {
  readonly #context: GuardContext;
  readonly #writer: StreamWriter;
  readonly #ceiling: Ceiling;
  readonly #released: Released[] = [];
  /** Frames that wait until the ledger has answered whether the hold can grow. */
  #waiting: Frame[] | undefined;
  #sourceOver = false;
  #headSent = false;
  #bytesOut = 0;
  /** Most characters held back at once. */
  #heldMost = 0;
  #tail: Buffer = noBytes;
  #over = false;
  /** What had come when the provider was called off. */
  readonly #late: Frame[] = [];
  #resolve: (guarded: Guarded) => void = () => {};
  #quiet: NodeJS.Timeout | undefined;
  #spoke = false;
  readonly #gone = (): void => this.#aborted();
  readonly #grown = (): void => this.#extended();

  constructor(context: GuardContext) {
    this.#context = context;
    const { admitted, answered, reply } = context;
    const serving = admitted.arrival.format;
    const same = answered.candidate.provider.format.name === serving.name && answered.source.streamed;
    this.#writer = same ? sameFormatWriter(serving, reply) : translatingWriter(serving, reply);
    this.#ceiling = new Ceiling(admitted, answered);
  }

  /** Resolves when the reply is over, however it ended; `failure` is set where the head was not sent yet or a fault was told. */
  run(): Promise<Guarded> {
    const { admitted, answered, outlet } = this.#context;
    return new Promise((resolve) => {
      this.#resolve = resolve;
      if (admitted.abort.reason !== undefined) {
        this.#aborted();
        return;
      }
      admitted.abort.attach(this.#gone);
      outlet.onDrain(() => answered.source.resume());
      this.#quiet = setInterval(() => this.#keepAlive(), keepAlive_ms);
      answered.source.listen({
        frames: (frames) => this.#safely(() => this.#frames(frames)),
        done: () => this.#safely(() => this.#sourceDone()),
      });
    });
  }

  /** These steps come straight from the socket: what breaks in one ends the reply as a fault, and nothing else. */
  #safely(step: () => void): void {
    try {
      step();
    } catch (thrown) {
      const { walk, admitted } = this.#context;
      const failure = asFailure(thrown);
      walk.log.error('a reply could not be guarded', { exchange: admitted.id, error: failure.detail.cause });
      if (this.#over) return;
      this.#callOff(failure);
      if (this.#headSent) this.#tail = this.#writer.fail(failure, admitted.requestId);
      this.#done('cut', failure);
    }
  }

  #callOff(reason: Failure): void {
    this.#context.answered.source.abort(reason, (frames) => this.#late.push(...frames));
  }

  #frames(frames: readonly Frame[]): void {
    if (this.#over) return;
    if (this.#context.admitted.abort.reason !== undefined) {
      // Nobody reads them any more.
      this.#late.push(...frames);
      return;
    }
    if (this.#waiting !== undefined) {
      this.#waiting.push(...frames);
      return;
    }
    for (let index = 0; index < frames.length; index += 1) {
      const frame = frames[index];
      if (frame === undefined) continue;
      this.#frame(frame);
      if (this.#over) {
        this.#context.meter.rest(frames.slice(index + 1));
        return;
      }
      if (this.#waiting !== undefined) {
        (this.#waiting as Frame[]).push(...frames.slice(index + 1));
        break;
      }
    }
    this.#flush();
  }

  #frame(frame: Frame): void {
    const { meter, judge } = this.#context;
    meter.see(frame);
    if (meter.failure !== undefined) {
      this.#fault(meter.failure);
      return;
    }
    const covered = this.#ceiling.covers(meter.tokensTaken, this.#grown);
    if (covered === 'no') {
      this.#end('ended_by_ceiling', 'length');
      return;
    }
    judge.push(frame, this.#released);
    if (judge.stop !== undefined) {
      this.#stopped();
      return;
    }
    if (covered === 'wait') {
      this.#waiting = [];
      this.#context.answered.source.pause();
    }
  }

  /** The ledger answered: go on with what waited. */
  #extended(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || this.#over) return;
    if (this.#ceiling.covers(this.#context.meter.tokensTaken, this.#grown) === 'no') {
      this.#end('ended_by_ceiling', 'length');
      return;
    }
    this.#waiting = undefined;
    this.#frames(waiting);
    if (this.#waiting !== undefined || this.#over) return;
    if (this.#sourceOver) this.#finish();
    else this.#context.answered.source.resume();
  }

  #sourceDone(): void {
    this.#sourceOver = true;
    if (this.#waiting === undefined && !this.#over) this.#finish();
  }

  /** Everything came: the rest is decided and leaves; the last frame stays back for the settlement. */
  #finish(): void {
    const { judge, meter } = this.#context;
    if (!meter.complete) {
      this.#fault(new Failure('upstream_error', "The provider's stream ended before it was complete."));
      return;
    }
    judge.conclude(meter, this.#figures(), this.#released);
    if (judge.stop !== undefined || judge.decision?.allowed === false) {
      this.#stopped();
      return;
    }
    this.#flush();
    this.#done('complete', undefined);
  }

  /** Writes what was released. The frame that completes the reply becomes the tail. */
  #flush(): void {
    const released = this.#released;
    const { judge } = this.#context;
    if (judge.holding) this.#heldMost = Math.max(this.#heldMost, judge.heldCharacters);
    if (released.length === 0) return;
    const { answered, admitted, outlet } = this.#context;
    let parts: Buffer[] | undefined;
    for (const one of released) {
      if (one.frame.usageOnly && !admitted.view.usageAsked) continue;
      const bytes = this.#writer.write(one);
      if (bytes.length === 0) continue;
      if (one.frame.events.some(isEnd) || this.#tail.length > 0) {
        this.#tail = this.#tail.length === 0 ? bytes : Buffer.concat([this.#tail, bytes]);
      } else if (parts === undefined) parts = [bytes];
      else parts.push(bytes);
    }
    // One by one: to set its length to 0 would throw away its room, which the next delta takes anew.
    while (released.length > 0) released.pop();
    if (parts === undefined) return;
    this.#sendHead();
    const first = parts[0];
    const bytes = first !== undefined && parts.length === 1 ? first : Buffer.concat(parts);
    this.#bytesOut += bytes.length;
    this.#spoke = true;
    if (!outlet.write(bytes)) answered.source.pause();
  }

  #sendHead(): void {
    if (this.#headSent) return;
    this.#headSent = true;
    this.#context.head.sendStream();
  }

  #keepAlive(): void {
    if (!this.#spoke && this.#context.judge.holding) {
      this.#sendHead();
      this.#context.outlet.write(this.#context.admitted.arrival.format.keepAlive);
    }
    this.#spoke = false;
  }

  /** A rail or a rule stopped the reply: what is held is dropped, the provider is called off. */
  #stopped(): void {
    const { judge, meter } = this.#context;
    judge.decideStopped(meter, this.#figures());
    this.#flush();
    if (judge.stop?.kind === 'grammar') {
      this.#fault(new Failure('upstream_error', `The provider's stream is malformed: ${judge.stop.reason}.`));
      return;
    }
    this.#end('ended_by_rail', 'content_filter');
  }

  #end(ending: Ending, reason: 'content_filter' | 'length'): void {
    const failure = ending === 'ended_by_rail' ? blocked(this.#context.judge) : undefined;
    this.#callOff(failure ?? new Failure('insufficient_quota', 'The budget does not cover more.'));
    this.#flush();
    if (failure === undefined || this.#headSent) {
      this.#sendHead();
      // Where the frame that completes the reply was let go already, it stays its end.
      const closing = this.#writer.finish(reason);
      if (closing.length > 0) this.#tail = closing;
    }
    this.#done(ending, failure);
  }

  /** A fault in the middle: told in the client's format, never as a clean end. Held text is dropped. */
  #fault(fault: Failure): void {
    const { judge, meter, admitted } = this.#context;
    const failure = judge.cleared(fault);
    this.#callOff(fault);
    judge.decideStopped(meter, this.#figures());
    this.#flush();
    if (this.#headSent) this.#tail = this.#writer.fail(failure, admitted.requestId);
    this.#done('cut', failure);
  }

  #aborted(): void {
    if (this.#over) return;
    const { judge, meter } = this.#context;
    this.#callOff(clientGone);
    judge.decideStopped(meter, this.#figures());
    this.#done('aborted', undefined);
  }

  #figures(): { cost_usd: number | undefined; latency_ms: number } {
    const { walk, admitted, answered, meter } = this.#context;
    return { cost_usd: costOf(admitted, answered, meter), latency_ms: walk.monotonic() - admitted.started };
  }

  #done(ending: Ending, failure: Failure | undefined): void {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#quiet);
    this.#context.admitted.abort.detach(this.#gone);
    const { judge, meter, walk } = this.#context;
    if (this.#waiting !== undefined) meter.rest(this.#waiting);
    // It came after all else, and some of that may still be on its way to the meter.
    queueMicrotask(() => meter.rest(this.#late));
    walk.metrics.heldCharacters(this.#heldMost);
    const bytesOut = this.#bytesOut + this.#tail.length;
    this.#resolve({
      ending,
      failure,
      meter,
      decision: judge.decision,
      found: judge.found,
      scanned: judge.scanned,
      tail: this.#tail,
      bytesOut,
      ...(ending === 'ended_by_ceiling' ? { limitedBy: this.#ceiling.limitedBy } : undefined),
    });
  }
}
