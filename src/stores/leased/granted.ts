import { type Books, slotsOf } from './books.ts';
import { item } from './items.ts';
import { isIdle, type Leasing, note, type Office } from './office.ts';
import type { CounterSum, RateGrant, SeatsGrant, SliceAsk, SliceGrant } from './port.ts';
import { needed, type RateSlice, type SeatsSlice, type Slice } from './slices.ts';

/**
 * What the shared ledger told of a slice that was asked about at `sent_ms`; `amount` of it is the calls'. Returns what it
 * lacks of what they hold.
 */
export function takeSlice(
  slice: Slice,
  ask: SliceAsk,
  told: SliceGrant,
  amount: number,
  sent_ms: number,
  now_ms: number,
): number {
  const lack = Math.max(0, ask.holds - amount);
  slice.free = Math.max(0, slice.free + amount + lack - ask.holds - ask.free);
  slice.spent = told.spent + slice.later_spent;
  slice.total = told.held - slice.later_used;
  slice.limit = told.limit;
  slice.empty_at_ms = told.empty_at_ms;
  // A limit that was cut below what is taken wants it back as well.
  slice.wanted = told.wanted || (slice.budget.hard && told.spent + told.held > told.limit);
  slice.told_ms = sent_ms;
  slice.until_ms = slice.end_ms === 0 ? Number.POSITIVE_INFINITY : sent_ms + slice.end_ms - now_ms;
  return lack;
}

/** What is spent of a slice's counter, all that was told in it, at a moment of the ledger's clock. */
export function hear(slice: Slice, { spent, resets }: Pick<CounterSum, 'spent' | 'resets'>, now_ms: number): void {
  slice.heard = spent;
  slice.resets = resets;
  slice.told_at_ms = now_ms;
}

/**
 * What the shared ledger told of seats. Who was away goes on with its calls though others have their seats by now: where more
 * run than may, one that comes free is nobody's.
 */
export function takeSeats(slice: SeatsSlice, told: SeatsGrant, sent_ms: number, until_ms: number): void {
  slice.granted = Math.min(told.amount, Math.max(0, slice.rate.limit - told.others));
  slice.others = told.others;
  slice.wanted = told.wanted;
  slice.until_ms = until_ms;
  slice.told_ms = sent_ms;
}

export function takeRate(office: Office, books: Books, slice: RateSlice, granted: RateGrant, sent_ms: number): void {
  const stale = slice.slot === granted.slot ? 0 : slice.free;
  if (stale > 0) uncount(office, books, slice);
  slice.slot = granted.slot;
  slice.free += granted.granted;
  slice.until_ms = sent_ms + granted.lasts_ms;
  slice.used = granted.used - stale;
  slice.reset_ms = granted.reset_ms;
  slice.fades = granted.fades;
  slice.told_ms = sent_ms;
}

/** Whether some of what is free of a window may be for no call any more: its slot is over, or no call took of it lately. */
export function maySpare({ free, until_ms, least_ms }: RateSlice, leasing: Leasing, now_ms: number): boolean {
  return free > 0 && (now_ms >= until_ms || isIdle(leasing, least_ms, now_ms));
}

/**
 * Gives back what no call took of for a while: all of it where none took any, and where some do, what is more than they will
 * likely take next. Where its slot is over, it is nobody's.
 */
export function spare(office: Office, books: Books, slice: RateSlice, now_ms: number): void {
  if (!maySpare(slice, office, now_ms)) return;
  const { free, least, until_ms, pace } = slice;
  const idle = office.ahead_ms === 0 || now_ms >= until_ms || least === free;
  const kept = Math.floor((pace * office.ahead_ms) / 1_000);
  uncount(office, books, slice, idle ? free : Math.max(0, Math.min(free, least) - kept));
  slice.least = slice.free;
  slice.least_ms = now_ms;
}

/** What was taken of a slot and not used is uncounted in that slot. */
export function uncount(office: Office, books: Books, slice: RateSlice, amount = slice.free): void {
  if (amount === 0) return;
  const { key, slot, rate } = slice;
  const { slot_ms, count } = slotsOf(rate);
  slice.free -= amount;
  needed(slice);
  item.rate(books, key, slot, -amount, slot_ms, count);
  note(office, books, item);
}

/**
 * What was taken of a window is for no call any more, and whether the ledger counts it nobody knows: it is not uncounted either,
 * which would take from what others use of that slot.
 */
export function forfeit(slice: RateSlice): void {
  slice.free = 0;
  needed(slice);
}
