import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { forecastReport, listBudgets, spendingReport } from '../../src/gateway/budget-reports.ts';
import { type EmbeddedLedger, openEmbeddedLedger } from '../../src/stores/index.ts';
import { spendingCsv } from '../../src/surfaces/spending-csv.ts';
import { budget, request } from '../contracts/ledger.ts';

let path: string;
let now: number;
let ledger: EmbeddedLedger;

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'reports-'));
  now = Date.parse('2026-01-31T23:00:00Z');
  ledger = await openEmbeddedLedger({ path, clock: () => now, reap_interval_ms: 0 });
});
afterEach(async () => {
  await ledger.close();
  rmSync(path, { recursive: true });
});

const total = budget({ window: 'total', limit: 1_000e9 });
const hold = (id: string, usd: number, over = {}) =>
  ledger.reserve(request(id, { nusd: usd * 1e9 }, { budgets: [total], ...over }));
const settle = (id: string, usd: number) =>
  ledger.settle({ id, organization: 'acme', amount: { nusd: usd * 1e9, tokens: 0 }, estimated: false });
const call = async (id: string, usd: number) => {
  await hold(id, usd);
  await settle(id, usd);
};

/** What overrides stand in for. */
let configured: number;
const forecast = () => forecastReport(ledger, ['acme'], now, () => configured);

test('what months cost one by one is what they cost together, whenever an estimate was replaced', async () => {
  await call('a', 5);
  await hold('b', 100);
  await hold('c', 20);
  now += 600_000;
  await ledger.reap();
  now = Date.parse('2026-02-01T01:00:00Z');
  await call('d', 1);
  await settle('b', 90);
  const report = async (since?: string, until?: string) => {
    const ms = (text?: string) => (text === undefined ? undefined : Date.parse(text));
    return spendingReport(ledger, ['acme'], { by: ['month'], since: ms(since), until: ms(until) });
  };
  const together = await report();
  expect(together).toMatchObject([
    { month: '2026-02', cost_usd: 91, estimated_usd: 0, requests: 2 },
    { month: '2026-01', cost_usd: 25, estimated_usd: 20, requests: 2 },
  ]);
  const apart = [await report('2026-02-01T00:00:00Z'), await report(undefined, '2026-02-01T00:00:00Z')];
  expect(apart.flat()).toEqual(together);
  expect(await ledger.counters('acme')).toMatchObject([{ spent: (91 + 25) * 1e9, requests: 4 }]);
});

test('a forecast goes by what was spent since people set the counter to zero', async () => {
  await call('a', 1);
  now += 30 * 86_400_000;
  await ledger.reset('acme', 'budget:team:research:total');
  await call('b', 10);
  now += 3_600_000;
  const [told] = await forecast();
  expect(told).toMatchObject({ spent_usd: 10, per_hour_usd: 10 });
});

test('a forecast of a total goes by the entries that are kept, not by all that was ever spent', async () => {
  await call('a', 900);
  now += 30 * 86_400_000;
  await call('b', 10);
  now += 3_600_000;
  const all = ledger.entries.bind(ledger);
  const kept = async function* (organization: string) {
    for await (const entry of all(organization)) if (entry.id !== 'a') yield entry;
  };
  ledger.entries = kept;
  const [told] = await forecast();
  expect(told).toMatchObject({
    spent_usd: 910,
    per_hour_usd: 10,
    spent_at: new Date(now + 9 * 3_600_000).toISOString(),
  });
  ledger.entries = async function* () {};
  expect(await forecast()).toMatchObject([{ spent_usd: 910, per_hour_usd: 0, spent_at: null }]);
});

test('so does one of a calendar window, which goes by the window where nobody set it to zero', async () => {
  const budgets = [budget({ window: 'month', limit: 1_000e9 })];
  now = Date.parse('2026-01-26T20:00:00Z');
  await hold('a', 300, { budgets });
  await settle('a', 300);
  expect(await forecast()).toMatchObject([{ per_hour_usd: 300 / (25 * 24 + 20) }]);
  await ledger.reset('acme', 'budget:team:research:month:2026-01');
  await hold('b', 30, { budgets });
  await settle('b', 30);
  now += 3 * 3_600_000;
  const [told] = await forecast();
  const spent_at = new Date(now + 97 * 3_600_000).toISOString();
  expect(told).toMatchObject({ spent_usd: 30, per_hour_usd: 10, spent_at });
});

describe('a limit that stands in for the configured one', () => {
  const month = budget({ window: 'month', limit: 310e9 });
  beforeEach(() => {
    configured = 310e9;
  });
  const until = (limit: number, hours: number, of = month) =>
    ledger.override('acme', { budget: of, limit: limit * 1e9, expires_at_ms: now + hours * 3_600_000 });
  const spentAt = async () => {
    const [told] = await forecast();
    return (told as { readonly spent_at?: unknown }).spent_at;
  };
  const spend = async (usd: number, of = month) => {
    await hold('a', usd, { budgets: [of] });
    await settle('a', usd);
  };

  test('is counted on until it ends: a budget beyond its own limit by then is spent then', async () => {
    now = Date.parse('2026-01-26T00:00:00Z');
    await spend(300);
    await until(500, 48);
    const [told] = await forecast();
    const ends = '2026-01-28T00:00:00.000Z';
    expect(told).toMatchObject({ limit_usd: 500, spent_at: ends, override: { expires_at: ends } });
  });

  test('is enough where it ends after the window, or the window is not beyond its own limit by then', async () => {
    now = Date.parse('2026-01-26T00:00:00Z');
    await spend(300);
    await until(500, 7 * 24);
    expect(await spentAt()).toBeNull();
    await until(500, 10);
    // Half a dollar an hour.
    expect(await spentAt()).toBe('2026-01-26T20:00:00.000Z');
    await until(302, 48);
    expect(await spentAt()).toBe('2026-01-26T04:00:00.000Z');
  });

  test('ends in a rolling window as well, where what was spent before goes on counting', async () => {
    const rolling = budget({ window: 'rolling', rolling_ms: 24 * 3_600_000, limit: 100e9 });
    configured = 100e9;
    await spend(60, rolling);
    now += 12 * 3_600_000;
    await until(200, 72, rolling);
    // Five dollars an hour are 120 a day.
    expect(await spentAt()).toBe(new Date(now + 72 * 3_600_000).toISOString());
    await until(200, 2, rolling);
    expect(await spentAt()).toBe(new Date(now + 8 * 3_600_000).toISOString());
  });
});

test('the budget of a project whose name looks like the mark of an alert is told like any other', async () => {
  const scope = { kind: 'project', id: 'x#alert-50-of-9-nusd' } as const;
  await hold('a', 1, { budgets: [budget({ scope, limit: 10e9 })] });
  expect(await forecast()).toMatchObject([{ limit_usd: 10, held_usd: 1 }]);
  expect(await listBudgets(ledger, ['acme'], now)).toMatchObject([{ limit_usd: 10, held_usd: 1 }]);
});

test('a name that a spreadsheet would read as a formula is text, whatever it begins with', () => {
  for (const sign of ['=', '+', '-', '@', '\t', '\r', '\n', '＝']) {
    const row = { user: `${sign}1+1`, requests: 1, input_tokens: 1, output_tokens: 1 };
    expect(spendingCsv([row], ['user']).split('\r\n')[1], JSON.stringify(sign)).toMatch(/^"?'/);
  }
});
