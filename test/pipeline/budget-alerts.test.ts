import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Settings } from '../../src/config.ts';
import { Secret } from '../../src/exchange/index.ts';
import { BudgetChanges } from '../../src/gateway/budget-changes.ts';
import { type AuditRecord, openLog, openMetrics } from '../../src/observe/index.ts';
import { BudgetAlerts } from '../../src/pipeline/budget-alerts.ts';
import { type BudgetState, type Ledger, openEmbeddedLedger } from '../../src/stores/index.ts';
import { budget, entriesOf, request } from '../contracts/ledger.ts';

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

describe('a budget whose counter people set to zero', () => {
  const settings = {
    organizations: [
      {
        id: 'acme',
        teams: [
          { id: 'research', budgets: [{ window: 'total', limit_usd: 1e-7, time_zone: 'UTC', warn_percent: [75, 90] }] },
        ],
      },
    ],
  } as unknown as Settings;

  it('raises its alerts anew, and once', async () => {
    const ledger = await open();
    const alerts = new BudgetAlerts();
    let now = Date.now();
    const walk = { ...walkOn(ledger), clock: () => now };
    const one = budget({ window: 'total', limit: 100, warnPercent: [75, 90] });
    const uses = async (id: string, nusd: number) => {
      const held = await ledger.reserve(request(id, { nusd }, { budgets: [one] }));
      if (held.outcome === 'held') alerts.see(walk, 'acme', held.budgets);
      await turns();
    };
    await uses('a', 80);
    await uses('b', 1);
    for (const id of ['a', 'b']) {
      await ledger.settle({ id, organization: 'acme', amount: { nusd: 80, tokens: 0 }, estimated: false });
    }
    const changes = new BudgetChanges({
      ledger,
      trail: { end: async () => {} },
      serverSecret: new Secret('any'),
      settings: () => settings,
    });
    await changes.reset({ scope: 'team:research', window: 'total', unit: 'usd' }, 'them');
    now += 3_600_000;
    await uses('c', 95);
    await uses('d', 1);
    expect(records.map(({ alert }) => alert?.percent)).toEqual([75, 75, 90]);
    await ledger.close();
  });
});

it('raises an alert that nobody could raise while the ledger was lost', async () => {
  const ledger = await open();
  const alerts = new BudgetAlerts();
  let now = Date.now();
  // What a share that is used up answers: it says nothing of the mark.
  const lost = { reserve: async () => ({ outcome: 'refused' }) } as unknown as Ledger;
  const state = { ...nearlyUsed(), resets_at_ms: now + 86_400_000 };
  alerts.see({ ...walkOn(lost), clock: () => now }, 'acme', [state]);
  await turns();
  now += 120_000;
  alerts.see({ ...walkOn(ledger), clock: () => now }, 'acme', [state]);
  await turns();
  expect(records.map(({ alert }) => alert?.percent)).toEqual([75]);
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
