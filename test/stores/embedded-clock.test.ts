import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type EmbeddedLedger, openEmbeddedLedger, type Refusal } from '../../src/stores/index.ts';
import { budget, rate, request } from '../contracts/ledger.ts';

let path: string;
let now: number;
let ledger: EmbeddedLedger;

const open = () => openEmbeddedLedger({ path, clock: () => now, reap_interval_ms: 0 });

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'clock-'));
  now = Date.parse('2026-11-21T09:06:10Z');
  ledger = await open();
});
afterEach(async () => {
  await ledger.close();
  rmSync(path, { recursive: true });
});

let calls = 0;
/** A call that is over at once; or what refused it. */
async function call(over: Parameters<typeof request>[2], nusd = 0): Promise<Refusal | undefined> {
  const id = `call-${calls++}`;
  const asked = request(id, { nusd }, { budgets: [], ...over });
  const reserved = await ledger.reserve(asked);
  if (reserved.outcome === 'refused') return reserved.refusal;
  await ledger.settle({ id, organization: asked.organization, amount: { nusd, tokens: 0 }, estimated: false });
  return undefined;
}

const day_ms = 86_400_000;
const perMinute = rate({ limit: 3 });

/** Calls for so long, each as soon as it was told to come; when they were admitted. */
async function callFor(ms: number): Promise<number[]> {
  const admitted: number[] = [];
  for (const until = now + ms; now < until; ) {
    const refusal = await call({ rates: [perMinute] });
    if (refusal === undefined) admitted.push(now);
    if (refusal?.kind === 'rate') now += refusal.retry_after_ms;
    else now += 100;
  }
  return admitted;
}

test.each([
  ['a minute and a half', 90_000],
  ['a month', 31 * day_ms],
])(
  'a rate comes back in its own time after the clock was %s ahead, in this process and in the next',
  async (_, ahead_ms) => {
    now += ahead_ms;
    await call({ rates: [perMinute] });
    now -= ahead_ms;
    expect((await callFor(10 * 60_000)).length).toBeGreaterThanOrEqual(27);
    await ledger.close();
    ledger = await open();
    expect((await callFor(10 * 60_000)).length).toBeGreaterThanOrEqual(27);
  },
);

test('money of a rolling window comes back in its own time after the clock was a month ahead, and callers are told when', async () => {
  const hour = budget({ window: 'rolling', rolling_ms: 3_600_000, limit: 100 });
  now += 31 * day_ms;
  await call({ budgets: [hour] }, 60);
  now -= 31 * day_ms;
  const refusal = await call({ budgets: [hour] }, 60);
  expect(refusal).toMatchObject({ kind: 'budget', spent: 60 });
  const resets_at_ms = refusal?.kind === 'budget' ? refusal.resets_at_ms : 0;
  expect(resets_at_ms).toBeGreaterThanOrEqual(now + 3_600_000);
  expect(resets_at_ms).toBeLessThanOrEqual(now + 3_660_000);
  for (; now < resets_at_ms - 60_000; now += 600_000) expect(await call({ budgets: [hour] }, 60)).toBeDefined();
  now = resets_at_ms;
  expect(await call({ budgets: [hour] }, 60)).toBeUndefined();
});

test.each([
  ['a month ahead', 31 * day_ms],
  ['a second ahead', 1_000],
  ['right', 0],
])(
  'what a process holds that ends while its clock is %s is held until its lease is over, and no longer',
  async (_, ahead_ms) => {
    const seats = rate({ unit: 'concurrent', limit: 1, window_ms: 0 });
    now += ahead_ms;
    await ledger.reserve(request('left', { nusd: 1 }, { rates: [seats], lease_ms: 60_000 }));
    await ledger.close();
    now -= ahead_ms;
    ledger = await open();
    now += 59_999;
    expect(await ledger.reap()).toBe(0);
    expect(await call({ rates: [seats] })).toMatchObject({ used: 1 });
    now += 1;
    expect(await ledger.reap()).toBe(1);
    expect(await call({ rates: [seats] })).toBeUndefined();
  },
);

test('a hold that was taken after the clock was set back lives as long as its lease in the next process as well', async () => {
  now += 31 * day_ms;
  await call({ rates: [perMinute] });
  now -= 31 * day_ms;
  await ledger.reserve(request('left', { nusd: 1 }, { lease_ms: 60_000 }));
  await ledger.close();
  ledger = await open();
  now += 59_999;
  expect(await ledger.reap()).toBe(0);
  expect(await ledger.reap(now + 1)).toBe(1);
});

test('a process whose clock is years ahead when it begins forgets nothing of what this month cost; what is old is forgotten', async () => {
  const month = budget({ window: 'month', limit: 100 });
  await call({ budgets: [month] }, 60);
  for (const ahead_ms of [1_200 * day_ms, -1_200 * day_ms]) {
    await ledger.close();
    now += ahead_ms;
    ledger = await open();
  }
  expect(await call({ budgets: [month] }, 60)).toMatchObject({ kind: 'budget', spent: 60 });
  await ledger.close();
  now += 1_200 * day_ms;
  ledger = await openEmbeddedLedger({ path, clock: () => now, reap_interval_ms: 0, segment_bytes_max: 100 });
  for (let minutes = 0; minutes <= 90; minutes += 30) {
    await call({ budgets: [month] }, 1);
    now += 30 * 60_000;
  }
  expect((await ledger.counters('acme')).map(({ spent }) => spent)).toEqual([4]);
});

test('a limit that people set until tomorrow holds after the clock was years ahead, and is over when that has come', async () => {
  const total = budget({ window: 'total', limit: 100 });
  await ledger.override('acme', { budget: total, limit: 10, expires_at_ms: now + day_ms });
  for (const ahead_ms of [1_200 * day_ms, -1_200 * day_ms]) {
    await ledger.close();
    now += ahead_ms;
    ledger = await open();
  }
  expect(await call({ budgets: [total] }, 11)).toMatchObject({ kind: 'budget', limit: 10 });
  now += day_ms;
  expect(await call({ budgets: [total] }, 11)).toBeUndefined();
  expect(await ledger.overrides('acme')).toEqual([]);
  expect(await ledger.clearOverride('acme', total)).toBe(false);
});

test('what a call cost that ran while the clock was days ahead takes the place of its estimate', async () => {
  await ledger.close();
  ledger = await openEmbeddedLedger({ path, clock: () => now, reap_interval_ms: 0, segment_bytes_max: 100 });
  const total = budget({ window: 'total', limit: 100 });
  await ledger.reserve(request('long', { nusd: 10 }, { budgets: [total] }));
  now += 8 * day_ms;
  expect(await ledger.reap()).toBe(1);
  await call({ budgets: [total] }, 1);
  now -= 8 * day_ms;
  await ledger.settle({ id: 'long', organization: 'acme', amount: { nusd: 25, tokens: 0 }, estimated: false });
  expect(await ledger.counters('acme')).toMatchObject([{ spent: 26, held: 0 }]);
});

test('a machine that begins in 1970 and is told the time later forgets nothing of a rolling window', async () => {
  const rolling = budget({ window: 'rolling', rolling_ms: day_ms, limit: 100 });
  await call({ budgets: [rolling] }, 60);
  await ledger.close();
  const told = now + 60_000;
  now = 0;
  ledger = await open();
  for (; now < 30_000; now += 10_000) expect(await call({ budgets: [rolling] }, 60)).toBeDefined();
  now = told;
  expect(await call({ budgets: [rolling] }, 60)).toBeDefined();
  expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
});

test('whatever the clock does, no more is admitted in a window of time that really passed than the limit', async () => {
  const step = fc.record({ passes: fc.nat(20_000), jump: fc.oneof(fc.constant(0), fc.integer({ min: -4e6, max: 0 })) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.nat(1_000_000), async (steps, name) => {
      const scope = { kind: 'team', id: `t${name}-${calls}` } as const;
      const rates = [rate({ scope, limit: 3 })];
      let real = 0;
      const admitted: number[] = [];
      for (const { passes, jump } of steps) {
        real += passes;
        now += passes + jump;
        if ((await call({ rates, organization: `o${scope.id}` })) === undefined) admitted.push(real);
      }
      for (const at of admitted) {
        expect(admitted.filter((one) => one >= at && one < at + 60_000).length).toBeLessThanOrEqual(3);
      }
    }),
    { numRuns: 100 },
  );
});
