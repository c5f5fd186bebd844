import { type Books, slotsOf } from './books.ts';
import { item } from './items.ts';
import { isIdle, type Leasing, note, type Office } from './office.ts';
import type { CounterSum, RateGrant, SeatsGrant, SliceAsk, SliceGrant } from './port.ts';
import type { RateSlice, SeatsSlice, Slice } from './slices.ts';

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
  slice.retry_after_ms = granted.retry_after_ms;
  slice.told_ms = sent_ms;
}

/** Whether what is free of a window is for no call any more: its slot is over, or no call took of it lately. */
export function isSpare({ free, until_ms, used_ms }: RateSlice, leasing: Leasing, now_ms: number): boolean {
  return free > 0 && (now_ms >= until_ms || isIdle(leasing, used_ms, now_ms));
}

/** What was taken of a slot and not used is uncounted in that slot. */
export function uncount(office: Office, books: Books, slice: RateSlice): void {
  if (slice.free === 0) return;
  const { key, slot, free, rate } = slice;
  const { slot_ms, count } = slotsOf(rate);
  slice.free = 0;
  item.rate(books, key, slot, -free, slot_ms, count);
  note(office, books, item);
}
