import type { Books } from './books.ts';
import { reapHold } from './counter.ts';
import type { Office } from './office.ts';

/** How long a real settlement may still replace an estimate. */
const provisional_ms = 7 * 86_400_000;

/** Settles at the estimate what its owner abandoned. Says how many, and when the next lease is over. */
export function expire(office: Office, all: Iterable<Books>, now_ms: number) {
  let reaped = 0;
  let next_ms = Number.POSITIVE_INFINITY;
  for (const books of all) {
    const late: string[] = [];
    for (const hold of books.holds.values()) {
      if (hold.provisional) {
        if (now_ms > hold.expires_ms + provisional_ms && !books.renewing.has(hold.id)) late.push(hold.id);
      } else if (hold.expires_ms > now_ms) next_ms = Math.min(next_ms, hold.expires_ms);
      else {
        reapHold(office, books, hold);
        reaped++;
      }
    }
    for (const id of books.late.surely(late, now_ms)) {
      books.holds.delete(id);
      books.standing.forget(id);
    }
  }
  return { reaped, next_ms };
}
