import type { Budget, Rate } from '../ledger.ts';
import type { Need } from './admission.ts';
import type { Floor } from './port.ts';
import type { RateSlice, SeatsSlice, Slice } from './slices.ts';

/** What calls that wait ask of one slice. */
export interface Asked<L> {
  limit: L;
  /** The smallest of them, but for nothing. */
  least: number;
  most: number;
  sum: number;
  /** Some of them hold of it already. */
  held: boolean;
}

/** What all of them need together, by slice. */
export function asks(waiting: readonly { needs(): Need[] }[]) {
  const budgets = new Map<Slice, Asked<Budget>>();
  const rates = new Map<RateSlice, Asked<Rate>>();
  const seats = new Map<SeatsSlice, Asked<Rate>>();
  for (const waiter of waiting) {
    for (const need of waiter.needs()) {
      if (need.of === 'budget') add(budgets, need.slice, need.budget, need.asked, need.held);
      else if (need.of === 'rate') add(rates, need.slice, need.rate, need.asked);
      else add(seats, need.slice, need.rate, need.asked);
    }
  }
  return { budgets, rates, seats };
}

function add<S, L>(table: Map<S, Asked<L>>, slice: S, limit: L, asked: number, held = false): void {
  const amount = Math.max(0, asked);
  const known = table.get(slice);
  if (known === undefined) table.set(slice, { limit, least: amount, most: amount, sum: amount, held });
  else {
    known.limit = limit;
    known.held ||= held;
    known.most = Math.max(known.most, amount);
    known.sum = Math.min(Number.MAX_SAFE_INTEGER, known.sum + amount);
    if (amount > 0) known.least = known.least === 0 ? amount : Math.min(known.least, amount);
  }
}

export function sameLimit(a: Budget, b: Budget): boolean {
  return a.limit === b.limit && a.hard === b.hard;
}

/** The limit a slice goes by from now on. */
export function govern(slice: Slice, budget: Budget): void {
  if (slice.budget === budget) return;
  slice.budget = budget;
  slice.head = undefined;
}

/** What is free is nobody's from now on. */
export function giveBack(slice: Slice): void {
  slice.total -= slice.free;
  slice.free = 0;
}

/** What is known to be spent of a slice's counter, and what was not told: all that was told is in the sum that came back. */
export function floorOf(slice: Slice, untold: number): Floor {
  const { key, budget, expires_ms, heard, told_at_ms, resets } = slice;
  return { key, budget, expires_ms, spent: heard, at_ms: told_at_ms, resets, added: Math.max(0, untold) };
}

/** How fast calls take of a slice of late. */
export function measure(slice: Slice | RateSlice, now_ms: number): void {
  const since_s = Math.max(0.001, (now_ms - Math.max(slice.told_ms, now_ms - 10_000)) / 1_000);
  slice.pace += Math.min(1, since_s) * (slice.drawn / since_s - slice.pace);
  slice.drawn = 0;
}
