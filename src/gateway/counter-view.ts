import { isAlertMark } from '../pipeline/budget-alerts.ts';
import {
  type BudgetCounter,
  budgetOfKey,
  type Ledger,
  type Override,
  seriesKey,
  seriesOfKey,
} from '../stores/index.ts';

/** What a counter counts. Its key names the unit unless it is money. */
export function unitOf({ key }: Pick<BudgetCounter, 'key'>): 'usd' | 'tokens' | 'requests' {
  const [, unit] = /:(tokens|requests)$/.exec(key) ?? [];
  return unit === 'tokens' || unit === 'requests' ? unit : 'usd';
}

/** An amount of the ledger's as people see it: nano-dollars in dollars. */
export function shown(unit: 'usd' | 'tokens' | 'requests', amount: number): number {
  return unit === 'usd' ? amount / 1e9 : amount;
}

export function instantView(at_ms: number | undefined): string | null {
  return at_ms === undefined || at_ms === 0 ? null : new Date(at_ms).toISOString();
}

/** A counter with the limit that is in force for it now. */
export interface StandingCounter extends BudgetCounter {
  readonly override: Override | undefined;
  /** Unix ms at which its window turns; 0 where it never does. */
  readonly end_ms: number;
  /** False for windows that are over. */
  readonly current: boolean;
}

/** Every budget's counter of an organisation, marks of alerts left out. An override holds in the current window. */
export async function standingCounters(
  ledger: Pick<Ledger, 'counters' | 'overrides'>,
  organization: string,
  now_ms: number,
): Promise<readonly StandingCounter[]> {
  const [counters, overrides] = await Promise.all([ledger.counters(organization), ledger.overrides(organization)]);
  const bySeries = new Map(overrides.map((override) => [seriesKey(override.budget), override]));
  return counters
    .filter(({ key }) => !isAlertMark(key))
    .map((counter) => {
      const end_ms = budgetOfKey(counter.key)?.end_ms ?? 0;
      const current = end_ms === 0 || end_ms > now_ms;
      const override = current ? bySeries.get(seriesOfKey(counter.key)) : undefined;
      return { ...counter, limit: override?.limit ?? counter.limit, override, end_ms, current };
    });
}

/** A counter as people see it: `limit_usd` in dollars, `limit_tokens` and `limit_requests` as they are counted. */
export function counterView({ override, end_ms, current: _, ...counter }: StandingCounter) {
  const { limit, spent, held, leased, ...rest } = counter;
  const unit = unitOf(counter);
  return {
    ...rest,
    [`limit_${unit}`]: shown(unit, limit),
    [`spent_${unit}`]: shown(unit, spent),
    [`held_${unit}`]: shown(unit, held),
    ...(leased === undefined ? {} : { [`leased_${unit}`]: shown(unit, leased) }),
    used_percent: limit === 0 ? 100 : Math.round((10_000 * (spent + held)) / limit) / 100,
    resets_at: instantView(end_ms),
    ...overrideView(override),
  };
}

/** That another limit than the configured one is in force, and until when; nothing where that is not so. */
export function overrideView(override: Override | undefined) {
  return override === undefined ? {} : { override: { expires_at: instantView(override.expires_at_ms) } };
}

/** A counter that differs from what its entries come to, as people see it: which of its sums, in its own unit. */
export function driftView({ key, counted, rebuilt }: { key: string; counted: number; rebuilt: number }) {
  const [counter = '', sum = 'spent'] = key.split('#');
  const unit = unitOf({ key: counter });
  const what: 'spent' | 'held' = sum === 'held' ? 'held' : 'spent';
  return {
    key: counter,
    what,
    [`counted_${unit}`]: shown(unit, counted),
    [`rebuilt_${unit}`]: shown(unit, rebuilt),
  };
}
