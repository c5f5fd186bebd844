import type { UpstreamCall } from './upstream.ts';
import type { TimedPhase } from './upstream-failure.ts';

const timer_ms_max = 2 ** 31 - 1;

/** A call whose times are watched. */
export interface Watched {
  /** This time of it ran out. */
  late(phase: TimedPhase, timeout_ms: number): void;
}

/** Watches a call's times with one timer: it looks what is due when it fires, so progress costs nothing. */
export class Deadlines {
  /** Set once a connection is there. */
  connected = false;
  /** Set at the first byte of the body. */
  begun = false;
  readonly #call: Watched;
  readonly #times: UpstreamCall;
  readonly #started_ms = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(call: Watched, times: UpstreamCall) {
    this.#call = call;
    this.#times = times;
  }

  start(): void {
    const { connect_timeout_ms, first_byte_timeout_ms, total_timeout_ms } = this.#times;
    this.#arm(Math.min(connect_timeout_ms, first_byte_timeout_ms, total_timeout_ms));
  }

  stop(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Called by the timer: fails the call if one of its times is over, else sleeps until the next may be. */
  look(): void {
    const { connect_timeout_ms, first_byte_timeout_ms, total_timeout_ms } = this.#times;
    // Timers may fire a fraction of a millisecond early.
    const passed = performance.now() - this.#started_ms + 1;
    let next = total_timeout_ms;
    if (passed >= total_timeout_ms) {
      this.#call.late('total', total_timeout_ms);
      return;
    }
    if (!this.begun) {
      if (passed >= first_byte_timeout_ms) {
        this.#call.late('first_byte', first_byte_timeout_ms);
        return;
      }
      next = Math.min(next, first_byte_timeout_ms);
    }
    if (!this.connected) {
      if (passed >= connect_timeout_ms) {
        this.#call.late('connect', connect_timeout_ms);
        return;
      }
      next = Math.min(next, connect_timeout_ms);
    }
    this.#arm(next - passed + 1);
  }

  #arm(in_ms: number): void {
    this.#timer = setTimeout(look, Math.min(Math.max(1, Math.ceil(in_ms)), timer_ms_max), this);
  }
}

function look(deadlines: Deadlines): void {
  deadlines.look();
}
