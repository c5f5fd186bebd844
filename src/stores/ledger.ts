/** Nano-dollars: integers, exact to 2^53 (about nine million dollars; a larger limit is a load error). */
export type NanoUsd = number;

export type ScopeKind = 'organization' | 'team' | 'project' | 'user' | 'key' | 'model';
export type Window = 'minute' | 'hour' | 'day' | 'week' | 'month' | 'total';

/** Whose money or rate: `{ kind: 'team', id: 'research' }`. */
export interface Scope {
  readonly kind: ScopeKind;
  readonly id: string;
}

/** A limit over a calendar window. `hard` refuses what does not fit; otherwise it only counts (and warns). */
export interface Budget {
  readonly scope: Scope;
  readonly window: Window;
  /** IANA zone in which the window turns; default UTC. */
  readonly timeZone?: string;
  readonly unit: 'nusd' | 'tokens' | 'requests';
  readonly limit: number;
  readonly hard: boolean;
  /** Ascending percents of the limit at which to warn. */
  readonly warnPercent: readonly number[];
}

/** A sliding window over requests or tokens, or a number of calls at once (`window_ms` is 0 there). */
export interface Rate {
  readonly scope: Scope;
  readonly unit: 'requests' | 'tokens' | 'concurrent';
  readonly limit: number;
  readonly window_ms: number;
}

export interface Amount {
  readonly nusd: NanoUsd;
  readonly tokens: number;
}

export interface ReserveRequest {
  /** The exchange's id, our own: settling and amending go by it, and settling twice is settling once. */
  readonly id: string;
  /** One hash tag per organisation: all keys of a call share a slot. */
  readonly organization: string;
  /** Worst case of the call: every budget and rate must hold it. A request counts 1 besides. */
  readonly amount: Amount;
  readonly budgets: readonly Budget[];
  readonly rates: readonly Rate[];
  /** How long the hold lives unless renewed. */
  readonly lease_ms: number;
  /** Process that answers for the hold. */
  readonly owner: string;
}

/** A budget as it stands after an operation. */
export interface BudgetState {
  readonly budget: Budget;
  readonly spent: number;
  readonly held: number;
  /** Unix ms at which the window turns; 0 for `total`. */
  readonly resets_at_ms: number;
}

export interface RateState {
  readonly rate: Rate;
  readonly used: number;
  readonly remaining: number;
  /** Milliseconds until the window is empty again at rest. */
  readonly reset_ms: number;
}

/** Which limit refused, and everything a caller needs to be told. */
export type Refusal =
  | ({ readonly kind: 'budget'; readonly asked: number } & BudgetState)
  | ({ readonly kind: 'rate'; readonly asked: number; readonly retry_after_ms: number } & RateState);

export type Reserved =
  | { readonly outcome: 'held'; readonly budgets: readonly BudgetState[]; readonly rates: readonly RateState[] }
  | { readonly outcome: 'refused'; readonly refusal: Refusal };

export interface Amendment {
  readonly id: string;
  readonly organization: string;
  /** The new worst case in all: absolute, not a difference. Never below what was already observed. */
  readonly amount: Amount;
  readonly lease_ms: number;
  /** Limits that join with a new model (fallback, substitution). Those already held stay. */
  readonly budgets: readonly Budget[];
  readonly rates: readonly Rate[];
}

export interface Settlement {
  readonly id: string;
  readonly organization: string;
  /** What the call really cost; may exceed the hold (debt) or be zero. */
  readonly amount: Amount;
  /** Counted by us, not told by the provider. */
  readonly estimated: boolean;
}

/** What happened at `settle`: `repeated` where it was settled before (nothing changed). */
export interface Settled {
  readonly outcome: 'settled' | 'repeated' | 'unknown';
  readonly budgets: readonly BudgetState[];
}

export interface LedgerEntry {
  readonly id: string;
  readonly organization: string;
  readonly at_ms: number;
  readonly amount: Amount;
  readonly estimated: boolean;
  /** Settled by the reaper for an owner that went away; a later real settlement replaces it once. */
  readonly provisional: boolean;
  /** The counters this entry was added to. */
  readonly budgets: readonly { readonly key: string; readonly unit: Budget['unit']; readonly amount: number }[];
}

/** One counter as people see it (CONTRACT.md, Redis). */
export interface BudgetCounter {
  /** `budget:team:research:day:2026-11-21` (the part after the organisation's tag). */
  readonly key: string;
  readonly organization: string;
  readonly limit: number;
  readonly spent: number;
  readonly held: number;
  readonly requests: number;
  readonly tokens: number;
}

/** The ledger cannot be reached or did not answer in time. What that means is each limit's choice. */
export class LedgerUnavailable extends Error {
  override readonly name = 'LedgerUnavailable';
}

/** `amend` of an id under which nothing is held: unknown, settled or released. The call must not go on under it. */
export class HoldGone extends Error {
  override readonly name = 'HoldGone';
}

/**
 * Holds budgets, rates and reservations. Each verb is one atomic step over all limits of a call: all or nothing.
 * Every verb rejects with `LedgerUnavailable` when the store is lost or slow (deadline).
 */
export interface Ledger {
  /** Holds the worst case under every limit, or refuses naming the one that does not fit. A known id answers as before. */
  reserve(request: ReserveRequest): Promise<Reserved>;
  /** Extends, renews or widens a hold; all or nothing, the old hold stands when refused. */
  amend(amendment: Amendment): Promise<Reserved>;
  /** Replaces the hold by the real cost, once, and writes the ledger entry in the same step. */
  settle(settlement: Settlement): Promise<Settled>;
  /** Gives the hold back: nothing was spent, and the request does not count. */
  release(id: string, organization: string): Promise<void>;
  /** Counters as they stand, without changing them. */
  read(
    organization: string,
    budgets: readonly Budget[],
    rates: readonly Rate[],
  ): Promise<{
    readonly budgets: readonly BudgetState[];
    readonly rates: readonly RateState[];
  }>;

  /** Every counter of an organisation (all windows kept), for `budgets list`. */
  counters(organization: string): Promise<readonly BudgetCounter[]>;
  /** Open holds, for operators and tests. */
  holds(
    organization: string,
  ): Promise<
    readonly { readonly id: string; readonly amount: Amount; readonly owner: string; readonly expires_at_ms: number }[]
  >;
  /** Ledger entries, oldest first. */
  entries(organization: string): AsyncIterable<LedgerEntry>;
  /** Rebuilds counters from entries and open holds and says where they differ; `repair` writes the rebuilt ones. */
  reconcile(
    organization: string,
    options: { readonly repair: boolean },
  ): Promise<readonly { readonly key: string; readonly counted: number; readonly rebuilt: number }[]>;
  close(): Promise<void>;
}
