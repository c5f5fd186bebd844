import type {
  Amendment,
  Budget,
  BudgetCounter,
  LedgerEntry,
  Rate,
  Reserved,
  ReserveRequest,
  Settled,
  Settlement,
} from '../ledger.ts';
import { HoldGone, LedgerUnavailable } from '../ledger.ts';
import { rateOfKey } from '../rate-key.ts';
import { checkAmendment, checkId, checkLimits, checkReserve, checkSettlement } from '../validate.ts';
import { type Admission, admit, admitMore, budgetOf, budgetState, held, rateState } from './admission.ts';
import { entriesOf } from './history.ts';
import type { EmbeddedLedger } from './index.ts';
import type { Journal } from './journal.ts';
import { Organization } from './organization.ts';
import { reconcile } from './reconcile.ts';
import { type Scribe, touched } from './records.ts';
import { type Hold, openHold, reviveHold, spendHold, undoHold, widenHold } from './state.ts';

export interface Parts {
  readonly directory: string;
  readonly organizations: Map<string, Organization>;
  readonly journal: Journal;
  readonly scribe: Scribe;
  readonly clock: () => number;
  readonly closed: () => void;
}

/** All limits in this process; every verb is one turn of the event loop and one line of the journal. */
export class Embedded implements EmbeddedLedger {
  readonly #parts: Parts;
  /** No lease ends before. */
  #nextExpiry_ms = 0;
  #closed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
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
    const { journal, scribe } = this.#parts;
    this.#mustWrite();
    const now_ms = this.#now();
    const org = this.#organization(request.organization);
    if (org.holds.has(request.id) || org.remembers(request.id)) {
      return journal.commit(held(org, request.budgets, request.rates, now_ms));
    }
    const admission = admit(org, request.amount, request.budgets, request.rates, now_ms);
    if (admission.refusal !== undefined) return Promise.resolve({ outcome: 'refused', refusal: admission.refusal });
    this.#govern(org, admission, request.rates);
    const hold: Hold = {
      id: request.id,
      owner: request.owner,
      nusd: request.amount.nusd,
      tokens: request.amount.tokens,
      expires_ms: now_ms + request.lease_ms,
      provisional: false,
      counters: [],
      rings: [],
      seats: [],
    };
    openHold(hold, admission, now_ms);
    org.holds.set(hold.id, hold);
    if (hold.expires_ms < this.#nextExpiry_ms) this.#nextExpiry_ms = hold.expires_ms;
    scribe.reserved(org, hold, now_ms);
    return journal.commit(held(org, request.budgets, request.rates, now_ms), () => {
      if (org.holds.get(hold.id) === hold) this.#release(org, hold, now_ms);
    });
  }

  amend(amendment: Amendment): Promise<Reserved> {
    try {
      checkAmendment(amendment);
      return this.#amend(amendment);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #amend(amendment: Amendment): Promise<Reserved> {
    const { journal, scribe } = this.#parts;
    this.#mustWrite();
    const now_ms = this.#now();
    const org = this.#organization(amendment.organization);
    const hold = org.holds.get(amendment.id);
    if (hold === undefined) throw new HoldGone(`nothing is held under ${amendment.id}`);
    const admission = admit(org, amendment.amount, amendment.budgets, amendment.rates, now_ms, hold);
    const refusal = admission.refusal ?? admitMore(hold, amendment.amount, admission, now_ms);
    if (refusal !== undefined) return Promise.resolve({ outcome: 'refused', refusal });
    this.#govern(org, admission, amendment.rates);
    if (hold.provisional) {
      scribe.undone('v', org, hold, now_ms);
      reviveHold(hold);
    }
    const joining = {
      counters: admission.counters.filter((one) => !hold.counters.includes(one)),
      rings: admission.rings.filter((one) => !hold.rings.some((share) => share.ring === one)),
      seats: admission.seats.filter((one) => !hold.seats.includes(one)),
    };
    widenHold(hold, amendment.amount, now_ms + amendment.lease_ms, joining, now_ms);
    if (hold.expires_ms < this.#nextExpiry_ms) this.#nextExpiry_ms = hold.expires_ms;
    scribe.amended(org, hold, joining, now_ms);
    return journal.commit({
      outcome: 'held',
      budgets: states(hold),
      rates: [
        ...hold.rings.map(({ ring }) => rateState(ring.rate ?? rateOfKey(ring.key, ring.limit), ring, now_ms)),
        ...hold.seats.map((one) => rateState(one.rate ?? rateOfKey(one.key, one.limit), one, now_ms)),
      ],
    });
  }

  settle(settlement: Settlement): Promise<Settled> {
    try {
      checkSettlement(settlement);
      this.#mustBeOpen();
    } catch (error) {
      return Promise.reject(error);
    }
    const { journal, scribe } = this.#parts;
    const now_ms = this.#now();
    const org = this.#organization(settlement.organization);
    const hold = org.holds.get(settlement.id);
    if (hold === undefined) {
      return journal.commit({ outcome: org.remembers(settlement.id) ? 'repeated' : 'unknown', budgets: [] });
    }
    scribe.settled(org, hold, settlement.amount, settlement.estimated, now_ms);
    spendHold(hold, settlement.amount, false, now_ms);
    org.holds.delete(hold.id);
    org.remember(hold.id);
    return journal.commit({ outcome: 'settled', budgets: states(hold) });
  }

  release(id: string, organization: string): Promise<void> {
    try {
      checkId(id, organization);
      this.#mustBeOpen();
    } catch (error) {
      return Promise.reject(error);
    }
    const now_ms = this.#now();
    const org = this.#organization(organization);
    const hold = org.holds.get(id);
    if (hold !== undefined) this.#release(org, hold, now_ms);
    return this.#parts.journal.commit(undefined);
  }

  #release(org: Organization, hold: Hold, now_ms: number): void {
    this.#parts.scribe.undone('x', org, hold, now_ms);
    undoHold(hold, now_ms);
    org.holds.delete(hold.id);
  }

  read(organization: string, budgets: readonly Budget[], rates: readonly Rate[]) {
    try {
      checkLimits(budgets, rates);
      this.#mustBeOpen();
    } catch (error) {
      return Promise.reject(error);
    }
    const now_ms = this.#now();
    const state = held(this.#organization(organization), budgets, rates, now_ms);
    return Promise.resolve({ budgets: state.budgets, rates: state.rates });
  }

  reap(now_ms = this.#parts.clock()): Promise<number> {
    if (this.#closed) return Promise.resolve(0);
    return this.#parts.journal.commit(this.#expire(now_ms));
  }

  /** Settles at the estimate what its owner abandoned. */
  #expire(now_ms: number): number {
    let reaped = 0;
    let next = Number.POSITIVE_INFINITY;
    for (const org of this.#parts.organizations.values()) {
      for (const hold of org.holds.values()) {
        if (hold.provisional) continue;
        if (hold.expires_ms > now_ms) {
          if (hold.expires_ms < next) next = hold.expires_ms;
          continue;
        }
        this.#parts.scribe.reaped(org, hold, now_ms);
        spendHold(hold, hold, true, now_ms);
        reaped++;
      }
    }
    this.#nextExpiry_ms = next;
    return reaped;
  }

  async counters(organization: string): Promise<readonly BudgetCounter[]> {
    this.#mustBeOpen();
    const org = this.#parts.organizations.get(organization);
    return [...(org?.counters.values() ?? [])].filter(touched).map(({ key, limit, spent, held, requests, tokens }) => ({
      key,
      organization,
      limit,
      spent,
      held,
      requests,
      tokens,
    }));
  }

  async holds(organization: string) {
    this.#mustBeOpen();
    const open = [...(this.#parts.organizations.get(organization)?.holds.values() ?? [])].filter(
      (hold) => !hold.provisional,
    );
    return open.map(({ id, nusd, tokens, owner, expires_ms }) => ({
      id,
      amount: { nusd, tokens },
      owner,
      expires_at_ms: expires_ms,
    }));
  }

  async *entries(organization: string): AsyncGenerator<LedgerEntry> {
    this.#mustBeOpen();
    yield* entriesOf(this.#parts.directory, this.#parts.journal.position(), organization);
  }

  async reconcile(organization: string, options: { readonly repair: boolean }) {
    this.#mustBeOpen();
    return reconcile(this.#parts, this.#organization(organization), options.repair);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#parts.journal.close();
    } finally {
      this.#parts.closed();
    }
  }

  /** Limits in force from now on: `amend`, people and a restart go by them. */
  #govern(org: Organization, admission: Admission, rates: readonly Rate[]): void {
    for (let at = 0; at < admission.counters.length; at++) {
      const counter = admission.counters[at];
      const budget = admission.governing[at];
      if (counter === undefined || budget === undefined) continue;
      counter.budget = budget;
      if (counter.limit === budget.limit && counter.hard === budget.hard) continue;
      counter.limit = budget.limit;
      counter.hard = budget.hard;
      if (counter.mark !== 0) this.#parts.scribe.limit(org, counter);
    }
    for (const rate of rates) {
      const limited = org.rate(rate);
      limited.rate = rate;
      limited.limit = rate.limit;
    }
  }

  #now(): number {
    const now_ms = this.#parts.clock();
    if (now_ms >= this.#nextExpiry_ms) this.#expire(now_ms);
    return now_ms;
  }

  #organization(id: string): Organization {
    let org = this.#parts.organizations.get(id);
    if (org === undefined) {
      org = new Organization(id);
      this.#parts.organizations.set(id, org);
    }
    return org;
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new LedgerUnavailable('the ledger is closed');
  }

  #mustWrite(): void {
    this.#mustBeOpen();
    if (this.#parts.journal.failure !== undefined) throw this.#parts.journal.failure;
  }
}

function states(hold: Hold) {
  return hold.counters.map((counter) => budgetState(budgetOf(counter), counter));
}
