import { amountIn } from '../tally.ts';
import type { Books } from './books.ts';
import { giveSeats } from './counter.ts';
import { item } from './items.ts';
import { note, type Office } from './office.ts';
import { type LocalHold, type Slice, spend, stir } from './slices.ts';

/**
 * What slices lack of what calls hold: this process was away, what it had counted as spent, that was forgiven, and others
 * have the room. As many of its holds as it takes become estimates that count where they are covered, and nowhere else;
 * their next renewal looks for room.
 */
export function endUncovered(office: Office, books: Books, lacking: Map<Slice, number>): void {
  if (lacking.size === 0) return;
  for (const hold of books.holds.values()) {
    if (lacking.size === 0) return;
    if (!hold.provisional && hold.slices.some((slice) => lacking.has(slice)))
      becomeEstimate(office, books, hold, lacking);
  }
  // Taken by renewals that were refused, and free by now.
  for (const [slice, lack] of lacking) slice.free = Math.max(0, slice.free - lack);
}

function becomeEstimate(office: Office, books: Books, hold: LocalHold, lacking: Map<Slice, number>): void {
  hold.provisional = true;
  item.money(books, 'p', hold, hold, true, hold.labels);
  for (const slice of hold.slices) {
    const before = amountIn(slice.unit, hold);
    const lack = lacking.get(slice);
    if (lack === undefined) item.counter(slice, spend(slice, before, before));
    else {
      slice.held -= before;
      slice.free += Math.max(0, before - lack);
      stir(slice);
      if (before < lack) lacking.set(slice, lack - before);
      else lacking.delete(slice);
      item.counter(slice, 0);
    }
  }
  item.end();
  note(office, books, item);
  books.standing.begin(hold);
  giveSeats(hold);
}
