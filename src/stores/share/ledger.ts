import type { LeasedLedger } from '../leased/ledger.ts';
import type {
  Amendment,
  Budget,
  Ledger,
  LedgerEntry,
  OnLoss,
  Override,
  Rate,
  Reserved,
  ReserveRequest,
  Settled,
  Settlement,
} from '../ledger.ts';
import { LedgerUnavailable } from '../ledger.ts';
import type { RedisLedger } from '../redis/index.ts';
import { refusalsOf } from '../refused.ts';
import { onLossOf } from './on-loss.ts';

export interface Parts {
  readonly remote: RedisLedger;
  /** Admits shares while `remote` is lost, and tells it afterwards what they cost. */
  readonly local: LeasedLedger;
  readonly onLoss: () => OnLoss;
}

/** The exact ledger, and a share of it while it is lost: for calls whose limits say so. */
export class SharingLedger implements Ledger {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  reserve(request: ReserveRequest): Promise<Reserved> {
    const { remote, local, onLoss } = this.#parts;
    const { organization, id, budgets, rates } = request;
    if (local.has(organization, id)) return local.reserve(request);
    const fallback = onLoss();
    // Nothing is shared: who asks is told what the ledger says.
    if (fallback !== 'local_share' && !shares(budgets, fallback) && !shares(rates, fallback)) {
      return remote.reserve(request);
    }
    return this.#orShare(request);
  }

  async #orShare(request: ReserveRequest): Promise<Reserved> {
    const { remote, local, onLoss } = this.#parts;
    const { organization, budgets, rates } = request;
    try {
      const reserved = await remote.reserve(request);
      if (shares(budgets, onLoss()) || shares(rates, onLoss())) {
        const told = toldBy(reserved);
        local.saw(organization, told.budgets, told.rates);
      }
      return reserved;
    } catch (error) {
      if (!(error instanceof LedgerUnavailable) || onLossOf(budgets, rates, onLoss()) !== 'local_share') throw error;
      return local.reserveShare(request);
    }
  }

  amend(amendment: Amendment): Promise<Reserved> {
    return this.#of(amendment.organization, amendment.id).amend(amendment);
  }

  settle(settlement: Settlement): Promise<Settled> {
    return this.#of(settlement.organization, settlement.id).settle(settlement);
  }

  post(settlement: Settlement): Promise<void> {
    return this.#of(settlement.organization, settlement.id).post(settlement);
  }

  release(id: string, organization: string): Promise<void> {
    return this.#of(organization, id).release(id, organization);
  }

  #of(organization: string, id: string): Ledger {
    const { local, remote } = this.#parts;
    return local.has(organization, id) ? local : remote;
  }

  read(organization: string, budgets: readonly Budget[], rates: readonly Rate[]) {
    return this.#parts.remote.read(organization, budgets, rates);
  }

  override(organization: string, override: Override): Promise<void> {
    return this.#parts.remote.override(organization, override);
  }

  clearOverride(organization: string, budget: Override['budget']): Promise<boolean> {
    return this.#parts.remote.clearOverride(organization, budget);
  }

  overrides(organization: string): Promise<readonly Override[]> {
    return this.#parts.remote.overrides(organization);
  }

  reset(organization: string, key: string): Promise<boolean> {
    return this.#parts.remote.reset(organization, key);
  }

  counters(organization: string) {
    return this.#parts.remote.counters(organization);
  }

  holds(organization: string) {
    return this.#parts.local.holds(organization);
  }

  entries(organization: string): AsyncIterable<LedgerEntry> {
    return this.#parts.remote.entries(organization);
  }

  reconcile(organization: string, options: { readonly repair: boolean }) {
    return this.#parts.remote.reconcile(organization, options);
  }

  /** Closes both. */
  close(): Promise<void> {
    return this.#parts.local.close();
  }
}

/** Limits of which an answer tells how they stand: those that refuse do as well. */
function toldBy(reserved: Reserved) {
  if (reserved.outcome === 'held') return reserved;
  const refusals = refusalsOf(reserved);
  return {
    budgets: refusals.filter((one) => one.kind === 'budget'),
    rates: refusals.filter((one) => one.kind === 'rate'),
  };
}

function shares(limits: readonly (Budget | Rate)[], fallback: OnLoss): boolean {
  for (const { onLoss = fallback } of limits) if (onLoss === 'local_share') return true;
  return false;
}
