import type { Amount, Budget, Rate } from '../ledger.ts';

/** What is to become of a slice: what calls hold of it, what is free and kept, and what more is asked for. */
export interface SliceAsk {
  readonly key: string;
  readonly budget: Pick<Budget, 'unit' | 'limit' | 'hard' | 'rolling_ms'>;
  /** The window's own bounds and when its counter may be forgotten, Unix ms; 0 for no end. */
  readonly start_ms: number;
  readonly end_ms: number;
  readonly expires_ms: number;
  readonly holds: number;
  /** The slice is cut to `holds + free`: what is beyond goes back. */
  readonly free: number;
  /** Smallest grant that helps, all that is waited for, and what is wanted beyond it; 0 asks for nothing. */
  readonly least: number;
  readonly asked: number;
  readonly ahead: number;
}

interface LimitAsk {
  readonly key: string;
  readonly rate: Rate;
  readonly least: number;
  readonly asked: number;
  readonly ahead: number;
}

export interface RateAsk extends LimitAsk {
  /** What the largest call needs that waits: it is told when there is room for it. */
  readonly most: number;
}

export interface SeatsAsk extends LimitAsk {
  readonly holds: number;
  readonly free: number;
}

/** What comes back of an estimate that is to be held again, by counter, in the order it was counted; 0: nothing is counted on. */
export interface RenewalAsk {
  readonly id: string;
  readonly back: readonly { readonly key: string; readonly amount: number }[];
}

/** A counter, and how often it was set to zero when something counted in it; -1 where that did not count. */
export interface CounterResets extends Pick<SliceAsk, 'key' | 'budget'> {
  readonly expires_ms: number;
  readonly resets: number;
}

/** An estimate that stood in the shared ledger before it lost its data. */
export interface EstimateAgain {
  readonly id: string;
  readonly amount: Amount;
  readonly labels: string;
  readonly counters: readonly CounterResets[];
  /** When it was counted, on the ledger's clock. */
  readonly at_ms: number;
  /** Number of the item that takes it back or replaces it; 0 while there is none. Where that is done, both were told. */
  readonly ended: number;
}

/** What a store that lost its data is told beside sums: how often counters were set to zero, and what estimates stood. */
export interface ToldAgain {
  readonly resets: readonly CounterResets[];
  readonly estimates: readonly EstimateAgain[];
}

/**
 * All a process has to tell and to ask of one organisation, done in one atomic step. Trades of an owner are numbered:
 * one that arrives after a later one is not done.
 */
export interface Trade {
  readonly organization: string;
  readonly owner: string;
  readonly number: number;
  readonly lease_ms: number;
  /** What happened, a JSON array as `items.ts` has it, oldest first; those done before are left out by their numbers. */
  readonly items: Buffer;
  readonly slices: readonly SliceAsk[];
  readonly rates: readonly RateAsk[];
  readonly seats: readonly SeatsAsk[];
  /** What became of estimates whose item is told by now: of those held again, what came back is left in the slices. */
  readonly renewals: readonly RenewalAsk[];
  /** Slices of this owner that are not named here go back. */
  readonly whole: boolean;
  readonly again?: ToldAgain;
}

export interface SliceGrant {
  /** The slice as it is now. */
  readonly amount: number;
  readonly spent: number;
  /** By everyone, slices included. */
  readonly held: number;
  /** The limit in force. */
  readonly limit: number;
  /** Somebody else could not get what a call needed. */
  readonly wanted: boolean;
  /** The window is not the one of the ledger's moment: nothing was granted. */
  readonly turned: boolean;
  /** When a rolling window is empty, Unix ms; 0 for others. */
  readonly empty_at_ms: number;
  /** How often the counter was set to zero. */
  readonly resets: number;
}

export interface RateGrant {
  readonly granted: number;
  /** The part of the window the grant counts in, and how long that part still lasts. */
  readonly slot: number;
  readonly lasts_ms: number;
  readonly used: number;
  readonly reset_ms: number;
  /** Where not all that was asked was granted: what goes first, until there is room for the largest call that waits. */
  readonly fades: readonly Fade[];
}

/** A part of a sliding window, and in how many milliseconds it counts no more. */
export interface Fade {
  readonly amount: number;
  readonly in_ms: number;
}

export interface SeatsGrant {
  readonly amount: number;
  /** Taken by others. */
  readonly others: number;
  /** Somebody else could not get what a call needed. */
  readonly wanted: boolean;
}

/** Held again; or still an estimate, and where it counts, in the order of its counters. */
export type RenewalGrant = { readonly held: true } | { readonly held: false; readonly counts: readonly boolean[] };

/**
 * Where an estimate counts that was told: when it was counted, on the ledger's clock, and its counters' resets then, in
 * their order, -1 where it does not count; none of them where that is not known.
 */
export interface EstimateGrant {
  readonly id: string;
  readonly at_ms: number;
  readonly resets: readonly number[];
}

/** What is spent of a counter that was told of and not asked about, and how often it was set to zero. */
export interface CounterSum {
  readonly key: string;
  readonly spent: number;
  readonly resets: number;
}

/**
 * The sum a counter was last told to have, and when, on the ledger's clock (0: never), how often it was set to zero by then,
 * and what was spent here that nobody was told until now.
 */
export interface Floor extends Pick<SliceAsk, 'key' | 'budget' | 'expires_ms'> {
  readonly spent: number;
  readonly at_ms: number;
  readonly resets: number;
  readonly added: number;
}

export type Traded =
  | { readonly outcome: 'late'; readonly number: number }
  | {
      readonly outcome: 'done';
      /** The owner's lease had been over: nobody knew who of its calls sits. */
      readonly lapsed: boolean;
      readonly now_ms: number;
      /** The newest item the store had done before; where it is told again, before that began. */
      readonly had: number;
      readonly slices: readonly SliceGrant[];
      readonly rates: readonly RateGrant[];
      readonly seats: readonly SeatsGrant[];
      readonly renewals: readonly RenewalGrant[];
      readonly sums: readonly CounterSum[];
      /** Of those told again, and of those whose items were told. */
      readonly estimates: readonly EstimateGrant[];
    };

/** The shared ledger's side of slices. Rejects with `LedgerUnavailable` where it is lost or late. */
export interface SliceStore {
  /** Whether it cannot be asked at the moment. */
  readonly lost: boolean;
  /** How long an answer is waited for. */
  readonly deadline_ms: number;
  /** `late` is told an answer that comes after its time, when the promise has been rejected. */
  trade(trade: Trade, permit: string | undefined, late: (answer: Traded) => void): Promise<Traded>;
  /**
   * A store that has lost data calls for what is held here: trades under its permit are done before others are. It is
   * answered with the sums that were told of counters and what was spent since, below which nothing is counted.
   */
  onLost(retell: (organization: string, permit: string) => Promise<readonly Floor[]>): void;
  /** Tells that a process lives, for so long, and answers how many do. */
  beat(owner: string, ttl_ms: number): Promise<number>;
}
