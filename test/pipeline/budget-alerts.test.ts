import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { type AuditRecord, openLog, openMetrics } from '../../src/observe/index.ts';
import { BudgetAlerts } from '../../src/pipeline/budget-alerts.ts';
import { type BudgetState, type Ledger, openEmbeddedLedger } from '../../src/stores/index.ts';
import { budget, entriesOf } from '../contracts/ledger.ts';

let path: string;
let records: AuditRecord[];
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'alerts-'));
  records = [];
});
afterEach(() => rmSync(path, { recursive: true }));

const open = () => openEmbeddedLedger({ path, reap_interval_ms: 0 });
const metrics = openMetrics();
afterAll(() => metrics.close());
const log = openLog({ level: 'silent' });
const walkOn = (ledger: Ledger) => ({
  ...{ ledger, owner: 'here', clock: Date.now, metrics, log },
  trail: { end: async (record: AuditRecord) => void records.push(record) } as never,
});

/** A day's budget of which four fifths are gone. */
function nearlyUsed(): BudgetState {
  const one = budget({ limit: 100, warnPercent: [75] });
  return { budget: one, limit: 100, spent: 80, held: 0, resets_at_ms: Date.now() + 3_600_000 };
}

const turns = () => new Promise((resolve) => setTimeout(resolve, 20));

it('raises an alert whose mark it made although the ledger goes away before it is settled, and nobody raises it again', async () => {
  const first = await open();
  const alerts = new BudgetAlerts();
  alerts.see(walkOn(first), 'acme', [nearlyUsed()]);
  await first.close();
  const second = await open();
  await turns();
  for (const one of [alerts, new BudgetAlerts()]) one.see(walkOn(second), 'acme', [nearlyUsed()]);
  await turns();
  expect(records.map(({ alert }) => alert?.percent)).toEqual([75]);
  await second.reap(Date.now() + 60_000);
  new BudgetAlerts().see(walkOn(second), 'acme', [nearlyUsed()]);
  await turns();
  expect(records.length).toBe(1);
  expect((await entriesOf(second)).length).toBe(1);
  await second.close();
});

it('raises the alerts of a raised limit again, once', async () => {
  const ledger = await open();
  const alerts = new BudgetAlerts();
  const raised: BudgetState = { ...nearlyUsed(), limit: 200, spent: 160 };
  for (const state of [nearlyUsed(), nearlyUsed(), raised, raised]) {
    alerts.see(walkOn(ledger), 'acme', [state]);
    await turns();
  }
  expect(records.map(({ alert }) => alert?.limit_usd)).toEqual([100e-9, 200e-9]);
  await ledger.close();
});

it('tells amounts as reports of budgets do: in dollars, tokens or requests', async () => {
  const ledger = await open();
  const alerts = new BudgetAlerts();
  const figures = { limit: 10e9, spent: 8e9, held: 1e9, resets_at_ms: Date.now() + 3_600_000 };
  for (const unit of ['nusd', 'tokens'] as const) {
    alerts.see(walkOn(ledger), 'acme', [{ budget: budget({ unit, limit: 10e9, warnPercent: [75] }), ...figures }]);
    await turns();
  }
  expect(records.map(({ alert }) => alert)).toMatchObject([
    { unit: 'usd', limit_usd: 10, spent_usd: 8, held_usd: 1 },
    { unit: 'tokens', limit_tokens: 10e9, spent_tokens: 8e9, held_tokens: 1e9 },
  ]);
  await ledger.close();
});
