import type { Budget, Rate } from '../ledger.ts';
import type { Fade } from './port.ts';

/** A part of a budget that this process has taken out of the shared ledger. */
export interface Slice {
  readonly organization: string;
  readonly key: string;
  readonly unit: Budget['unit'];
  readonly start_ms: number;
  readonly end_ms: number;
  readonly expires_ms: number;
  /** As it was asked for last. */
  budget: Budget;
  /** In force, as the ledger told; 0 until it did. */
  limit: number;
  /** Taken and held by no call. */
  free: number;
  held: number;
  /** As the ledger told last, moved along by what has happened here since. */
  spent: number;
  /** The same without what has happened since. */
  heard: number;
  /** When a rolling window is empty, as told. */
  empty_at_ms: number;
  /** How often its counter was set to zero, as told. */
  resets: number;
  /** Held by everyone. */
  total: number;
  /** What came to `spent`, and went from `total`, since the last trade was sent. */
  later_spent: number;
  later_used: number;
  /** Monotonic ms: when the lease or the window is over, and the free part must not be used any more. */
  until_ms: number;
  /** Monotonic ms of the ledger's last word; negative infinity before the first. */
  told_ms: number;
  /** The same on the ledger's clock; 0 before the first. */
  told_at_ms: number;
  /** Monotonic ms at which a call last took of it. */
  used_ms: number;
  /** Taken by calls since the last trade, and how much a second that is. */
  drawn: number;
  pace: number;
  /** To be told of in the next trade. Set by `stir`. */
  dirty: boolean;
  /** Where its books find those that are. */
  readonly news: Slice[];
  wanted: boolean;
  /** Start of its part of an item, written once. */
  head: { readonly bytes: Buffer; mark: number } | undefined;
  /** Number in the journal's current segment; 0 where it was not named there yet. */
  mark: number;
  /** Looked up since idle ones were last looked for. */
  touched: boolean;
  /** Let go: its books do not know it any more. */
  dropped: boolean;
  /** Monotonic ms at which a share of it was last taken, the shared ledger being lost. */
  shared_ms: number;
}

/** A part of a sliding window, good for the slot it was taken in. */
export interface RateSlice {
  readonly key: string;
  rate: Rate;
  slot: number;
  free: number;
  until_ms: number;
  used: number;
  reset_ms: number;
  /** As told: what of it goes first. */
  fades: readonly Fade[];
  told_ms: number;
  /** The least that was free since a monotonic moment: nobody needed it. */
  least: number;
  least_ms: number;
  drawn: number;
  pace: number;
  /** Drawn from since the last trade. Set by `stir`. */
  dirty: boolean;
  /** Where its books find those that are. */
  readonly news: RateSlice[];
  /** As of a slice. */
  touched: boolean;
  dropped: boolean;
  shared_ms: number;
}

/** Seats taken out of a limit on calls at once. */
export interface SeatsSlice {
  readonly key: string;
  rate: Rate;
  /** As many may sit; fewer than do where more calls run than may. */
  granted: number;
  taken: number;
  others: number;
  wanted: boolean;
  until_ms: number;
  told_ms: number;
  used_ms: number;
  dirty: boolean;
  touched: boolean;
  dropped: boolean;
}

/** What a call has in a sliding window. */
export interface RatePart {
  readonly slice: RateSlice;
  readonly slot: number;
  amount: number;
}

export interface LocalHold {
  readonly id: string;
  readonly owner: string;
  nusd: number;
  tokens: number;
  input: number;
  expires_ms: number;
  /** Settled at its estimate, until its owner says better. */
  provisional: boolean;
  readonly slices: Slice[];
  readonly parts: RatePart[];
  readonly seats: SeatsSlice[];
  /** As one word. */
  labels: string;
}

/** Moves a call's amount from the free part to the held one. */
export function draw(slice: Slice, amount: number, now_ms: number): void {
  slice.free -= amount;
  slice.held += amount;
  slice.drawn += amount;
  slice.used_ms = now_ms;
}

/**
 * A hold becomes a cost. Returns how much of the slice is used up by it: what is free covers what the hold did not, and
 * what neither covers is debt.
 */
export function spend(slice: Slice, hold: number, cost: number): number {
  const used = Math.min(cost, hold + slice.free);
  slice.held -= hold;
  slice.free += hold - used;
  move(slice, cost, used);
  return used;
}

/** Figures after an item that spends `cost` (less, where negative) and uses up `used` of the slice. */
export function move(slice: Slice, cost: number, used: number): void {
  slice.spent += cost;
  slice.later_spent += cost;
  slice.total -= used;
  slice.later_used += used;
  stir(slice);
}

/** Calls have taken of a window what is not free any more. */
export function needed(slice: RateSlice): void {
  if (slice.free < slice.least) slice.least = slice.free;
}

/** The next trade is to look at it. */
export function stir<T extends { dirty: boolean; readonly news: T[] }>(one: T): void {
  if (one.dirty) return;
  one.dirty = true;
  one.news.push(one);
}
