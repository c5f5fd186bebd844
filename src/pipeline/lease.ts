import type { Admitted } from './admit.ts';
import type { Attempts } from './attempt.ts';
import type { Walk } from './walk.ts';

/**
 * Renews the hold while its exchange lives, three times a lease, so that only a dead process's holds run out. Returns
 * what stops it.
 */
export function keepHold(walk: Walk, admitted: Admitted, attempts: Attempts): () => void {
  const { lease_ms } = admitted.pinned.limits;
  if (!admitted.hold.kept) return () => {};
  const timer = setInterval(() => {
    const renewed = walk.ledger.amend({
      id: admitted.id,
      organization: admitted.identity.caller.organization.id,
      amount: attempts.hold.amount,
      lease_ms,
      budgets: [],
      rates: [],
    });
    // A lost ledger reaps nothing either; the next renewal finds it back.
    renewed.catch(() => {});
  }, lease_ms / 3);
  timer.unref();
  return () => clearInterval(timer);
}
