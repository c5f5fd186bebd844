import { setImmediate as turn } from 'node:timers/promises';
import { LedgerUnavailable } from '../ledger.ts';
import type { Need } from './admission.ts';
import { Asking } from './asking.ts';
import { asks } from './asks.ts';
import type { Books } from './books.ts';
import { forfeit, hear, maySpare, spare, takeRate, takeSeats, takeSlice, uncount } from './granted.ts';
import { endUncovered } from './lacking.ts';
import { fitting } from './naming.ts';
import { firstNumber, margin, type Office } from './office.ts';
import { Patience } from './patience.ts';
import type { Floor, Trade, Traded } from './port.ts';
import { alsoNamed, type Renewal, Renewals, renewalAsk } from './renewals.ts';
import { nothingAgain, retelling } from './retelling.ts';
import { looked_max, Round } from './round.ts';
import { askedIn, grant, type Sent } from './sent.ts';
import { type RateSlice, type SeatsSlice, type Slice, stir } from './slices.ts';

/** A call that waits for more than this process has. */
export interface Waiter {
  /** Monotonic ms at which it began. */
  readonly since_ms: number;
  /** What it needs, in the windows of this moment. */
  needs(): Need[];
  /** Tries again after a trade that was sent at `sent_ms`; false where it must wait for another one. */
  answered(sent_ms: number): boolean;
  /** Goes on where what others' trades took covers it by now; false where it must wait for one of its own. */
  covered(): boolean;
  failed(error: Error): void;
}

interface Sending {
  readonly permit?: string;
  readonly whole?: boolean;
  /** Told the answer that comes after it was given up, if no other trade was sent until then. */
  readonly late?: (answer: Done) => void;
}

type Done = Extract<Traded, { outcome: 'done' }>;

const late_max = 4;
/** Most things told in one trade. */
const items_max = 1_000;

/** One organisation's dealings with the shared ledger: one trade at a time, and everyone who waits shares it. */
export class Desk {
  readonly #office: Office;
  readonly #books: Books;
  #waiters: Waiter[] = [];
  readonly #renewals = new Renewals();
  /** Windows of which something may be for no call any more. */
  readonly #spare: Round<RateSlice>;
  #looks = new Set<RateSlice | SeatsSlice>();
  #running: Promise<void> | undefined;
  #again = false;
  #whole = true;
  #number = firstNumber(0);
  #traded_ms: number;
  readonly #asking: Asking;
  readonly #patience: Patience;

  constructor(office: Office, books: Books) {
    this.#office = office;
    this.#books = books;
    this.#traded_ms = office.clock();
    this.#asking = new Asking(office, books);
    this.#spare = new Round(books.rates);
    this.#patience = new Patience(office.store.deadline_ms, office.clock);
  }

  wait(waiter: Waiter): void {
    this.#waiters.push(waiter);
    this.trade().catch(() => {});
  }

  /** Its item was noted. */
  renew(renewal: Renewal): void {
    this.#renewals.add(renewal);
    this.trade().catch(() => {});
  }

  /** Resolves once all that has happened so far was told. Rejects with `LedgerUnavailable` where it could not be. */
  trade(): Promise<void> {
    if (this.#running !== undefined) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#run();
    return this.#running;
  }

  /** Asks for these figures anew, and for nothing else. */
  look(slices: Iterable<Slice>, rates: Iterable<RateSlice | SeatsSlice>): Promise<void> {
    for (const slice of slices) stir(slice);
    for (const rate of rates) this.#looks.add(rate);
    return this.trade();
  }

  /** Tells a store that lost its data what calls hold here, before it admits anything; what was free is not ours any more. */
  async retell(permit: string): Promise<readonly Floor[]> {
    this.#mustHold();
    for (const rate of this.#books.rates.values()) forfeit(rate);
    const { had } = await this.#send(nothingAgain, { permit, whole: false });
    const { parts, floors } = retelling(this.#books, this.#renewals, items_max, had);
    for (const part of parts) await this.#send(part, { permit, whole: false });
    return floors;
  }

  /** Who has the journal by now goes on under its name: what was ours there is that one's to tell, and to give back. */
  #mustHold(): void {
    if (!this.#office.held()) throw new LedgerUnavailable('another process has taken over the journal');
  }

  /** Whether it is time to report, to give back or to renew. */
  due(): boolean {
    const { untold, slices, rates, seats } = this.#books;
    if (this.#whole || untold.size > 0) return true;
    const now_ms = this.#office.clock();
    const renew = now_ms - this.#traded_ms > this.#office.lease_ms / 4;
    for (const slice of slices.values()) {
      if (slice.dirty || slice.free > 0 || (renew && slice.held > 0)) return true;
    }
    for (const one of rates.values()) if (maySpare(one, this.#office, now_ms)) return true;
    for (const one of seats.values()) {
      if (one.dirty || one.granted > one.taken || (renew && one.granted + one.taken > 0)) return true;
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
      } while (this.#again || this.#waiters.length > 0 || this.#renewals.size > 0);
    } catch (error) {
      for (const waiter of this.#waiters.splice(0)) waiter.failed(error as Error);
      this.#renewals.allFailed(error as Error);
      throw error;
    } finally {
      // In the step that looked for waiters last: one who comes later finds that nothing runs.
      this.#running = undefined;
    }
  }

  async #once(): Promise<void> {
    const office = this.#office;
    const books = this.#books;
    // Nothing is given back to nobody.
    if (office.store.lost) throw new LedgerUnavailable('the shared ledger is lost');
    this.#mustHold();
    await this.#tellBacklog();
    const waiting = this.#waiters.splice(0, fitting(this.#waiters));
    const { budgets, rates, seats } = asks(waiting);
    const sent_ms = office.clock();
    if (books.left) for (const rate of books.rates.values()) uncount(office, books, rate);
    else for (const rate of this.#spare.next(looked_max)) spare(office, books, rate, sent_ms);
    const { items, last } = books.untold.oldest(items_max);
    const renewals = this.#renewals.told(last);
    alsoNamed(budgets, renewals);
    const sent: Sent = {
      renewals,
      sent_ms,
      last,
      slices: this.#asking.slices(budgets, sent_ms, this.#whole),
      rates: this.#asking.rates(rates, sent_ms, this.#looks),
      seats: this.#asking.seats(seats, sent_ms, this.#looks, this.#whole),
    };
    if (this.#asking.more) this.#again = true;
    this.#looks.clear();
    let answer: Done;
    books.trading = true;
    try {
      answer = await this.#send({ items, ...askedIn(sent) }, { late: (late) => this.#late(sent, late) });
    } catch (error) {
      // What was done of it nobody knows: all of it is told again.
      for (const [slice] of sent.slices) stir(slice);
      for (const [one] of sent.seats) one.dirty = true;
      for (const waiter of waiting) waiter.failed(error as Error);
      this.#renewals.failed(renewals, error as Error);
      // It was not theirs: they have one of their own, or what this one took, should it come in time.
      if (this.#waiters.length > 0 && !office.store.lost) return;
      this.#patience.hold(this.#waiters.splice(0), error as Error);
      throw error;
    } finally {
      books.trading = false;
    }
    office.told(answer.now_ms);
    this.#take(sent, answer);
    for (const waiter of waiting) if (!waiter.answered(sent_ms)) this.#waiters.push(waiter);
    this.#serve();
    books.prune(office.now(), office.clock());
  }

  #take({ sent_ms, last, slices, rates, seats, renewals }: Sent, answer: Done): void {
    const office = this.#office;
    const books = this.#books;
    this.#whole = answer.lapsed;
    if (answer.lapsed) this.#again = true;
    this.#traded_ms = sent_ms;
    const lacking = new Map<Slice, number>();
    const returned = this.#renewals.returned(renewals, answer.renewals);
    books.lease_until_ms = sent_ms + office.lease_ms - margin(office.lease_ms);
    for (const [at, [slice, ask]] of slices.entries()) {
      const told = grant(answer.slices, at);
      hear(slice, told, answer.now_ms);
      // A share that was taken meanwhile is no part of it: the next trade tells both.
      if (slice.shared_ms >= sent_ms) continue;
      const amount = told.amount - (returned.get(slice) ?? 0);
      const lack = takeSlice(slice, ask, told, amount, sent_ms, answer.now_ms);
      if (lack > 0) lacking.set(slice, lack);
      if (slice.wanted && slice.free > 0) this.#again = true;
    }
    for (const [at, [slice]] of rates.entries()) takeRate(office, books, slice, grant(answer.rates, at), sent_ms);
    for (const [at, [slice]] of seats.entries()) {
      takeSeats(slice, grant(answer.seats, at), sent_ms, books.lease_until_ms);
      if (slice.wanted && slice.granted > slice.taken) this.#again = true;
    }
    // Before its item is acknowledged: who finds that and no hold knows that it was refused.
    this.#renewals.answered(renewals, answer.renewals);
    endUncovered(office, books, lacking);
    this.#acknowledged(last, answer);
  }

  /** The answer to a trade that was given up, before any other was sent: what it took is ours all the same. */
  #late(sent: Sent, answer: Done): void {
    for (const one of answer.estimates) this.#books.standing.told(one);
    this.#take(sent, answer);
    this.#serve();
    if (this.#waiters.length > 0) this.trade().catch(() => {});
  }

  /** What was taken for others may be enough for those who came later. */
  #serve(): void {
    const waiting = [...this.#patience.end(), ...this.#waiters];
    this.#waiters = waiting.filter((waiter) => !waiter.covered());
  }

  /** After an outage there is much to tell: in parts, so that Redis is not kept from everyone else for long. */
  async #tellBacklog(): Promise<void> {
    const books = this.#books;
    while (books.untold.size > items_max) {
      const { items, last } = books.untold.oldest(items_max);
      const renewals = this.#renewals.told(last);
      const asked = { items, slices: [], rates: [], seats: [], renewals: renewals.map(renewalAsk) };
      const answer = await this.#send(asked, { whole: false });
      this.#renewals.answered(renewals, answer.renewals);
      this.#acknowledged(last, answer);
      this.#whole ||= answer.lapsed;
    }
  }

  #acknowledged(last: number, { sums, now_ms }: Done): void {
    const books = this.#books;
    if (last === 0) return;
    for (const sum of sums) {
      const slice = books.slices.get(sum.key);
      if (slice !== undefined) hear(slice, sum, now_ms);
    }
    books.untold.heard(last);
    books.standing.heard(last);
    this.#office.notes.acknowledged(books, last);
  }

  async #send(
    asked: Pick<Trade, 'items' | 'slices' | 'rates' | 'seats' | 'renewals' | 'again'>,
    { permit, whole = this.#whole, late }: Sending,
  ): Promise<Done> {
    const { store, owner, lease_ms } = this.#office;
    for (let tries = 0; tries < late_max; tries++) {
      const number = ++this.#number;
      const organization = this.#books.id;
      const answer = await store.trade({ ...asked, organization, owner, number, lease_ms, whole }, permit, (answer) => {
        if (answer.outcome === 'done' && number === this.#number) late?.(answer);
      });
      if (answer.outcome === 'done') {
        for (const one of answer.estimates) this.#books.standing.told(one);
        return answer;
      }
      this.#number = Math.max(this.#number, answer.number);
    }
    throw new LedgerUnavailable('another process trades under the same name');
  }
}
