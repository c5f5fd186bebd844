import type { Budget, OnLoss, Rate } from '../ledger.ts';

/**
 * What a call's limits say together while the ledger is lost; `fallback` is what those say that say nothing. Every limit
 * must agree: one that is closed refuses the call, and one that admits a share decides where the others are open. A budget
 * that only counts refuses nobody, so it has no say where another limit has one, and neither has a rate that nobody reaches.
 */
export function onLossOf(
  budgets: readonly Pick<Budget, 'hard' | 'onLoss'>[],
  counted: readonly Pick<Rate, 'onLoss' | 'limit'>[],
  fallback: OnLoss,
): OnLoss {
  const hard = budgets.filter((budget) => budget.hard);
  const rates = counted.filter(({ limit }) => limit < Number.MAX_SAFE_INTEGER);
  if (hard.length + rates.length === 0) return fallback;
  let together: OnLoss = 'open';
  for (const list of [hard, rates]) {
    for (const { onLoss = fallback } of list) {
      if (onLoss === 'closed') return 'closed';
      if (onLoss === 'local_share') together = 'local_share';
    }
  }
  return together;
}
