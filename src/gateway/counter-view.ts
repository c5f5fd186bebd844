import type { BudgetCounter } from '../stores/index.ts';

/** What a counter counts. Its key names the unit unless it is money. */
export function unitOf({ key }: Pick<BudgetCounter, 'key'>): 'usd' | 'tokens' | 'requests' {
  const [, unit] = /:(tokens|requests)$/.exec(key) ?? [];
  return unit === 'tokens' || unit === 'requests' ? unit : 'usd';
}

/** A counter as people see it: `limit_usd` in dollars, `limit_tokens` and `limit_requests` as they are counted. */
export function counterView(counter: BudgetCounter) {
  const { limit, spent, held, ...rest } = counter;
  const unit = unitOf(counter);
  const scale = unit === 'usd' ? 1e9 : 1;
  return {
    ...rest,
    [`limit_${unit}`]: limit / scale,
    [`spent_${unit}`]: spent / scale,
    [`held_${unit}`]: held / scale,
  };
}
