import type { Settled, Settlement } from '../ledger.ts';
import { budgetsOf } from './account.ts';
import type { Books } from './books.ts';
import { releaseHold, settleHold } from './counter.ts';
import type { Office } from './office.ts';

/** What ends a hold waits where it is not known yet whether its estimate is held again. Resolves once it is written down. */
export function settle(office: Office, books: Books, settlement: Settlement): Promise<Settled> {
  const { id } = settlement;
  const renewing = books.renewing.get(id);
  if (renewing !== undefined) return renewing.then(() => settle(office, books, settlement));
  const hold = books.holds.get(id);
  if (hold === undefined) {
    return office.journal.commit({ outcome: books.settled.has(id) ? 'repeated' : 'unknown', budgets: [] });
  }
  settleHold(office, books, hold, settlement);
  return office.journal.commit({ outcome: 'settled', budgets: budgetsOf(hold) });
}

/** `settle`, and nobody asks how budgets stand. */
export function post(office: Office, books: Books, settlement: Settlement): Promise<void> {
  const renewing = books.renewing.get(settlement.id);
  if (renewing !== undefined) return renewing.then(() => post(office, books, settlement));
  const hold = books.holds.get(settlement.id);
  if (hold !== undefined) settleHold(office, books, hold, settlement);
  return office.journal.commit(undefined);
}

/** As if the hold had never been; waits as `settle` does. */
export function release(office: Office, books: Books, id: string): Promise<void> {
  const renewing = books.renewing.get(id);
  if (renewing !== undefined) return renewing.then(() => release(office, books, id));
  const hold = books.holds.get(id);
  if (hold !== undefined) releaseHold(office, books, hold);
  return office.journal.commit(undefined);
}
