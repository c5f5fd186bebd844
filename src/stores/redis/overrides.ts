import type { Override } from '../ledger.ts';
import { checkOverride } from '../validate.ts';
import { budgetOfSeries, seriesKey } from '../window-key.ts';
import type { Line } from './line.ts';
import { baseOf } from './plan.ts';
import { scripts } from './scripts.ts';

interface Place {
  readonly line: Line;
  readonly prefix: string;
}

const people_ms = 5_000;

/** A hash of `limit expires` (0: until taken back) by the budget's key without its date; scripts read it in every step. */
function keyOf({ prefix }: Place, organization: string): string {
  return `${baseOf(prefix, organization)}overrides`;
}

export async function override(place: Place, organization: string, given: Override): Promise<void> {
  checkOverride(organization, given);
  const text = `${given.limit} ${given.expires_at_ms ?? 0}`;
  await place.line.call('hset', [keyOf(place, organization), seriesKey(given.budget), text], people_ms);
}

export async function clearOverride(place: Place, organization: string, budget: Override['budget']): Promise<boolean> {
  checkOverride(organization, { budget, limit: 0 });
  return Number(await place.line.call('hdel', [keyOf(place, organization), seriesKey(budget)], people_ms)) === 1;
}

export async function overridesOf(place: Place, organization: string): Promise<readonly Override[]> {
  const base = baseOf(place.prefix, organization);
  const rows = (await place.line.run(scripts.overrides, [`${base}overrides`], [base], people_ms)) as string[];
  const all: [string, Override][] = [];
  for (let at = 1; at < rows.length; at += 3) {
    const series = rows[at] ?? '';
    const budget = budgetOfSeries(series);
    const [limit = 0, expires_at_ms = 0] = [Number(rows[at + 1]), Number(rows[at + 2])];
    if (budget !== undefined) all.push([series, { budget, limit, ...(expires_at_ms === 0 ? {} : { expires_at_ms }) }]);
  }
  return all.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}
