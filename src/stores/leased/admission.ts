import type { Amount, Budget, Rate, Refusal } from '../ledger.ts';
import { sizeIn } from '../rate-key.ts';
import { refusedByBudget } from '../refused.ts';
import { amountIn } from '../tally.ts';
import { type Books, budgetState, isSeats, rateState } from './books.ts';
import type { LocalHold, RateSlice, SeatsSlice, Slice } from './slices.ts';

/** One slice a call needs something of. `held`: it holds of it already, so its window is the call's though it be over. */
export type Need =
  | { readonly of: 'budget'; readonly slice: Slice; budget: Budget; readonly asked: number; readonly held: boolean }
  | { readonly of: 'rate'; readonly slice: RateSlice; rate: Rate; readonly asked: number }
  | { readonly of: 'seats'; readonly slice: SeatsSlice; rate: Rate; readonly asked: number };

/** A call that wants to hold an amount: anew, or more (or less) than the hold it has. */
export interface Wanting {
  readonly amount: Amount;
  readonly budgets: readonly Budget[];
  readonly rates: readonly Rate[];
  readonly hold: LocalHold | undefined;
  /** Slices in which an estimate of that hold is not known to count. */
  readonly forgiven?: ReadonlySet<Slice>;
}

/** What a call needs of each slice, in the windows of a moment. Each counter once, under its strictest limit. */
export function needsOf(books: Books, wanting: Wanting, now_ms: number): Need[] {
  const { amount, budgets, rates, hold } = wanting;
  const needs: Need[] = [];
  for (const budget of budgets) {
    const slice = books.slice(budget, now_ms);
    const known = needs.find((need) => need.slice === slice);
    if (known?.of === 'budget') {
      if (stricter(budget, known.budget)) known.budget = budget;
      continue;
    }
    const held = hold?.slices.includes(slice) === true;
    needs.push({ of: 'budget', slice, budget, asked: amountIn(slice.unit, amount) - hasOf(slice, wanting), held });
  }
  for (const rate of rates) {
    const slice = books.rate(rate);
    const known = needs.find((need) => need.slice === slice);
    if (known !== undefined && known.of !== 'budget') {
      if (rate.limit < known.rate.limit) known.rate = rate;
      continue;
    }
    if (isSeats(slice)) {
      const sits = hold !== undefined && !hold.provisional && hold.seats.includes(slice);
      needs.push({ of: 'seats', slice, rate, asked: sits ? 0 : 1 });
    } else needs.push({ of: 'rate', slice, rate, asked: sizeIn(rate.unit, amount) - shareOf(hold, slice) });
  }
  if (hold !== undefined) alsoHeld(needs, hold, wanting);
  return needs;
}

/** What is held already is asked for more of, under the limits last asked for. */
function alsoHeld(needs: Need[], hold: LocalHold, wanting: Wanting): void {
  const { amount } = wanting;
  const named = new Set<unknown>(needs.map(({ slice }) => slice));
  for (const slice of hold.slices) {
    if (named.has(slice)) continue;
    const asked = amountIn(slice.unit, amount) - hasOf(slice, wanting);
    needs.push({ of: 'budget', slice, budget: slice.budget, asked, held: true });
  }
  for (const { slice } of hold.parts) {
    if (named.has(slice)) continue;
    named.add(slice);
    const asked = sizeIn(slice.rate.unit, amount) - shareOf(hold, slice);
    needs.push({ of: 'rate', slice, rate: slice.rate, asked });
  }
  for (const slice of hold.seats) {
    if (!named.has(slice)) needs.push({ of: 'seats', slice, rate: slice.rate, asked: hold.provisional ? 1 : 0 });
  }
}

/** What the hold has of a slice, as far as that is known. */
function hasOf(slice: Slice, { hold, forgiven }: Wanting): number {
  if (hold === undefined || !hold.slices.includes(slice) || forgiven?.has(slice) === true) return 0;
  return amountIn(slice.unit, hold);
}

function shareOf(hold: LocalHold | undefined, slice: RateSlice): number {
  let sum = 0;
  for (const part of hold?.parts ?? []) if (part.slice === slice) sum += part.amount;
  return sum;
}

function stricter(budget: Budget, than: Budget): boolean {
  if (budget.hard !== than.hard) return budget.hard;
  return budget.limit < than.limit;
}

/** Whether what this process has taken covers the need, at a moment of the monotonic clock. */
export function covered(books: Books, need: Need, now_ms: number): boolean {
  if (need.of === 'rate') return coversWindow(need.slice, need.rate, need.asked, now_ms);
  if (need.of === 'seats') return coversSeat(need.slice, need.rate, need.asked, now_ms);
  const until_ms = need.held ? Number.POSITIVE_INFINITY : need.slice.until_ms;
  return coversBudget(books, need.slice, need.budget, need.asked, now_ms, until_ms);
}

export function coversWindow(slice: RateSlice, rate: Rate, asked: number, now_ms: number): boolean {
  if (asked <= 0) return slice.told_ms > Number.NEGATIVE_INFINITY;
  return asked <= slice.free && now_ms < slice.until_ms && slice.rate.limit === rate.limit;
}

export function coversSeat(slice: SeatsSlice, rate: Rate, asked: number, now_ms: number): boolean {
  if (asked <= 0) return true;
  return slice.taken + asked <= slice.granted && now_ms < slice.until_ms && slice.rate.limit === rate.limit;
}

export function coversBudget(
  books: Books,
  slice: Slice,
  budget: Budget,
  asked: number,
  now_ms: number,
  until_ms = slice.until_ms,
): boolean {
  if (slice.budget !== budget && (slice.budget.limit !== budget.limit || slice.budget.hard !== budget.hard))
    return false;
  if (asked <= 0) return slice.told_ms > Number.NEGATIVE_INFINITY;
  return asked <= slice.free && now_ms < until_ms && now_ms < books.lease_until_ms;
}

/** A seat is free when some call ends: nobody knows when, so a caller is asked to come back soon. */
const seat_retry_ms = 1_000;

/**
 * Why a need cannot be met, going by what the ledger told after `asked_ms`; undefined where it may be, or where the ledger is to
 * be asked `again` when there will be room. `now_ms` is on the ledger's clock.
 */
export function refusalOf(need: Need, asked_ms: number, now_ms: number, again: boolean): Refusal | undefined {
  const { asked, slice } = need;
  if (asked <= 0 || slice.told_ms < asked_ms) return undefined;
  if (need.of === 'budget') {
    const state = budgetState(need.budget, need.slice);
    const limit = need.budget.hard ? state.limit : Number.MAX_SAFE_INTEGER;
    if (state.spent + state.held + asked <= limit) return undefined;
    return refusedByBudget(asked, state, now_ms);
  }
  const state = rateState(need.rate, need.slice, asked_ms);
  if (state.used + asked <= need.rate.limit) return undefined;
  const excess = state.used + asked - need.rate.limit;
  const retry_after_ms = need.of === 'seats' ? seat_retry_ms : retry_ms(need.slice, excess);
  // Other calls took what was free while the ledger was asked for the rest: what goes first it told of less, or not at all.
  if (retry_after_ms === undefined && again && asked <= need.rate.limit) return undefined;
  return { kind: 'rate', asked, retry_after_ms: retry_after_ms ?? need.rate.window_ms, ...state };
}

/** Milliseconds until so much of a window has gone; undefined where that was not told. */
function retry_ms({ fades }: RateSlice, excess: number): number | undefined {
  let freed = 0;
  for (const { amount, in_ms } of fades) {
    freed += amount;
    if (freed >= excess) return in_ms;
  }
  return undefined;
}
