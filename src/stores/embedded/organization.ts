import type { Budget, Override, Rate } from '../ledger.ts';
import { LiveMap } from '../live-map.ts';
import { rateKey, slotting } from '../rate-key.ts';
import { RecentIds } from '../recent-ids.ts';
import { advance, rollingOf } from '../tally.ts';
import { kept_ms, seriesOfKey, windowKey } from '../window-key.ts';
import { Overdue, sure_ms } from './overdue.ts';
import { Ring } from './ring.ts';
import type { Counter, Hold, Seats } from './state.ts';

/** How far a clock is set back that is waited for. */
const waited_ms = 10_000;
/** A clock that is behind and jumps by more is being put right: no time has passed. */
const passed_ms_max = 3_600_000;

/** Settled ids remembered, so that a second delivery is told apart from an unknown one. */
const settled_max = 32_768;

/** All state of one organisation. */
export class Organization {
  readonly id: string;
  readonly counters = new Map<string, Counter>();
  readonly rings = new Map<string, Ring>();
  readonly seats = new Map<string, Seats>();
  /** Open and provisional. */
  readonly holds = new LiveMap<Hold>();
  /** Limits that stand in for configured ones, by `seriesKey`. */
  readonly overrides = new Map<string, Override>();
  mark = 0;
  /** The moment things are counted at: it never goes back, whatever the clock does. */
  time_ms = 0;
  /** What the clock said last. */
  #clock_ms = 0;
  readonly #overHolds = new Overdue();
  readonly #overLimits = new Overdue();
  readonly #settled = new RecentIds(settled_max);
  readonly #ofBudget = new WeakMap<Budget, { counter: Counter; start_ms: number }>();
  readonly #ofRate = new WeakMap<Rate, Ring | Seats>();

  constructor(id: string) {
    this.id = id;
  }

  /**
   * The clock says it is so late. One that was set back a little is waited for. Where that would take long (it had been a
   * month ahead), time goes on from where it was: else rates and rolling windows would stay full all the while.
   */
  tick(now_ms: number): number {
    if (now_ms >= this.time_ms) this.time_ms = now_ms;
    else if (this.time_ms - now_ms > waited_ms) {
      const passed_ms = now_ms - this.#clock_ms;
      if (passed_ms > 0 && passed_ms <= passed_ms_max) this.time_ms += passed_ms;
    }
    this.#clock_ms = now_ms;
    return this.time_ms;
  }

  /** How far that is ahead of the clock. */
  get ahead_ms(): number {
    return Math.max(0, this.time_ms - this.#clock_ms);
  }

  /** The limit in force. */
  limitOf(counter: Counter, configured: number, now_ms: number): number {
    if (this.overrides.size === 0) return configured;
    const one = this.overrides.get(seriesOfKey(counter.key));
    return one === undefined || now_ms >= (one.expires_at_ms ?? Number.POSITIVE_INFINITY) ? configured : one.limit;
  }

  /** The counter of a budget at a moment, made where missing; what has aged is let go. */
  counter(budget: Budget, now_ms: number): Counter {
    const known = this.#ofBudget.get(budget);
    if (known !== undefined && !known.counter.dropped && now_ms >= known.start_ms) {
      if (known.counter.rolling !== undefined) advance(known.counter, this.time_ms);
      if (known.counter.end_ms === 0 || now_ms < known.counter.end_ms) return known.counter;
    }
    const { key, start_ms, end_ms } = windowKey(budget, now_ms);
    const counter =
      this.counters.get(key) ??
      this.addCounter(key, budget.unit, end_ms, end_ms === 0 ? 0 : end_ms + keptOf(budget.window));
    this.#ofBudget.set(budget, { counter, start_ms });
    advance(counter, this.time_ms);
    return counter;
  }

  addCounter(key: string, unit: Budget['unit'], end_ms: number, keep_until_ms: number): Counter {
    const counter: Counter = {
      key,
      unit,
      end_ms,
      keep_until_ms: end_ms === 0 ? Number.POSITIVE_INFINITY : keep_until_ms,
      limit: 0,
      hard: false,
      spent: 0,
      held: 0,
      requests: 0,
      tokens: 0,
      rolling: rollingOf(key),
      budget: undefined,
      old_since_ms: Number.POSITIVE_INFINITY,
      mark: 0,
      dropped: false,
    };
    this.counters.set(key, counter);
    return counter;
  }

  /** The window or the seats of a rate, made where missing. */
  rate(rate: Rate): Ring | Seats {
    const known = this.#ofRate.get(rate);
    if (known !== undefined && !known.dropped) return known;
    const key = rateKey(rate);
    const found =
      rate.unit === 'concurrent' ? this.addSeats(key) : this.addRing(key, rate.unit, slotting(rate.window_ms));
    this.#ofRate.set(rate, found);
    return found;
  }

  addRing(key: string, unit: Ring['unit'], slots: { slot_ms: number; count: number }): Ring {
    let ring = this.rings.get(key);
    if (ring === undefined) {
      ring = new Ring(key, unit, slots.slot_ms, slots.count);
      this.rings.set(key, ring);
    }
    return ring;
  }

  addSeats(key: string): Seats {
    let seats = this.seats.get(key);
    if (seats === undefined) {
      seats = { key, limit: 0, taken: 0, rate: undefined, mark: 0, dropped: false };
      this.seats.set(key, seats);
    }
    return seats;
  }

  remember(id: string): void {
    this.#settled.add(id);
  }

  forget(id: string): void {
    this.#settled.delete(id);
  }

  remembers(id: string): boolean {
    return this.#settled.has(id);
  }

  /** In texts of at most so many, with spaces between. */
  remembered(most: number): Iterable<string> {
    return this.#settled.lists(most);
  }

  /** A clock that is years ahead for a moment must not make anybody forget what this month cost: it is looked at again. */
  #isOld(counter: Counter, now_ms: number): boolean {
    if (now_ms <= counter.keep_until_ms) counter.old_since_ms = Number.POSITIVE_INFINITY;
    else counter.old_since_ms = Math.min(counter.old_since_ms, now_ms);
    return now_ms - counter.old_since_ms > sure_ms;
  }

  /** Lets go of windows long over, of rates at rest, and of provisional holds whose owner never came back. */
  prune(now_ms: number): void {
    const time_ms = this.tick(now_ms);
    const isLate = ({ provisional, expires_ms }: Hold) => provisional && now_ms > expires_ms + provisional_ms;
    const late = this.holds.values().flatMap((hold) => (isLate(hold) ? [hold.id] : []));
    for (const id of this.#overHolds.surely(late, now_ms)) {
      this.holds.delete(id);
      this.remember(id);
    }
    const used = new Set<Counter | Ring | Seats>();
    for (const hold of this.holds.values()) {
      for (const counter of hold.counters) used.add(counter);
      for (const share of hold.rings) used.add(share.ring);
      for (const seats of hold.seats) used.add(seats);
    }
    const drop = <T extends Counter | Ring | Seats>(table: Map<string, T>, over: (one: T) => boolean) => {
      for (const [key, one] of table) {
        if (used.has(one) || !over(one)) continue;
        one.dropped = true;
        table.delete(key);
      }
    };
    drop(this.counters, (counter) => {
      advance(counter, time_ms);
      if (counter.rolling !== undefined) return counter.spent + counter.held + counter.requests === 0;
      return this.#isOld(counter, now_ms);
    });
    const isOver = ({ expires_at_ms = Number.POSITIVE_INFINITY }: Override) => now_ms >= expires_at_ms;
    const limits = [...this.overrides].flatMap(([series, one]) => (isOver(one) ? [series] : []));
    for (const series of this.#overLimits.surely(limits, now_ms)) this.overrides.delete(series);
    drop(this.rings, (ring) => {
      ring.advance(time_ms);
      return ring.used === 0;
    });
    drop(this.seats, (seats) => seats.taken === 0);
  }
}

function keptOf(window: Budget['window']): number {
  return window === 'total' ? 0 : kept_ms[window];
}

/** How long a real settlement may still replace the reaper's estimate. */
const provisional_ms = 7 * 86_400_000;
