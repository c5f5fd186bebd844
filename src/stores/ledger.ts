/** Nano-dollars: integers, exact to 2^53 (about nine million dollars; a larger limit is a load error). */
export type NanoUsd = number;

export type ScopeKind = 'organization' | 'team' | 'project' | 'user' | 'key' | 'model' | 'tag';
/** Calendar windows, `total` (never turns) and `rolling` (the last `rolling_ms`, at any moment). */
export type Window = 'minute' | 'hour' | 'day' | 'week' | 'month' | 'total' | 'rolling';
/** What a limit means while the ledger is lost: refuse, admit a share of what was left, or admit. */
export type OnLoss = 'closed' | 'local_share' | 'open';

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
  /** Length of a `rolling` window; only there. */
  readonly rolling_ms?: number;
  readonly unit: 'nusd' | 'tokens' | 'requests';
  readonly limit: number;
  readonly hard: boolean;
  /** Left out: what the state says. */
  readonly onLoss?: OnLoss;
  /** Ascending percents of the limit at which to warn. */
  readonly warnPercent: readonly number[];
}

/** A sliding window over requests or tokens, or a number of calls at once (`window_ms` is 0 there). */
export interface Rate {
  readonly scope: Scope;
  /** `tokens` counts input and output together. */
  readonly unit: 'requests' | 'tokens' | 'input_tokens' | 'output_tokens' | 'concurrent';
  readonly limit: number;
  readonly window_ms: number;
  /** `policy/rule` that limits: it counts the calls it matches alone, apart from every other limit of the scope. */
  readonly rule?: string;
  /** Left out: what the state says. */
  readonly onLoss?: OnLoss;
}

export interface Amount {
  readonly nusd: NanoUsd;
  /** Input and output together. */
  readonly tokens: number;
  /** Part of `tokens` that is input; the rest is output. Left out: 0. */
  readonly input?: number;
}

/** Who and what a call was for, as its ledger entry says it: `{ team: 'research', user: 'jane', model: 'gpt-4o' }`. */
export type Labels = Readonly<Record<string, string>>;

/**
 * A limit that stands in for a budget's configured one, in every window until it expires: a temporary raise, or a cut.
 * Budgets are told apart by scope, window (with `rolling_ms`), time zone and unit.
 */
export interface Override {
  readonly budget: Pick<Budget, 'scope' | 'window' | 'timeZone' | 'rolling_ms' | 'unit'>;
  readonly limit: number;
  /** Unix ms on the ledger's clock; left out: until it is taken back. */
  readonly expires_at_ms?: number;
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
  readonly labels?: Labels;
}

/** A budget as it stands after an operation. */
export interface BudgetState {
  readonly budget: Budget;
  /** The limit in force: an override's, where one stands in for the configured one. */
  readonly limit: number;
  readonly spent: number;
  /** What running calls hold, and what workers have leased and not spent. */
  readonly held: number;
  /** Unix ms at which the window turns; 0 for `total`. A rolling window is empty then, if nothing more is spent. */
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
  | ({
      readonly kind: 'budget';
      readonly asked: number;
      /** Milliseconds until `resets_at_ms`, on the ledger's clock; 0 where that is. */
      readonly resets_in_ms: number;
    } & BudgetState)
  | ({
      readonly kind: 'rate';
      readonly asked: number;
      readonly retry_after_ms: number;
      /** Milliseconds before which there is no room, gave running calls back all they hold; left out where nobody knows. */
      readonly soonest_ms?: number;
    } & RateState);

export type Reserved =
  | { readonly outcome: 'held'; readonly budgets: readonly BudgetState[]; readonly rates: readonly RateState[] }
  | {
      readonly outcome: 'refused';
      /** Of several limits without room the one that lasts longest. */
      readonly refusal: Refusal;
      /** All of them, in the order asked, where there are several. */
      readonly refusals?: readonly Refusal[];
    };

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
  /** Joins those of the hold, and wins over them. */
  readonly labels?: Labels;
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
  /** Nothing was spent: people set the counter named in `budgets` to zero. */
  readonly reset?: true;
  readonly labels?: Labels;
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
  /** Part of `held` that workers have leased and not spent. */
  readonly leased?: number;
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
  /**
   * `settle` for who does not wait for the store: resolves once the settlement is written down where this process finds
   * it again, and is on its way. It is applied once, however often it is sent; whether a hold was known is not told.
   */
  post(settlement: Settlement): Promise<void>;
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

  /** From the next step on, everywhere, `limit` is the limit of that budget. A later one replaces an earlier one. */
  override(organization: string, override: Override): Promise<void>;
  /** The configured limit is in force again. False where none stood in for it. */
  clearOverride(organization: string, budget: Override['budget']): Promise<boolean>;
  /** Those in force, by their budget's key. */
  overrides(organization: string): Promise<readonly Override[]>;
  /**
   * Nothing is spent any more in the counter of that key (`budget:team:research:day:2026-11-21`); what is held stays. An
   * entry says so. False where there is no such counter.
   */
  reset(organization: string, key: string): Promise<boolean>;

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
