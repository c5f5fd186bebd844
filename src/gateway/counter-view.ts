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

/** A counter that differs from what its entries come to, as people see it: which of its sums, in its own unit. */
export function driftView({ key, counted, rebuilt }: { key: string; counted: number; rebuilt: number }) {
  const [counter = '', sum = 'spent'] = key.split('#');
  const unit = unitOf({ key: counter });
  const scale = unit === 'usd' ? 1e9 : 1;
  const what: 'spent' | 'held' = sum === 'held' ? 'held' : 'spent';
  return { key: counter, what, [`counted_${unit}`]: counted / scale, [`rebuilt_${unit}`]: rebuilt / scale };
}
