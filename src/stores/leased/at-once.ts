import type { BudgetState, RateState, Reserved, ReserveRequest } from '../ledger.ts';
import { sizeIn } from '../rate-key.ts';
import { amountIn } from '../tally.ts';
import { coversBudget, coversSeat, coversWindow } from './admission.ts';
import { type Books, budgetState, isSeats, rateState } from './books.ts';
import { drawWindow, emptyPart, keep, newHold, sit } from './counter.ts';
import type { Office } from './office.ts';
import { draw, type LocalHold, type RatePart, type RateSlice, type SeatsSlice, type Slice } from './slices.ts';

/** A hold that was taken at once, and the answer to it. */
export interface AtOnce {
  readonly hold: LocalHold;
  readonly reserved: Reserved;
}

/** Windows and seats of the call that is looked at: one list for all calls, used within a step. */
const limited: (RateSlice | SeatsSlice)[] = [];

/**
 * A new hold where slices cover all of it, as nearly every call's: nothing is made but the hold and its answer. Undefined
 * where something must be asked for, or limits share a counter: then nothing has changed.
 */
export function holdAtOnce(
  office: Office,
  books: Books,
  request: ReserveRequest,
  expires_ms: number,
): AtOnce | undefined {
  const clock_ms = office.clock();
  const slices = coveredBudgets(books, request, office.now(), clock_ms);
  if (slices === undefined) return undefined;
  const seated = coveredRates(books, request, clock_ms);
  if (seated < 0) return undefined;
  const { amount, budgets, rates } = request;
  const standing = new Array<BudgetState>(budgets.length);
  for (let at = 0; at < budgets.length; at++) {
    const [budget, slice] = [budgets[at], slices[at]];
    if (budget === undefined || slice === undefined) continue;
    draw(slice, amountIn(slice.unit, amount), clock_ms);
    standing[at] = budgetState(budget, slice);
  }
  const speeds = new Array<RateState>(rates.length);
  const seats = new Array<SeatsSlice>(seated);
  const parts = new Array<RatePart>(rates.length - seated);
  let [sitting, counted] = [0, 0];
  for (let at = 0; at < rates.length; at++) {
    const [rate, slice] = [rates[at], limited[at]];
    if (rate === undefined || slice === undefined) continue;
    if (isSeats(slice)) {
      sit(slice, 1, clock_ms);
      seats[sitting++] = slice;
    } else {
      const asked = sizeIn(rate.unit, amount);
      parts[counted++] = asked > 0 ? drawWindow(slice, asked) : emptyPart(office, slice);
    }
    speeds[at] = rateState(rate, slice, clock_ms);
  }
  const hold = newHold(request, slices, parts, seats);
  keep(office, books, hold, amount, expires_ms);
  return { hold, reserved: { outcome: 'held', budgets: standing, rates: speeds } };
}

/** The slices of a call's budgets where all are covered. */
function coveredBudgets(
  books: Books,
  { amount, budgets }: ReserveRequest,
  now_ms: number,
  clock_ms: number,
): Slice[] | undefined {
  const slices = new Array<Slice>(budgets.length);
  for (let at = 0; at < budgets.length; at++) {
    const budget = budgets[at];
    if (budget === undefined) return undefined;
    const slice = books.slice(budget, now_ms);
    if (isAmong(slices, slice, at)) return undefined;
    if (!coversBudget(books, slice, budget, amountIn(slice.unit, amount), clock_ms)) return undefined;
    slices[at] = slice;
  }
  return slices;
}

/** How many of a call's rates are seats, where all are covered; else -1. */
function coveredRates(books: Books, { amount, rates }: ReserveRequest, clock_ms: number): number {
  let seated = 0;
  for (let at = 0; at < rates.length; at++) {
    const rate = rates[at];
    if (rate === undefined) return -1;
    const slice = books.rate(rate);
    if (isAmong(limited, slice, at)) return -1;
    if (isSeats(slice)) {
      if (!coversSeat(slice, rate, 1, clock_ms)) return -1;
      seated++;
    } else if (!coversWindow(slice, rate, sizeIn(rate.unit, amount), clock_ms)) return -1;
    limited[at] = slice;
  }
  return seated;
}

function isAmong(list: readonly unknown[], one: unknown, before: number): boolean {
  for (let at = 0; at < before; at++) if (list[at] === one) return true;
  return false;
}
