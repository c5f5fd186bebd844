import { LedgerUnavailable, type Reserved } from '../ledger.ts';
import { refusedBy } from '../refused.ts';
import type { Account } from './account.ts';
import { covered, type Need, needsOf, refusalOf, type Wanting } from './admission.ts';
import type { Waiter } from './desk.ts';
import type { Office } from './office.ts';

/** Trades a call waits for before it is told that others were faster each time. */
const tries_max = 6;

/**
 * Holds at once where slices cover all of it; else after the trades it takes to know that they do, or that nothing can.
 * `lost` is asked where the shared ledger cannot be.
 */
export function obtain(
  office: Office,
  { books, desk }: Account,
  wanting: Wanting,
  hold: (needs: readonly Need[]) => Promise<Reserved>,
  lost: (error: Error) => Promise<Reserved>,
): Promise<Reserved> {
  const needs = () => needsOf(books, wanting, office.now());
  const covers = (all: readonly Need[], now_ms: number) => {
    for (const need of all) if (!covered(books, need, now_ms)) return false;
    return true;
  };
  const first = needs();
  if (covers(first, office.clock())) return hold(first);
  return new Promise<Reserved>((resolve, reject) => {
    let tries = 0;
    const answer = (step: () => Promise<Reserved>): true => {
      try {
        resolve(step());
      } catch (error) {
        reject(error);
      }
      return true;
    };
    const waiter: Waiter = {
      since_ms: office.clock(),
      needs,
      failed: (error) => void answer(() => lost(error)),
      covered() {
        const all = needs();
        return covers(all, office.clock()) && answer(() => hold(all));
      },
      answered(sent_ms) {
        const all = needs();
        const now_ms = office.clock();
        // What was taken for this call was counted at the moment of the trade, as a call of its own would have been; but for
        // one whose lease was over before this process went on to read the answer.
        if (covers(all, now_ms < books.lease_until_ms ? sent_ms : now_ms)) return answer(() => hold(all));
        const told_ms = office.now();
        const again = tries + 1 < tries_max;
        const refusals = all.flatMap((need) =>
          covered(books, need, sent_ms) ? [] : (refusalOf(need, sent_ms, told_ms, again) ?? []),
        );
        if (refusals.length > 0) return answer(() => Promise.resolve(refusedBy(refusals)));
        if (++tries < tries_max) return false;
        return answer(() =>
          Promise.reject(new LedgerUnavailable('slices were used up faster than they could be taken')),
        );
      },
    };
    desk.wait(waiter);
  });
}
