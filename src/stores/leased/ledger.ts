import type {
  Amendment,
  Budget,
  Ledger,
  LedgerEntry,
  Rate,
  Reserved,
  ReserveRequest,
  Settled,
  Settlement,
} from '../ledger.ts';
import { HoldGone, LedgerUnavailable } from '../ledger.ts';
import type { RedisLedger } from '../redis/index.ts';
import { checkAmendment, checkId, checkLimits, checkReserve, checkSettlement } from '../validate.ts';
import { covered, type Need, needsOf, refusalOf, type Wanting } from './admission.ts';
import { Books, budgetState, rateState } from './books.ts';
import { open, reapHold, releaseHold, settleHold, widen } from './counter.ts';
import { Desk, type Waiter } from './desk.ts';
import { labelText } from './notes.ts';
import { firstNumber, type Office } from './office.ts';
import type { LocalHold } from './slices.ts';

export interface Parts {
  readonly office: Office;
  readonly all: Map<string, Books>;
  readonly remote: RedisLedger;
  readonly reap_interval_ms: number;
  readonly closed: () => void;
}

/** Trades a call waits for before it is told that others were faster each time. */
const tries_max = 6;
/** How long a real settlement may still replace an estimate. */
const provisional_ms = 7 * 86_400_000;
/** Figures this young are told without asking. */
const fresh_ms = 100;

interface Account {
  readonly books: Books;
  readonly desk: Desk;
}

/** Calls are held against slices taken out of the shared ledger; what became of them is reported afterwards. */
export class LeasedLedger implements Ledger {
  readonly #parts: Parts;
  readonly #office: Office;
  readonly #accounts = new Map<string, Account>();
  readonly #timers: NodeJS.Timeout[] = [];
  /** No lease of a hold ends before, Unix ms. */
  #nextExpiry_ms = 0;
  #closed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#office = parts.office;
    for (const books of parts.all.values()) {
      books.items = firstNumber(books.items);
      this.#accounts.set(books.id, { books, desk: new Desk(this.#office, books) });
    }
    const { report_ms } = parts.office;
    if (report_ms > 0) this.#timers.push(setInterval(() => this.#report(), report_ms).unref());
    if (parts.reap_interval_ms > 0) {
      this.#timers.push(setInterval(() => this.#expire(), parts.reap_interval_ms).unref());
    }
  }

  reserve(request: ReserveRequest): Promise<Reserved> {
    try {
      checkReserve(request);
      return this.#reserve(request);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #reserve(request: ReserveRequest): Promise<Reserved> {
    const office = this.#office;
    this.#mustWrite();
    const { books, desk } = this.#account(request.organization);
    this.#lookForExpired();
    const { id, amount, budgets, rates } = request;
    if (books.holds.has(id) || books.settled.has(id)) return this.#standing(books, desk, budgets, rates);
    const wanting: Wanting = { amount, budgets, rates, hold: undefined };
    return this.#hold(books, desk, wanting, (needs) => {
      const hold: LocalHold = {
        id,
        owner: request.owner,
        nusd: 0,
        tokens: 0,
        input: 0,
        expires_ms: 0,
        provisional: false,
        slices: [],
        parts: [],
        seats: [],
        labels: labelText(request.labels),
      };
      if (!books.holds.has(id)) open(office, books, hold, needs, amount, this.#expiry(request.lease_ms));
      return office.journal.commit(this.#held(books, budgets, rates), () => {
        if (books.holds.get(id) === hold) releaseHold(office, books, hold);
      });
    });
  }

  amend(amendment: Amendment): Promise<Reserved> {
    try {
      checkAmendment(amendment);
      this.#mustWrite();
    } catch (error) {
      return Promise.reject(error);
    }
    const office = this.#office;
    const { books, desk } = this.#account(amendment.organization);
    this.#lookForExpired();
    const { id, amount, budgets, rates } = amendment;
    const gone = (): Promise<never> => Promise.reject(new HoldGone(`nothing is held under ${id}`));
    const hold = books.holds.get(id);
    if (hold === undefined) return gone();
    const wanting: Wanting = { amount, budgets, rates, hold };
    return this.#hold(books, desk, wanting, (needs) => {
      if (books.holds.get(id) !== hold) return gone();
      widen(office, books, hold, needs, amount, this.#expiry(amendment.lease_ms));
      return office.journal.commit({
        outcome: 'held',
        budgets: needs.flatMap((need) => (need.of === 'budget' ? [budgetState(need.budget, need.slice)] : [])),
        rates: needs.flatMap((need) => (need.of === 'budget' ? [] : [rateState(need.rate, need.slice)])),
      });
    });
  }

  /** At once where slices cover all of it; else after the trades it takes to know that they do, or that nothing can. */
  #hold(
    books: Books,
    desk: Desk,
    wanting: Wanting,
    hold: (needs: readonly Need[]) => Promise<Reserved>,
  ): Promise<Reserved> {
    const office = this.#office;
    const needs = () => needsOf(books, wanting, office.now());
    const first = needs();
    if (this.#covers(books, first)) return hold(first);
    return new Promise<Reserved>((resolve, reject) => {
      let tries = 0;
      const waiter: Waiter = {
        needs,
        failed: reject,
        answered: (sent_ms) => {
          const all = needs();
          if (this.#covers(books, all)) {
            try {
              resolve(hold(all));
            } catch (error) {
              reject(error);
            }
            return true;
          }
          for (const need of all) {
            if (covered(books, need, office.clock())) continue;
            const refusal = refusalOf(need, sent_ms);
            if (refusal === undefined) continue;
            resolve({ outcome: 'refused', refusal });
            return true;
          }
          if (++tries < tries_max) return false;
          reject(new LedgerUnavailable('slices were used up faster than they could be taken'));
          return true;
        },
      };
      desk.wait(waiter);
    });
  }

  #covers(books: Books, needs: readonly Need[]): boolean {
    const now_ms = this.#office.clock();
    for (const need of needs) if (!covered(books, need, now_ms)) return false;
    return true;
  }

  settle(settlement: Settlement): Promise<Settled> {
    try {
      checkSettlement(settlement);
      this.#mustBeOpen();
    } catch (error) {
      return Promise.reject(error);
    }
    const { journal } = this.#office;
    const { books } = this.#account(settlement.organization);
    const hold = books.holds.get(settlement.id);
    if (hold === undefined) {
      const outcome = books.settled.has(settlement.id) ? 'repeated' : 'unknown';
      return journal.commit({ outcome, budgets: [] });
    }
    settleHold(this.#office, books, hold, settlement);
    const budgets = hold.slices.map((slice) => budgetState(slice.budget, slice));
    return journal.commit({ outcome: 'settled', budgets });
  }

  release(id: string, organization: string): Promise<void> {
    try {
      checkId(id, organization);
      this.#mustBeOpen();
    } catch (error) {
      return Promise.reject(error);
    }
    const { books } = this.#account(organization);
    const hold = books.holds.get(id);
    if (hold !== undefined) releaseHold(this.#office, books, hold);
    return this.#office.journal.commit(undefined);
  }

  async read(organization: string, budgets: readonly Budget[], rates: readonly Rate[]) {
    checkLimits(budgets, rates);
    this.#mustBeOpen();
    const { books, desk } = this.#account(organization);
    const state = await this.#standing(books, desk, budgets, rates);
    return { budgets: state.budgets, rates: state.rates };
  }

  /** Figures of these limits, asked for anew where they are not fresh. */
  async #standing(books: Books, desk: Desk, budgets: readonly Budget[], rates: readonly Rate[]) {
    for (let tries = 0; tries < 2; tries++) {
      const old = this.#office.clock() - (this.#office.ahead_ms === 0 ? -1 : fresh_ms);
      const slices = budgets.map((budget) => books.slice(budget, this.#office.now()));
      const speeds = rates.map((rate) => books.rate(rate));
      if (slices.every(({ told_ms }) => told_ms >= old) && speeds.every(({ told_ms }) => told_ms >= old)) break;
      await desk.look(slices, speeds);
      if (slices.every((slice, at) => slice === books.slice(grab(budgets, at), this.#office.now()))) break;
    }
    return this.#held(books, budgets, rates);
  }

  #held(books: Books, budgets: readonly Budget[], rates: readonly Rate[]) {
    const now_ms = this.#office.now();
    return {
      outcome: 'held' as const,
      budgets: budgets.map((budget) => budgetState(budget, books.slice(budget, now_ms))),
      rates: rates.map((rate) => rateState(rate, books.rate(rate))),
    };
  }

  /** Settles holds and slices whose lease is over, provisionally. Returns how many holds. */
  async reap(): Promise<number> {
    const reaped = this.#expire();
    await this.flush();
    return reaped + (await this.#parts.remote.reap());
  }

  /** Reports everything and gives back what is idle. */
  async flush(): Promise<void> {
    await Promise.all([...this.#accounts.values()].map(({ desk }) => desk.trade()));
  }

  async counters(organization: string) {
    await this.#told(organization);
    return this.#parts.remote.counters(organization);
  }

  /** Calls of this process, and holds that others have in the shared ledger. */
  async holds(organization: string) {
    this.#mustBeOpen();
    const mine = [...(this.#accounts.get(organization)?.books.holds.values() ?? [])];
    const open = mine.filter(({ provisional }) => !provisional);
    const rest = await this.#parts.remote.holds(organization);
    return [
      ...open.map(({ id, nusd, tokens, input, owner, expires_ms }) => ({
        id,
        amount: input === 0 ? { nusd, tokens } : { nusd, tokens, input },
        owner,
        expires_at_ms: expires_ms,
      })),
      ...rest,
    ];
  }

  async *entries(organization: string): AsyncGenerator<LedgerEntry> {
    await this.#told(organization);
    yield* this.#parts.remote.entries(organization);
  }

  async reconcile(organization: string, options: { readonly repair: boolean }) {
    await this.#told(organization);
    return this.#parts.remote.reconcile(organization, options);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    try {
      for (const { books } of this.#accounts.values())
        for (const slice of books.slices.values()) slice.used_ms = -Infinity;
      await this.flush().catch(() => {});
      await this.#office.journal.close();
    } finally {
      this.#parts.closed();
      await this.#parts.remote.close();
    }
  }

  async #told(organization: string): Promise<void> {
    this.#mustBeOpen();
    await this.#accounts.get(organization)?.desk.trade();
  }

  #report(): void {
    for (const { desk } of this.#accounts.values()) if (desk.due()) desk.trade().catch(() => {});
  }

  #lookForExpired(): void {
    if (Date.now() >= this.#nextExpiry_ms) this.#expire();
  }

  #expire(): number {
    const now_ms = Date.now();
    let reaped = 0;
    let next = Number.POSITIVE_INFINITY;
    for (const { books } of this.#accounts.values()) {
      for (const hold of books.holds.values()) {
        if (hold.provisional) {
          if (now_ms > hold.expires_ms + provisional_ms) books.holds.delete(hold.id);
        } else if (hold.expires_ms > now_ms) next = Math.min(next, hold.expires_ms);
        else {
          reapHold(this.#office, books, hold);
          reaped++;
        }
      }
    }
    this.#nextExpiry_ms = next;
    return reaped;
  }

  #expiry(lease_ms: number): number {
    const expires_ms = Date.now() + lease_ms;
    if (expires_ms < this.#nextExpiry_ms) this.#nextExpiry_ms = expires_ms;
    return expires_ms;
  }

  #account(organization: string): Account {
    let account = this.#accounts.get(organization);
    if (account === undefined) {
      const books = new Books(organization);
      books.items = firstNumber(0);
      account = { books, desk: new Desk(this.#office, books) };
      this.#accounts.set(organization, account);
      this.#parts.all.set(organization, books);
      // Named before anything is taken: after a crash its slices are looked for.
      this.#office.notes.organization(books);
    }
    return account;
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new LedgerUnavailable('the ledger is closed');
  }

  #mustWrite(): void {
    this.#mustBeOpen();
    if (this.#office.journal.failure !== undefined) throw this.#office.journal.failure;
  }
}

function grab<T>(list: readonly T[], at: number): T {
  const one = list[at];
  if (one === undefined) throw new RangeError(`nothing at ${at}`);
  return one;
}
