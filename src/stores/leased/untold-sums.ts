import { budgetOfKey, windowKey } from '../window-key.ts';
import type { Books } from './books.ts';
import { type SpentOf, spentBy } from './items.ts';
import { type Slice, stir } from './slices.ts';

/**
 * What an earlier process spent and nobody was told is in the figures of its slices from here on, also of those that no call
 * holds of any more: once it was told, only they know of it.
 */
export function countUntold(books: Books): void {
  for (const [key, sum] of spentBy(books.untold.texts())) {
    const slice = books.slices.get(key) ?? sliceOf(books, key, sum);
    if (slice === undefined) continue;
    slice.spent += sum.spent;
    stir(slice);
  }
}

function sliceOf(books: Books, key: string, { limit, hard, expires_ms }: SpentOf): Slice | undefined {
  const named = budgetOfKey(key);
  if (named === undefined) return undefined;
  const { end_ms } = named;
  const start_ms = end_ms === 0 ? 0 : windowKey(named.budget, end_ms - 1).start_ms;
  const budget = { ...named.budget, limit, hard, warnPercent: [] };
  return books.addSlice({ key, budget, start_ms, end_ms, expires_ms });
}
