import type { SeatsGrant, SliceAsk, SliceGrant } from './port.ts';
import type { SeatsSlice, Slice } from './slices.ts';

/** What the shared ledger told of a slice that was asked about at `sent_ms`. */
export function takeSlice(slice: Slice, ask: SliceAsk, told: SliceGrant, sent_ms: number, now_ms: number): void {
  slice.free = Math.max(0, slice.free + told.amount - ask.holds - ask.free);
  slice.spent = told.spent + slice.later_spent;
  slice.total = told.held - slice.later_used;
  slice.limit = told.limit;
  slice.empty_at_ms = told.empty_at_ms;
  // A limit that was cut below what is taken wants it back as well.
  slice.wanted = told.wanted || (slice.budget.hard && told.spent + told.held > told.limit);
  slice.told_ms = sent_ms;
  slice.told_at_ms = now_ms;
  slice.until_ms = slice.end_ms === 0 ? Number.POSITIVE_INFINITY : sent_ms + slice.end_ms - now_ms;
}

export function takeSeats(slice: SeatsSlice, told: SeatsGrant, sent_ms: number, until_ms: number): void {
  slice.granted = told.amount;
  slice.others = told.others;
  slice.until_ms = until_ms;
  slice.told_ms = sent_ms;
}
