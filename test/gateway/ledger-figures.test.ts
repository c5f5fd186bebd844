import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { watchLedger } from '../../src/gateway/ledger-figures.ts';
import type { BudgetMeasured, Metrics } from '../../src/observe/index.ts';
import { openEmbeddedLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';

const day_ms = 86_400_000;

test('metrics of budgets tell what was spent in the window that runs, and each rolling window by its length', async () => {
  const path = mkdtempSync(join(tmpdir(), 'figures-'));
  let ahead_ms = -day_ms;
  const clock = () => Date.now() + ahead_ms;
  const ledger = await openEmbeddedLedger({ path, clock, reap_interval_ms: 0 });
  let read: () => Iterable<BudgetMeasured> = () => [];
  const metrics = { readAudit() {}, readLedger() {}, readBudgets: (all: typeof read) => (read = all) };
  const figures = watchLedger(
    metrics as unknown as Metrics,
    () => ({}) as never,
    ledger,
    () => ['acme'],
  );
  const rolling = (hours: number) => budget({ window: 'rolling', rolling_ms: hours * 3_600_000, limit: 900 });
  const told = async () => {
    await figures.refresh();
    return [...read()].map(({ window, spent_nusd }) => [window, spent_nusd]).sort();
  };
  try {
    const budgets = [budget(), budget({ window: 'total' }), rolling(3), rolling(100)];
    await ledger.reserve(request('a', { nusd: 40 }, { budgets }));
    await ledger.settle({ id: 'a', organization: 'acme', amount: { nusd: 40, tokens: 0 }, estimated: false });
    ahead_ms = 0;
    const since = { day: 0, 'rolling 3 hour': 0, 'rolling 100 hour': 40, total: 40 };
    expect(await told()).toEqual(Object.entries(since).sort());
  } finally {
    figures.close();
    await ledger.close();
    rmSync(path, { recursive: true });
  }
});

test('of two windows that differ in their time zone alone the one nearest its limit is told', async () => {
  const path = mkdtempSync(join(tmpdir(), 'figures-'));
  const ledger = await openEmbeddedLedger({ path, reap_interval_ms: 0 });
  let read: () => Iterable<BudgetMeasured> = () => [];
  const metrics = { readAudit() {}, readLedger() {}, readBudgets: (all: typeof read) => (read = all) };
  const figures = watchLedger(
    metrics as unknown as Metrics,
    () => ({}) as never,
    ledger,
    () => ['acme'],
  );
  const zoned = (timeZone: string, limit: number) => budget({ window: 'month', timeZone, limit });
  const spend = async (id: string, nusd: number, of: ReturnType<typeof zoned>) => {
    await ledger.reserve(request(id, { nusd }, { budgets: [of] }));
    await ledger.settle({ id, organization: 'acme', amount: { nusd, tokens: 0 }, estimated: false });
  };
  try {
    await spend('a', 90, zoned('UTC', 100));
    await spend('b', 90, zoned('Europe/Berlin', 900));
    await figures.refresh();
    expect([...read()]).toMatchObject([{ window: 'month', limit_nusd: 100, spent_nusd: 90 }]);
    await spend('c', 805, zoned('Europe/Berlin', 900));
    await figures.refresh();
    expect([...read()]).toMatchObject([{ window: 'month', limit_nusd: 900, spent_nusd: 895 }]);
  } finally {
    figures.close();
    await ledger.close();
    rmSync(path, { recursive: true });
  }
});
