import type {
  Amendment,
  Budget,
  BudgetState,
  Ledger,
  OnLoss,
  Rate,
  RateState,
  Reserved,
  ReserveRequest,
  Settled,
  Settlement,
} from '../ledger.ts';
import { LedgerUnavailable } from '../ledger.ts';
import type { RedisLedger } from '../redis/index.ts';
import { onLossOf } from '../share/on-loss.ts';
import { sharedLimits } from '../share/shared-limits.ts';
import { Shares } from '../share/shares.ts';
import { checkAmendment, checkId, checkLimits, checkReserve, checkSettlement } from '../validate.ts';
import { type Account, held, openAccount, openHolds, standing } from './account.ts';
import { type Need, needsOf } from './admission.ts';
import { amend } from './amend.ts';
import { holdAtOnce } from './at-once.ts';
import type { Books } from './books.ts';
import { newHold, open, releaseHold } from './counter.ts';
import { Desk } from './desk.ts';
import { post, release, settle } from './ending.ts';
import { expire } from './expire.ts';
import { obtain } from './obtain.ts';
import { firstNumber, type Office } from './office.ts';
import { Passing } from './passing.ts';
import { endRenewals } from './renew.ts';
import type { LocalHold } from './slices.ts';
import { countUntold } from './untold-sums.ts';

export interface Parts {
  readonly office: Office;
  readonly all: Map<string, Books>;
  readonly remote: RedisLedger;
  readonly reap_interval_ms: number;
  /** What limits mean that do not say it themselves. */
  readonly onLoss: () => OnLoss;
  readonly closed: () => Promise<void>;
}

const beat_ms = 1_000;
/** Slices of a window that ended so long ago are let go. */
const pruned_ms = 60_000;

/** Calls are held against slices taken out of the shared ledger; what became of them is reported afterwards. */
export class LeasedLedger extends Passing implements Ledger {
  readonly #parts: Parts;
  readonly #office: Office;
  readonly #accounts = new Map<string, Account>();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #shares = new Shares();
  /** No lease of a hold ends before, Unix ms. */
  #nextExpiry_ms = 0;
  #closed = false;

  constructor(parts: Parts) {
    super(parts.remote);
    this.#parts = parts;
    this.#office = parts.office;
    for (const books of parts.all.values()) {
      books.items = firstNumber(books.items);
      countUntold(books);
      this.#accounts.set(books.id, { books, desk: new Desk(this.#office, books) });
      endRenewals(this.#office, books);
    }
    const { report_ms } = parts.office;
    if (report_ms > 0) this.#timers.push(setInterval(() => this.#report(), report_ms).unref());
    if (parts.reap_interval_ms > 0) {
      this.#timers.push(setInterval(() => this.#expire(), parts.reap_interval_ms).unref());
    }
    parts.office.store.onLost(async (of, permit) => (await this.#accounts.get(of)?.desk.retell(permit)) ?? []);
    this.#timers.push(setInterval(() => this.#beat(), beat_ms).unref());
    this.#beat();
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
    const account = this.#account(request.organization);
    this.#lookForExpired();
    const { books } = account;
    const { id, amount, budgets, rates } = request;
    if (books.holds.has(id) || books.settled.has(id)) return standing(office, account, budgets, rates);
    const atOnce = holdAtOnce(office, books, request, this.#expiry(request.lease_ms));
    if (atOnce !== undefined) return this.#written(books, atOnce.hold, atOnce.reserved);
    const lost = (error: Error) => {
      if (!(error instanceof LedgerUnavailable)) throw error;
      if (onLossOf(budgets, rates, this.#parts.onLoss()) !== 'local_share') throw error;
      return this.reserveShare(request);
    };
    const wanting = { amount, budgets, rates, hold: undefined };
    return obtain(office, account, wanting, (needs) => this.#open(books, request, needs), lost);
  }

  #open(books: Books, request: ReserveRequest, needs: readonly Need[]): Promise<Reserved> {
    const { id, amount, budgets, rates, lease_ms } = request;
    const hold = newHold(request);
    if (!books.holds.has(id)) open(this.#office, books, hold, needs, amount, this.#expiry(lease_ms));
    return this.#written(books, hold, held(this.#office, books, budgets, rates));
  }

  /** Resolves once a new hold is written down; what cannot be is given back. */
  #written(books: Books, hold: LocalHold, reserved: Reserved): Promise<Reserved> {
    return this.#office.journal.commit(reserved, () => {
      if (books.holds.get(hold.id) === hold) releaseHold(this.#office, books, hold);
    });
  }

  /** While the shared ledger is lost: holds within a share of limits that say `local_share`, nothing under `open` ones. */
  async reserveShare(request: ReserveRequest): Promise<Reserved> {
    this.#mustWrite();
    const { books } = this.#account(request.organization);
    const { budgets, rates } = sharedLimits(request, this.#parts.onLoss());
    const needs = needsOf(books, { amount: request.amount, budgets, rates, hold: undefined }, this.#office.now());
    return this.#shares.take(this.#office, books, needs) ?? this.#open(books, { ...request, budgets, rates }, needs);
  }

  /** Whether a call of that id is or was held here. */
  has(organization: string, id: string): boolean {
    const books = this.#accounts.get(organization)?.books;
    return books !== undefined && (books.holds.has(id) || books.settled.has(id));
  }

  /** What the shared ledger told of limits another way. */
  saw(organization: string, budgets: readonly BudgetState[], rates: readonly RateState[]): void {
    this.#shares.seen(this.#office, this.#account(organization).books, budgets, rates);
  }

  /** The shared ledger is back. */
  back(): void {
    this.#shares.back(this.#office.clock());
  }

  amend(amendment: Amendment): Promise<Reserved> {
    try {
      checkAmendment(amendment);
      this.#mustWrite();
    } catch (error) {
      return Promise.reject(error);
    }
    this.#lookForExpired();
    const account = this.#account(amendment.organization);
    return amend(this.#office, account, amendment, {
      shares: this.#shares,
      onLoss: this.#parts.onLoss,
      expiry: () => this.#expiry(amendment.lease_ms),
    });
  }

  settle(settlement: Settlement): Promise<Settled> {
    try {
      checkSettlement(settlement);
      return settle(this.#office, this.#booksOf(settlement.organization), settlement);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  post(settlement: Settlement): Promise<void> {
    try {
      checkSettlement(settlement);
      return post(this.#office, this.#booksOf(settlement.organization), settlement);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  release(id: string, organization: string): Promise<void> {
    try {
      checkId(id, organization);
      return release(this.#office, this.#booksOf(organization), id);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async read(organization: string, budgets: readonly Budget[], rates: readonly Rate[]) {
    checkLimits(budgets, rates);
    this.#mustBeOpen();
    const state = await standing(this.#office, this.#account(organization), budgets, rates);
    return { budgets: state.budgets, rates: state.rates };
  }

  /** Settles holds and slices whose lease is over, provisionally. Returns how many holds. */
  async reap(): Promise<number> {
    const reaped = this.#expire();
    await this.flush();
    return reaped + (await this.#parts.remote.reap());
  }

  /** Whether the shared ledger has yet to hear of something: of what was spent, or of how a call ends. */
  get owes(): boolean {
    const owing = ({ untold, holds }: Books) => untold.size > 0 || [...holds.values()].some((one) => !one.provisional);
    return [...this.#parts.all.values()].some(owing);
  }

  /** Reports everything and gives back what is idle. */
  async flush(): Promise<void> {
    await Promise.all([...this.#accounts.values()].map(({ desk }) => desk.trade()));
  }

  /** Calls of this process, and holds that others have in the shared ledger. */
  async holds(organization: string) {
    this.#mustBeOpen();
    const rest = await this.#parts.remote.holds(organization);
    return [...openHolds(this.#accounts.get(organization)?.books), ...rest];
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    try {
      for (const { books } of this.#accounts.values()) books.leave();
      await this.flush().catch(() => {});
      await this.#office.journal.close();
    } finally {
      await this.#parts.closed().finally(() => this.#parts.remote.close());
    }
  }

  protected async tell(organization: string): Promise<void> {
    this.#mustBeOpen();
    const account = this.#accounts.get(organization);
    // What is free was taken under limits that may be others by now: all of it is asked about.
    await account?.desk.look(account.books.slices.values(), []);
  }

  #report(): void {
    for (const { desk } of this.#accounts.values()) if (desk.due()) desk.trade().catch(() => {});
  }

  /** Tells that this process lives, and asks how many do. */
  #beat(): void {
    const told = (processes: number) => this.#shares.lives(processes, this.#office.now());
    this.#office.store.beat(this.#office.owner, 4 * beat_ms).then(told, () => {});
  }

  #lookForExpired(): void {
    if (Date.now() >= this.#nextExpiry_ms) this.#expire();
  }

  #expire(): number {
    const { reaped, next_ms } = expire(this.#office, this.#parts.all.values(), Date.now());
    // Shares are seen without a trade: nobody else lets go of theirs. A trade that is under way may still be granted some.
    for (const books of this.#parts.all.values()) books.prune(this.#office.now() - pruned_ms, this.#office.clock());
    this.#nextExpiry_ms = next_ms;
    return reaped;
  }

  #expiry(lease_ms: number): number {
    const expires_ms = Date.now() + lease_ms;
    if (expires_ms < this.#nextExpiry_ms) this.#nextExpiry_ms = expires_ms;
    return expires_ms;
  }

  #booksOf(organization: string): Books {
    this.#mustBeOpen();
    return this.#account(organization).books;
  }

  #account(organization: string): Account {
    let account = this.#accounts.get(organization);
    if (account === undefined) {
      account = openAccount(this.#office, organization);
      this.#accounts.set(organization, account);
      this.#parts.all.set(organization, account.books);
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
