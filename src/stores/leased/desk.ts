import { setImmediate as turn } from 'node:timers/promises';
import type { Budget, Rate } from '../ledger.ts';
import { LedgerUnavailable } from '../ledger.ts';
import type { Need } from './admission.ts';
import { type Asked, asks, floorOf, giveBack, govern, measure, sameLimit } from './asks.ts';
import type { Books } from './books.ts';
import { takeRate, takeSeats, takeSlice, uncount } from './granted.ts';
import { fitting, naming } from './naming.ts';
import { firstNumber, margin, type Office } from './office.ts';
import type { Floor, RateAsk, SeatsAsk, SliceAsk, Trade, Traded } from './port.ts';
import type { RateSlice, SeatsSlice, Slice } from './slices.ts';

/** A call that waits for more than this process has. */
export interface Waiter {
  /** What it needs, in the windows of this moment. */
  needs(): Need[];
  /** Tries again after a trade that was sent at `sent_ms`; false where it must wait for another one. */
  answered(sent_ms: number): boolean;
  failed(error: Error): void;
}

const late_max = 4;
/** Most things told in one trade. */
const items_max = 1_000;
/** Taken ahead of the first calls, whose pace is not known yet, in calls. */
const first_calls = 4;

/** One organisation's dealings with the shared ledger: one trade at a time, and everyone who waits shares it. */
export class Desk {
  readonly #office: Office;
  readonly #books: Books;
  #waiters: Waiter[] = [];
  #looks = new Set<RateSlice | SeatsSlice>();
  #running: Promise<void> | undefined;
  #again = false;
  /** Where among the slices that nobody waits for the next trade goes on. */
  #next = 0;
  #whole = true;
  #number = firstNumber(0);
  #traded_ms: number;

  constructor(office: Office, books: Books) {
    this.#office = office;
    this.#books = books;
    this.#traded_ms = office.clock();
  }

  wait(waiter: Waiter): void {
    this.#waiters.push(waiter);
    this.trade().catch(() => {});
  }

  /** Resolves once all that has happened so far was told. Rejects with `LedgerUnavailable` where it could not be. */
  trade(): Promise<void> {
    if (this.#running !== undefined) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Asks for these figures anew, and for nothing else. */
  look(slices: Iterable<Slice>, rates: Iterable<RateSlice | SeatsSlice>): Promise<void> {
    for (const slice of slices) slice.dirty = true;
    for (const rate of rates) this.#looks.add(rate);
    return this.trade();
  }

  /** Tells a store that lost its data what calls hold here, before it admits anything; what was free is not ours any more. */
  async retell(permit: string): Promise<readonly Floor[]> {
    const held = [...this.#books.slices.values()].filter((slice) => slice.held > 0);
    for (const slice of this.#books.slices.values()) {
      slice.free = 0;
      slice.dirty = true;
    }
    for (const one of this.#books.seats.values()) one.dirty = true;
    const slices = held.map(({ key, budget, start_ms, end_ms, expires_ms, held: holds }): SliceAsk => {
      return { key, budget, start_ms, end_ms, expires_ms, holds, free: 0, least: 0, asked: 0, ahead: 0 };
    });
    const { items } = this.#books.untold.oldest(Number.POSITIVE_INFINITY);
    await this.#send({ items, slices, rates: [], seats: [] }, permit);
    return [...this.#books.slices.values()].filter(({ told_at_ms }) => told_at_ms > 0).map(floorOf);
  }

  /** Whether it is time to report, to give back or to renew. */
  due(): boolean {
    const { untold, slices, seats } = this.#books;
    if (this.#whole || untold.size > 0) return true;
    const now_ms = this.#office.clock();
    const renew = now_ms - this.#traded_ms > this.#office.lease_ms / 4;
    for (const slice of slices.values()) {
      if (slice.dirty || slice.free > 0 || (renew && slice.held > 0)) return true;
    }
    for (const one of seats.values()) {
      if (one.dirty || (one.granted > one.taken && this.#idle(one.used_ms, now_ms)) || (renew && one.granted > 0))
        return true;
    }
    return false;
  }

  async #run(): Promise<void> {
    try {
      do {
        // Everything of this turn goes into one trade, and what it tells is in the journal before.
        await turn();
        this.#again = false;
        await this.#once();
      } while (this.#again || this.#waiters.length > 0);
    } catch (error) {
      const waiting = this.#waiters;
      this.#waiters = [];
      for (const waiter of waiting) waiter.failed(error as Error);
      throw error;
    }
  }

  async #once(): Promise<void> {
    const office = this.#office;
    const books = this.#books;
    // Nothing is given back to nobody.
    if (office.store.lost) throw new LedgerUnavailable('the shared ledger is lost');
    await this.#tellBacklog();
    const waiting = this.#waiters.splice(0, fitting(this.#waiters));
    const { budgets, rates, seats } = asks(waiting);
    const sent_ms = office.clock();
    for (const rate of books.rates.values()) if (sent_ms >= rate.until_ms) uncount(office, books, rate);
    const sliceAsks = this.#sliceAsks(budgets, sent_ms);
    const rateAsks = this.#rateAsks(rates, sent_ms);
    const seatsAsks = this.#seatsAsks(seats, sent_ms);
    const { items, last } = books.untold.oldest(items_max);
    this.#looks.clear();
    let answer: Extract<Traded, { outcome: 'done' }>;
    books.trading = true;
    try {
      answer = await this.#send({
        items,
        slices: sliceAsks.map(([, ask]) => ask),
        rates: rateAsks.map(([, ask]) => ask),
        seats: seatsAsks.map(([, ask]) => ask),
      });
    } catch (error) {
      // What was done of it nobody knows: all of it is told again.
      for (const [slice] of sliceAsks) slice.dirty = true;
      for (const [one] of seatsAsks) one.dirty = true;
      for (const waiter of waiting) waiter.failed(error as Error);
      throw error;
    } finally {
      books.trading = false;
    }
    this.#whole = false;
    this.#traded_ms = sent_ms;
    office.told(answer.now_ms);
    if (last > 0) this.#acknowledged(last);
    books.lease_until_ms = sent_ms + office.lease_ms - margin(office.lease_ms);
    for (const [at, [slice, ask]] of sliceAsks.entries()) {
      takeSlice(slice, ask, grant(answer.slices, at), sent_ms, answer.now_ms);
      if (slice.wanted && slice.free > 0) this.#again = true;
    }
    for (const [at, [slice]] of rateAsks.entries()) takeRate(office, books, slice, grant(answer.rates, at), sent_ms);
    for (const [at, [slice]] of seatsAsks.entries()) {
      takeSeats(slice, grant(answer.seats, at), sent_ms, books.lease_until_ms);
    }
    for (const waiter of waiting) if (!waiter.answered(sent_ms)) this.#waiters.push(waiter);
    books.prune(office.now(), office.clock());
  }

  /** After an outage there is much to tell: in parts, so that Redis is not kept from everyone else for long. */
  async #tellBacklog(): Promise<void> {
    const books = this.#books;
    while (books.untold.size > items_max) {
      const { items, last } = books.untold.oldest(items_max);
      await this.#send({ items, slices: [], rates: [], seats: [] }, undefined, false);
      this.#acknowledged(last);
    }
  }

  #acknowledged(last: number): void {
    const books = this.#books;
    books.untold.heard(last);
    this.#office.notes.acknowledged(books, last);
  }

  async #send(
    asked: Pick<Trade, 'items' | 'slices' | 'rates' | 'seats'>,
    permit?: string,
    whole = this.#whole,
  ): Promise<Extract<Traded, { outcome: 'done' }>> {
    const { store, owner, lease_ms } = this.#office;
    for (let tries = 0; tries < late_max; tries++) {
      const number = ++this.#number;
      const organization = this.#books.id;
      const answer = await store.trade({ ...asked, organization, owner, number, lease_ms, whole }, permit);
      if (answer.outcome === 'done') return answer;
      this.#number = Math.max(this.#number, answer.number);
    }
    throw new LedgerUnavailable('another process trades under the same name');
  }

  #idle(used_ms: number, now_ms: number): boolean {
    return this.#office.ahead_ms === 0 || now_ms - used_ms >= this.#office.idle_ms;
  }

  #sliceAsks(asked: ReadonlyMap<Slice, Asked<Budget>>, now_ms: number): [Slice, SliceAsk][] {
    const list: [Slice, SliceAsk][] = [];
    // After a lease that was over, all of them: what of them is still ours only the ledger knows.
    const all = this.#whole || now_ms >= this.#books.lease_until_ms;
    const { named, next, more } = naming(this.#books.slices, asked, {
      all,
      next: this.#next,
      idle: ({ used_ms }) => this.#idle(used_ms, now_ms),
    });
    this.#next = next;
    if (more) this.#again = true;
    for (const slice of named) {
      const want = asked.get(slice);
      const changed = want !== undefined && !sameLimit(want.limit, slice.budget);
      if (want !== undefined) govern(slice, want.limit);
      measure(slice, now_ms);
      const over = slice.end_ms !== 0 && slice.told_ms > Number.NEGATIVE_INFINITY && now_ms >= slice.until_ms;
      const idle = this.#idle(slice.used_ms, now_ms);
      if (over || changed || slice.wanted || idle) giveBack(slice);
      const more = want === undefined ? 0 : Math.max(0, want.sum - slice.free);
      const least = more === 0 || want === undefined ? 0 : Math.max(1, want.least - slice.free);
      const { key, budget, start_ms, end_ms, expires_ms, held, free } = slice;
      const ahead =
        over || slice.wanted || (idle && want === undefined) ? 0 : Math.max(0, this.#ahead(slice.pace, want) - free);
      const ask = { key, budget, start_ms, end_ms, expires_ms, holds: held, free, least, asked: more, ahead };
      slice.dirty = false;
      slice.later_spent = 0;
      slice.later_used = 0;
      list.push([slice, ask]);
    }
    return list;
  }

  /** What calls will likely take before the next report but one. */
  #ahead(pace: number, want: Asked<unknown> | undefined): number {
    if (this.#office.ahead_ms === 0) return 0;
    const first = want === undefined ? 0 : want.least * first_calls;
    return Math.floor(Math.max(first, (pace * this.#office.ahead_ms) / 1_000));
  }

  #rateAsks(asked: ReadonlyMap<RateSlice, Asked<Rate>>, now_ms: number): [RateSlice, RateAsk][] {
    const list: [RateSlice, RateAsk][] = [];
    for (const slice of this.#books.rates.values()) {
      const want = asked.get(slice);
      if (want === undefined && !this.#looks.has(slice)) continue;
      if (want !== undefined && want.limit.limit !== slice.rate.limit) uncount(this.#office, this.#books, slice);
      if (want !== undefined) slice.rate = want.limit;
      measure(slice, now_ms);
      const more = want === undefined ? 0 : Math.max(0, want.sum - slice.free);
      const least = more === 0 || want === undefined ? 0 : Math.max(1, want.least - slice.free);
      const ahead = want === undefined ? 0 : this.#ahead(slice.pace, want);
      list.push([slice, { key: slice.key, rate: slice.rate, least, asked: more, ahead }]);
    }
    return list;
  }

  #seatsAsks(asked: ReadonlyMap<SeatsSlice, Asked<Rate>>, now_ms: number): [SeatsSlice, SeatsAsk][] {
    const list: [SeatsSlice, SeatsAsk][] = [];
    for (const slice of this.#books.seats.values()) {
      const want = asked.get(slice);
      const looked = this.#looks.has(slice) || this.#whole;
      if (want === undefined && !slice.dirty && slice.granted === 0 && slice.taken === 0 && !looked) continue;
      const { key, taken } = slice;
      const changed = want !== undefined && want.limit.limit !== slice.rate.limit;
      if (want !== undefined) slice.rate = want.limit;
      const idle = changed || this.#idle(slice.used_ms, now_ms);
      const free = idle ? 0 : Math.max(0, slice.granted - taken);
      slice.granted = taken + free;
      slice.dirty = false;
      const more = want === undefined ? 0 : Math.max(0, want.sum - free);
      const ahead = want === undefined || this.#office.ahead_ms === 0 ? 0 : taken;
      list.push([slice, { key, rate: slice.rate, holds: taken, free, least: Math.min(1, more), asked: more, ahead }]);
    }
    return list;
  }
}

function grant<T>(list: readonly T[], at: number): T {
  const one = list[at];
  if (one === undefined) throw new Error('the shared ledger answered fewer slices than were asked');
  return one;
}
