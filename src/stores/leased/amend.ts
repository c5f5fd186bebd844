import type { Amendment, OnLoss, Reserved } from '../ledger.ts';
import { HoldGone, LedgerUnavailable } from '../ledger.ts';
import { sharedNeeds } from '../share/shared-limits.ts';
import type { Shares } from '../share/shares.ts';
import { type Account, heldBy } from './account.ts';
import type { Need, Wanting } from './admission.ts';
import { widen } from './counter.ts';
import { obtain } from './obtain.ts';
import type { Office } from './office.ts';
import { renew } from './renew.ts';

/** What amending needs of the ledger. */
export interface Amending {
  readonly shares: Shares;
  readonly onLoss: () => OnLoss;
  /** When a lease that is renewed now is over, Unix ms. */
  readonly expiry: () => number;
}

/** Another amount for a hold; rejects with `HoldGone` where there is none. */
export function amend(office: Office, account: Account, amendment: Amendment, amending: Amending): Promise<Reserved> {
  const { id, amount, budgets, rates } = amendment;
  const { shares, onLoss, expiry } = amending;
  const { books } = account;
  const gone = (): Promise<never> => Promise.reject(new HoldGone(`nothing is held under ${id}`));
  const hold = books.holds.get(id);
  if (hold === undefined) return gone();
  if (hold.provisional) {
    const again = () => amend(office, account, amendment, amending);
    return renew(office, account, amendment, hold, { ...amending, again });
  }
  const wanting: Wanting = { amount, budgets, rates, hold };
  const more = (needs: readonly Need[]): Promise<Reserved> => {
    if (books.holds.get(id) !== hold) return gone();
    // Its lease was over while it waited.
    if (hold.provisional) return amend(office, account, amendment, amending);
    widen(office, books, hold, needs, amount, expiry());
    return office.journal.commit(heldBy(office, needs));
  };
  // Where its limits admit a share, a hold is renewed and grows within it.
  const lost = (error: Error): Promise<Reserved> => {
    const shared = sharedNeeds(books, wanting, onLoss(), office.now());
    if (!(error instanceof LedgerUnavailable) || shared === undefined) throw error;
    const refused = shares.take(office, books, shared);
    return refused === undefined ? more(shared) : Promise.resolve(refused);
  };
  return obtain(office, account, wanting, more, lost);
}
