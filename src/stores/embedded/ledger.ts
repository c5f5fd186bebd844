import type {
  Amendment,
  Budget,
  BudgetCounter,
  LedgerEntry,
  Override,
  Rate,
  Reserved,
  ReserveRequest,
  Settled,
  Settlement,
} from '../ledger.ts';
import { HoldGone, LedgerUnavailable } from '../ledger.ts';
import { refusedBy } from '../refused.ts';
import { advance } from '../tally.ts';
import { checkAmendment, checkId, checkLimits, checkOverride, checkReserve, checkSettlement } from '../validate.ts';
import { admit, admitMore, held, heldBy, states } from './admission.ts';
import { expire, govern } from './expire.ts';
import { entriesOf } from './history.ts';
import type { EmbeddedLedger } from './index.ts';
import type { Journal } from './journal.ts';
import { Organization } from './organization.ts';
import * as people from './people.ts';
import { reconcile } from './reconcile.ts';
import type { Scribe } from './records.ts';
import { type Hold, holdOver, reviveHold, spendHold, undoHold, widenHold } from './state.ts';

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
    const time_ms = org.tick(now_ms);
    if (org.holds.has(request.id) || org.remembers(request.id)) {
      return journal.commit(held(org, request.budgets, request.rates, now_ms));
    }
    const admission = admit(org, request.amount, request.budgets, request.rates, now_ms);
    if (admission.refusals.length > 0) return Promise.resolve(refusedBy(admission.refusals));
    govern(org, scribe, admission, request.rates);
    const hold = holdOver(request, admission, now_ms + request.lease_ms, time_ms);
    org.holds.set(hold.id, hold);
    if (hold.expires_ms < this.#nextExpiry_ms) this.#nextExpiry_ms = hold.expires_ms;
    scribe.reserved(org, hold, admission, time_ms);
    return journal.commit(held(org, request.budgets, request.rates, now_ms), () => {
      if (org.holds.get(hold.id) === hold) this.#release(org, hold);
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
    const time_ms = org.tick(now_ms);
    const hold = org.holds.get(amendment.id);
    if (hold === undefined) throw new HoldGone(`nothing is held under ${amendment.id}`);
    const admission = admit(org, amendment.amount, amendment.budgets, amendment.rates, now_ms, hold);
    const more = admitMore(org, hold, amendment.amount, admission, now_ms);
    const refusals = more.length === 0 ? admission.refusals : [...admission.refusals, ...more];
    if (refusals.length > 0) return Promise.resolve(refusedBy(refusals));
    govern(org, scribe, admission, amendment.rates);
    if (hold.provisional) {
      scribe.undone('v', org, hold, time_ms);
      reviveHold(hold);
    }
    const joining = {
      counters: admission.counters.filter((one) => !hold.counters.includes(one)),
      rings: admission.rings.filter((one) => !hold.rings.some((share) => share.ring === one)),
      seats: admission.seats.filter((one) => !hold.seats.includes(one)),
    };
    widenHold(hold, amendment.amount, now_ms + amendment.lease_ms, joining, time_ms);
    if (hold.expires_ms < this.#nextExpiry_ms) this.#nextExpiry_ms = hold.expires_ms;
    scribe.amended(org, hold, joining, time_ms);
    return journal.commit(heldBy(org, hold, now_ms));
  }

  settle(settlement: Settlement): Promise<Settled> {
    try {
      checkSettlement(settlement);
      this.#mustBeOpen();
    } catch (error) {
      return Promise.reject(error);
    }
    const { journal } = this.#parts;
    const now_ms = this.#now();
    const org = this.#organization(settlement.organization);
    const hold = this.#settle(org, settlement, now_ms);
    if (hold !== undefined) return journal.commit({ outcome: 'settled', budgets: states(org, hold, now_ms) });
    return journal.commit({ outcome: org.remembers(settlement.id) ? 'repeated' : 'unknown', budgets: [] });
  }

  post(settlement: Settlement): Promise<void> {
    try {
      checkSettlement(settlement);
      this.#mustBeOpen();
    } catch (error) {
      return Promise.reject(error);
    }
    this.#settle(this.#organization(settlement.organization), settlement, this.#now());
    return this.#parts.journal.commit(undefined);
  }

  #settle(org: Organization, settlement: Settlement, now_ms: number): Hold | undefined {
    const hold = org.holds.get(settlement.id);
    if (hold === undefined) return undefined;
    const time_ms = org.tick(now_ms);
    for (const counter of hold.counters) advance(counter, time_ms);
    this.#parts.scribe.settled(org, hold, settlement, time_ms);
    spendHold(hold, settlement.amount, false, time_ms);
    org.holds.delete(hold.id);
    org.remember(hold.id);
    return hold;
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
    org.tick(now_ms);
    const hold = org.holds.get(id);
    if (hold !== undefined) this.#release(org, hold);
    return this.#parts.journal.commit(undefined);
  }

  #release(org: Organization, hold: Hold): void {
    const { time_ms } = org;
    for (const counter of hold.counters) advance(counter, time_ms);
    this.#parts.scribe.undone('x', org, hold, time_ms);
    undoHold(hold, time_ms);
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
    const org = this.#organization(organization);
    org.tick(now_ms);
    const state = held(org, budgets, rates, now_ms);
    return Promise.resolve({ budgets: state.budgets, rates: state.rates });
  }

  async override(organization: string, override: Override): Promise<void> {
    checkOverride(organization, override);
    this.#mustWrite();
    people.override(this.#parts.scribe, this.#organization(organization), override);
    return this.#parts.journal.commit(undefined);
  }

  async clearOverride(organization: string, budget: Override['budget']): Promise<boolean> {
    checkOverride(organization, { budget, limit: 0 });
    this.#mustWrite();
    const stood = people.clearOverride(this.#parts.scribe, this.#organization(organization), budget, this.#now());
    return this.#parts.journal.commit(stood);
  }

  async overrides(organization: string): Promise<readonly Override[]> {
    this.#mustBeOpen();
    return people.overridesOf(this.#organization(organization), this.#now());
  }

  async reset(organization: string, key: string): Promise<boolean> {
    checkId('-', organization);
    this.#mustWrite();
    const now_ms = this.#now();
    const was = people.reset(this.#parts.scribe, this.#organization(organization), key, now_ms);
    return this.#parts.journal.commit(was);
  }

  reap(now_ms = this.#parts.clock()): Promise<number> {
    if (this.#closed) return Promise.resolve(0);
    return this.#parts.journal.commit(this.#expire(now_ms));
  }

  #expire(now_ms: number): number {
    const { reaped, next_ms } = expire(this.#parts.organizations.values(), this.#parts.scribe, now_ms);
    this.#nextExpiry_ms = next_ms;
    return reaped;
  }

  async counters(organization: string): Promise<readonly BudgetCounter[]> {
    this.#mustBeOpen();
    return people.countersOf(this.#organization(organization), this.#now());
  }

  async holds(organization: string) {
    this.#mustBeOpen();
    return people.holdsOf(this.#organization(organization));
  }

  async *entries(organization: string): AsyncGenerator<LedgerEntry> {
    this.#mustBeOpen();
    yield* entriesOf(this.#parts.directory, this.#parts.journal.position(), organization);
  }

  async reconcile(organization: string, options: { readonly repair: boolean }) {
    this.#mustBeOpen();
    const org = this.#organization(organization);
    org.tick(this.#now());
    return reconcile(this.#parts, org, options.repair);
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
