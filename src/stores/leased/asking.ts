import type { Budget, Rate } from '../ledger.ts';
import { type Asked, giveBack, govern, measure, sameLimit } from './asks.ts';
import { type Books, isSeats } from './books.ts';
import { uncount } from './granted.ts';
import { Namer } from './naming.ts';
import { isIdle, type Office } from './office.ts';
import type { RateAsk, SeatsAsk, SliceAsk } from './port.ts';
import { looked_max, Round } from './round.ts';
import type { RateSlice, SeatsSlice, Slice } from './slices.ts';

/** Taken ahead of the first calls, whose pace is not known yet, in calls. */
const first_calls = 4;

/** What others took of a window that calls draw from is known so soon, as answers tell how it stands. */
const fresh_ms = 1_000;

/** Limits on calls at once in one trade that nobody waits for. */
const seats_max = 50;

/** Windows in one trade that more is taken of before a call waits for it. */
const windows_max = 50;

/** Who holds of a window that is over may be granted more of it, as one that goes on. */
const unbounded = { start_ms: 0, end_ms: 0 };

/** Figures that somebody wants anew. */
type Looks = ReadonlySet<RateSlice | SeatsSlice>;

/** What a trade asks of each slice: what calls wait for, what they will likely take next, and what goes back. */
export class Asking {
  readonly #office: Office;
  readonly #books: Books;
  readonly #namer: Namer;
  readonly #sitting: Round<SeatsSlice>;
  /** Slices or seats were left out that have something to tell. */
  more = false;

  constructor(office: Office, books: Books) {
    this.#office = office;
    this.#books = books;
    this.#namer = new Namer(books);
    this.#sitting = new Round(books.seats);
  }

  /** All slices where `whole`, else those that somebody waits for or that have something to tell. */
  slices(asked: ReadonlyMap<Slice, Asked<Budget>>, now_ms: number, whole: boolean): [Slice, SliceAsk][] {
    const list: [Slice, SliceAsk][] = [];
    // After a lease that was over, all of them: what of them is still ours only the ledger knows.
    const all = whole || now_ms >= this.#books.lease_until_ms;
    const idle = ({ used_ms }: Slice) => this.#idle(used_ms, now_ms);
    const { named, more } = this.#namer.naming(asked, { all, idle });
    this.more = more;
    for (const slice of named) {
      const want = asked.get(slice);
      const changed = want !== undefined && !sameLimit(want.limit, slice.budget);
      if (want !== undefined) govern(slice, want.limit);
      // Who only looks at it takes nothing of it: what went back would be ours again, and nobody's use.
      const called = want !== undefined || slice.drawn > 0;
      measure(slice, now_ms);
      const over = slice.end_ms !== 0 && slice.told_ms > Number.NEGATIVE_INFINITY && now_ms >= slice.until_ms;
      const idle = this.#idle(slice.used_ms, now_ms);
      if (over || changed || slice.wanted || idle) giveBack(slice);
      const more = want === undefined ? 0 : Math.max(0, want.sum - slice.free);
      const least = more === 0 || want === undefined ? 0 : Math.max(1, want.least - slice.free);
      const { key, budget, expires_ms, held, free } = slice;
      const { start_ms, end_ms } = want?.held === true ? unbounded : slice;
      const ahead = over || slice.wanted || !called ? 0 : Math.max(0, this.#ahead(slice.pace, want) - free);
      const ask = { key, budget, start_ms, end_ms, expires_ms, holds: held, free, least, asked: more, ahead };
      slice.dirty = false;
      slice.later_spent = 0;
      slice.later_used = 0;
      list.push([slice, ask]);
    }
    return list;
  }

  #idle(used_ms: number, now_ms: number): boolean {
    return this.#books.left || isIdle(this.#office, used_ms, now_ms);
  }

  /** What calls will likely take before the next report but one. */
  #ahead(pace: number, want: Asked<unknown> | undefined): number {
    if (this.#office.ahead_ms === 0 || this.#books.left) return 0;
    const first = want === undefined ? 0 : want.least * first_calls;
    return Math.floor(Math.max(first, (pace * this.#office.ahead_ms) / 1_000));
  }

  /** Whether calls take of it and it will not last them as long as it might: more is taken before one has to wait. */
  #runsOut({ drawn, free, pace }: RateSlice): boolean {
    return drawn > 0 && free < this.#ahead(pace, undefined) / 2;
  }

  /**
   * Windows that calls drew from and that will not last, or of which nothing was heard lately, as many as there is room for; the
   * rest is looked at again.
   */
  #short(asked: ReadonlyMap<RateSlice, unknown>, now_ms: number): ReadonlySet<RateSlice> {
    const short = new Set<RateSlice>();
    const { drawn } = this.#books;
    let looked = 0;
    for (; looked < drawn.length && short.size < windows_max; looked++) {
      const slice = drawn[looked];
      if (slice === undefined) continue;
      slice.dirty = false;
      if (slice.dropped || asked.has(slice)) continue;
      if (this.#runsOut(slice) || now_ms - slice.told_ms > fresh_ms) short.add(slice);
    }
    drawn.splice(0, looked);
    return short;
  }

  rates(asked: ReadonlyMap<RateSlice, Asked<Rate>>, now_ms: number, looks: Looks): [RateSlice, RateAsk][] {
    const list: [RateSlice, RateAsk][] = [];
    const short = this.#short(asked, now_ms);
    for (const slice of new Set([...asked.keys(), ...looks, ...short])) {
      if (isSeats(slice) || slice.dropped) continue;
      const want = asked.get(slice);
      const runsOut = short.has(slice) && this.#runsOut(slice);
      if (want !== undefined && want.limit.limit !== slice.rate.limit) uncount(this.#office, this.#books, slice);
      if (want !== undefined) slice.rate = want.limit;
      measure(slice, now_ms);
      const more = want === undefined ? 0 : Math.max(0, want.sum - slice.free);
      const least = more === 0 || want === undefined ? 0 : Math.max(1, want.least - slice.free);
      let ahead = want === undefined && !runsOut ? 0 : this.#ahead(slice.pace, want);
      if (runsOut) ahead = Math.max(0, ahead - slice.free);
      const most = want === undefined ? 0 : want.most;
      list.push([slice, { key: slice.key, rate: slice.rate, least, most, asked: more, ahead }]);
    }
    return list;
  }

  /**
   * Seats that somebody waits for or looks at, and of the others as many as there is room for: those first of which something is
   * to be told, given back or renewed, then one after the other, to hear of others who sit. All where `whole`.
   */
  #named(
    asked: ReadonlyMap<SeatsSlice, unknown>,
    now_ms: number,
    looks: Looks,
    whole: boolean,
  ): ReadonlySet<SeatsSlice> {
    const office = this.#office;
    const named = new Set<SeatsSlice>();
    let room = seats_max;
    for (const one of this.#books.seats.values()) {
      if (whole || asked.has(one) || looks.has(one)) {
        named.add(one);
        continue;
      }
      const { dirty, granted, taken, wanted, used_ms, told_ms } = one;
      const spare = granted > taken && (wanted || this.#idle(used_ms, now_ms));
      if (dirty || spare || (granted + taken > 0 && now_ms - told_ms >= office.lease_ms / 4)) {
        if (room-- > 0) named.add(one);
        else this.more = true;
      }
    }
    for (const one of room > 0 ? this.#sitting.next(looked_max) : []) {
      if (one.granted + one.taken === 0 || named.has(one)) continue;
      named.add(one);
      if (--room === 0) break;
    }
    return named;
  }

  seats(
    asked: ReadonlyMap<SeatsSlice, Asked<Rate>>,
    now_ms: number,
    looks: Looks,
    whole: boolean,
  ): [SeatsSlice, SeatsAsk][] {
    const list: [SeatsSlice, SeatsAsk][] = [];
    for (const slice of this.#named(asked, now_ms, looks, whole)) {
      const want = asked.get(slice);
      const { key, taken } = slice;
      const changed = want !== undefined && want.limit.limit !== slice.rate.limit;
      if (want !== undefined) slice.rate = want.limit;
      const back = changed || slice.wanted || this.#idle(slice.used_ms, now_ms);
      const free = back ? 0 : Math.max(0, slice.granted - taken);
      slice.granted = Math.min(slice.granted, taken + free);
      slice.dirty = false;
      const more = want === undefined ? 0 : Math.max(0, want.sum - free);
      const ahead = want === undefined || this.#office.ahead_ms === 0 || this.#books.left ? 0 : taken;
      list.push([slice, { key, rate: slice.rate, holds: taken, free, least: Math.min(1, more), asked: more, ahead }]);
    }
    return list;
  }
}
