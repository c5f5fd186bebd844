import type { BudgetCounter, Override } from '../ledger.ts';
import { amountOf } from '../rate-key.ts';
import { advance } from '../tally.ts';
import { seriesKey } from '../window-key.ts';
import type { Organization } from './organization.ts';
import { type Scribe, touched } from './records.ts';
import { resetCounter } from './state.ts';

// What people ask of the ledger: limits that stand in, counters set to zero, and what there is.

export function override(scribe: Scribe, org: Organization, given: Override): void {
  const series = seriesKey(given.budget);
  org.overrides.set(series, given);
  scribe.override(org, series, given);
}

export function clearOverride(scribe: Scribe, org: Organization, budget: Override['budget'], now_ms: number): boolean {
  const series = seriesKey(budget);
  const one = org.overrides.get(series);
  if (one === undefined) return false;
  org.overrides.delete(series);
  scribe.override(org, series, undefined);
  return stands(one, now_ms);
}

function stands({ expires_at_ms }: Override, now_ms: number): boolean {
  return expires_at_ms === undefined || now_ms < expires_at_ms;
}

export function overridesOf(org: Organization, now_ms: number): readonly Override[] {
  return [...org.overrides]
    .filter(([, one]) => stands(one, now_ms))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, one]) => one);
}

export function reset(scribe: Scribe, org: Organization, key: string, now_ms: number): boolean {
  const counter = org.counters.get(key);
  if (counter === undefined || !touched(counter)) return false;
  advance(counter, org.tick(now_ms));
  scribe.reset(org, counter);
  resetCounter(counter, org.holds.values());
  return true;
}

export function countersOf(org: Organization, now_ms: number): readonly BudgetCounter[] {
  org.tick(now_ms);
  return [...org.counters.values()].filter(touched).map((counter) => {
    advance(counter, org.time_ms);
    const { key, spent, held, requests, tokens } = counter;
    const limit = org.limitOf(counter, counter.limit, now_ms);
    return { key, organization: org.id, limit, spent, held, requests, tokens };
  });
}

export function holdsOf(org: Organization) {
  return [...org.holds.values()]
    .filter((hold) => !hold.provisional)
    .map(({ id, nusd, tokens, input, owner, expires_ms }) => ({
      id,
      amount: amountOf(nusd, tokens, input),
      owner,
      expires_at_ms: expires_ms,
    }));
}
