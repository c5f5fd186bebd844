import type { UpstreamCall } from './upstream.ts';
import type { TimedPhase } from './upstream-failure.ts';

const timer_ms_max = 2 ** 31 - 1;

/** A call whose times are watched. */
export interface Watched {
  /** This time of it ran out. */
  late(phase: TimedPhase, timeout_ms: number): void;
}

/**
 * Watches the times of many calls with one timer, set for the earliest of them. Calls that end and calls that get on leave
 * it as it is: it looks what is due when it fires, so nearly every call costs no timer at all. It keeps no process alive,
 * and is not set again once nothing is watched.
 */
export class Deadlines {
  /** In no order: each knows its place, and the last takes that of one that goes. */
  readonly #watched: Deadline[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires; never later than the earliest time of a call. */
  #fires_at_ms = Number.POSITIVE_INFINITY;

  /** `at_ms` is its earliest time, as `performance.now()` counts. */
  add(deadline: Deadline, at_ms: number): void {
    deadline.place = this.#watched.length;
    this.#watched.push(deadline);
    this.#arm(at_ms);
  }

  remove(deadline: Deadline): void {
    const { place } = deadline;
    if (place < 0) return;
    deadline.place = -1;
    const last = this.#watched.pop();
    if (last === undefined || last === deadline) return;
    this.#watched[place] = last;
    last.place = place;
  }

  #arm(at_ms: number): void {
    if (at_ms >= this.#fires_at_ms) return;
    clearTimeout(this.#timer);
    this.#fires_at_ms = at_ms;
    const in_ms = Math.ceil(at_ms - performance.now());
    this.#timer = setTimeout(look, Math.min(Math.max(1, in_ms), timer_ms_max), this).unref();
  }

  /** Called by the timer: fails the calls of which a time is over, and sleeps until the next may be. */
  look(): void {
    this.#timer = undefined;
    this.#fires_at_ms = Number.POSITIVE_INFINITY;
    const now_ms = performance.now();
    let next_ms = Number.POSITIVE_INFINITY;
    // From the end: who takes the place of a call that fails was looked at already.
    for (let place = this.#watched.length - 1; place >= 0; place -= 1) {
      next_ms = Math.min(next_ms, this.#watched[place]?.look(now_ms) ?? next_ms);
    }
    this.#arm(next_ms);
  }
}

function look(deadlines: Deadlines): void {
  deadlines.look();
}

/** The times of one call. */
export class Deadline {
  /** Set once a connection is there. */
  connected = false;
  /** Set at the first byte of the body. */
  begun = false;
  /** Where it stands among the watched; negative where it does not. */
  place = -1;
  readonly #all: Deadlines;
  readonly #call: Watched;
  readonly #times: UpstreamCall;
  readonly #started_ms = performance.now();

  constructor(all: Deadlines, call: Watched, times: UpstreamCall) {
    this.#all = all;
    this.#call = call;
    this.#times = times;
  }

  start(): void {
    const { connect_timeout_ms, first_byte_timeout_ms, total_timeout_ms } = this.#times;
    this.#all.add(this, this.#started_ms + Math.min(connect_timeout_ms, first_byte_timeout_ms, total_timeout_ms));
  }

  stop(): void {
    this.#all.remove(this);
  }

  /** Fails the call if one of its times is over; else says when the next may be. */
  look(now_ms: number): number {
    const { connect_timeout_ms, first_byte_timeout_ms, total_timeout_ms } = this.#times;
    // Timers may fire a fraction of a millisecond early.
    const passed = now_ms - this.#started_ms + 1;
    if (passed >= total_timeout_ms) return this.#late('total', total_timeout_ms);
    let next = total_timeout_ms;
    if (!this.begun) {
      if (passed >= first_byte_timeout_ms) return this.#late('first_byte', first_byte_timeout_ms);
      next = Math.min(next, first_byte_timeout_ms);
    }
    if (!this.connected) {
      if (passed >= connect_timeout_ms) return this.#late('connect', connect_timeout_ms);
      next = Math.min(next, connect_timeout_ms);
    }
    return this.#started_ms + next;
  }

  #late(phase: TimedPhase, timeout_ms: number): number {
    this.stop();
    this.#call.late(phase, timeout_ms);
    return Number.POSITIVE_INFINITY;
  }
}
