import type { Ledger, LedgerEntry } from '../stores/index.ts';
import type { ConfiguredLimit } from './configured-limit.ts';
import { counterView, standingCounters } from './counter-view.ts';
import { forecasts, forecastView } from './forecast.ts';
import { type Dimension, dimensions, spendingBy, spendingView } from './spending.ts';

/** Every counter of these organisations, as people see them. */
export async function listBudgets(ledger: Ledger, organizations: readonly string[], now_ms: number) {
  const all = await Promise.all(organizations.map((id) => standingCounters(ledger, id, now_ms)));
  return all.flat().map(counterView);
}

/** What was spent, by who or what. Throws `RangeError` for a dimension there is not. */
export async function spendingReport(
  ledger: Ledger,
  organizations: readonly string[],
  wish: { readonly by: readonly string[]; readonly since: number | undefined; readonly until: number | undefined },
) {
  const by = wish.by.map(dimension);
  const rows = await spendingBy(entriesOf(ledger, organizations), { ...wish, by });
  return rows.map((row) => spendingView(row, by));
}

function dimension(name: string): Dimension {
  const known = dimensions.find((one) => one === name);
  if (known === undefined)
    throw new RangeError(`There is no spending by '${name}'; there is ${dimensions.join(', ')}.`);
  return known;
}

async function* entriesOf(ledger: Ledger, organizations: readonly string[]): AsyncGenerator<LedgerEntry> {
  for (const id of organizations) yield* ledger.entries(id);
}

/** When the budgets of these organisations will be spent, the first of them first. `limitOf` is what overrides stand in for. */
export async function forecastReport(
  ledger: Ledger,
  organizations: readonly string[],
  now_ms: number,
  limitOf: ConfiguredLimit,
) {
  const all = [];
  for (const id of organizations) {
    const counters = await standingCounters(ledger, id, now_ms);
    all.push(...(await forecasts(counters, ledger.entries(id), now_ms, limitOf)));
  }
  const soon = (at: number | undefined): number => at ?? Number.POSITIVE_INFINITY;
  return all.sort((a, b) => (soon(a.spent_at_ms) < soon(b.spent_at_ms) ? -1 : 1)).map(forecastView);
}
