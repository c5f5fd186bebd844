import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import type { LeasedLedger, LeasedLedgerOptions, RedisLedger } from '../../src/stores/index.ts';
import { LedgerUnavailable } from '../../src/stores/index.ts';
import { budget, entriesOf, rate, refusalOf, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const total = budget({ window: 'total', limit: 10_000 });
const slice_lease_ms = 400;

const house = ledgerHouse();
let remote: RedisLedger;
beforeEach(async () => {
  remote = await house.watcher({ reap_interval_ms: 1_000, deadline_ms: 30_000 });
});

const process = (over: Partial<LeasedLedgerOptions> = {}) =>
  house.process({ report_ms: 75, reap_interval_ms: 1_000, deadline_ms: 1_000, ...over });

const reserve = (ledger: LeasedLedger, id: string, nusd: number, limits = [total]) =>
  ledger.reserve(request(id, { nusd }, { budgets: limits }));
const settle = (ledger: LeasedLedger, id: string, nusd: number) =>
  ledger.settle({ id, organization: 'acme', amount: { nusd, tokens: 0 }, estimated: false });
const counted = async () => {
  const [one] = await remote.counters('acme');
  return { spent: one?.spent ?? 0, held: one?.held ?? 0, leased: one?.leased ?? 0 };
};

describe('slices of a counter', () => {
  test('are taken ahead of need, counted as held, and given back when nobody uses them', async () => {
    const ledger = await process({ idle_ms: 300 });
    await reserve(ledger, 'a', 100);
    const { held, leased } = await counted();
    expect(leased).toBeGreaterThan(100);
    expect(held).toBe(leased);
    expect(leased).toBeLessThanOrEqual(total.limit / 4);
    await settle(ledger, 'a', 60);
    await expect.poll(counted).toEqual({ spent: 60, held: 0, leased: 0 });
    expect(await entriesOf(ledger)).toMatchObject([{ id: 'a', amount: { nusd: 60 }, provisional: false }]);
    expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
  });

  test('shrink near the end, so that the last call that fits is admitted, wherever it is asked', async () => {
    const [one, other] = [await process(), await process()];
    let held = 0;
    for (let at = 0; at < 200; at++) {
      const answer = await reserve(at % 2 === 0 ? one : other, `c${at}`, 100);
      if (answer.outcome === 'held') held++;
    }
    expect(held).toBe(100);
    const refusal = refusalOf(await reserve(one, 'over', 1));
    expect(refusal).toMatchObject({ kind: 'budget', budget: total, limit: 10_000, spent: 0, held: 10_000, asked: 1 });
    expect(await counted()).toEqual({ spent: 0, held: 10_000, leased: 10_000 });
  });

  test('come back from a process that does not need them where another one starves', async () => {
    const [idle, busy] = [await process({ idle_ms: 60_000 }), await process()];
    await reserve(idle, 'a', 500);
    await idle.release('a', 'acme');
    const { leased } = await counted();
    expect(leased).toBeGreaterThan(500);
    const first = await reserve(busy, 'all', 10_000 - leased + 1);
    expect(first.outcome).toBe('refused');
    await expect.poll(async () => (await reserve(busy, 'all', 10_000 - leased + 1)).outcome).toBe('held');
  });

  test('follow a limit that is cut: what was taken ahead goes back with the next report', async () => {
    const [here, there] = [await process(), await process({ idle_ms: 60_000 })];
    await reserve(there, 'a', 500);
    await there.release('a', 'acme');
    await here.override('acme', { budget: total, limit: 100 });
    await expect.poll(counted).toEqual({ spent: 0, held: 0, leased: 0 });
    expect(refusalOf(await reserve(there, 'b', 101))).toMatchObject({ limit: 100, asked: 101 });
    expect((await reserve(there, 'c', 100)).outcome).toBe('held');
  });

  test('of a rate are good for the moment they were taken in', async () => {
    const ledger = await process();
    const five = rate({ limit: 5, window_ms: 600 });
    const call = (id: string) => ledger.reserve(request(id, {}, { budgets: [], rates: [five] }));
    /** When each that was admitted was asked and answered: its moment lies between. */
    const times: { asked: number; answered: number }[] = [];
    for (let at = 0; at < 60; at++) {
      const asked = performance.now();
      if ((await call(`r${at}`)).outcome === 'held') times.push({ asked, answered: performance.now() });
      await sleep(20);
    }
    for (const [at, { asked }] of times.entries()) {
      const within = times.slice(at).filter(({ answered }) => answered - asked < 590);
      expect(within.length).toBeLessThanOrEqual(5);
    }
    expect(times.length).toBeGreaterThan(8);
  });
});

describe('a process that is cut off', () => {
  test('goes on within its slices until its lease is over, and not beyond', async () => {
    const ledger = await process({ slice_lease_ms: 4_000, idle_ms: 60_000 });
    await reserve(ledger, 'a', 100);
    const { leased } = await counted();
    house.server.freeze();
    expect((await reserve(ledger, 'b', 100)).outcome).toBe('held');
    await expect(reserve(ledger, 'c', leased)).rejects.toThrow(LedgerUnavailable);
    await sleep(4_000);
    await expect(reserve(ledger, 'd', 1)).rejects.toThrow(LedgerUnavailable);
    expect((await settle(ledger, 'b', 90)).outcome).toBe('settled');
    house.server.thaw();
    await expect.poll(async () => (await counted()).spent).toBe(90);
    await expect
      .poll(() =>
        reserve(ledger, 'e', 1).then(
          (one) => one.outcome,
          () => '',
        ),
      )
      .toBe('held');
    expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
  });

  test('admits its share of what was left where the limit says so, once its lease is over', async () => {
    const shared = { ...total, onLoss: 'local_share' as const };
    const ledger = await process({ slice_lease_ms: 600, idle_ms: 200 });
    await reserve(ledger, 'a', 1_000, [shared]);
    await settle(ledger, 'a', 1_000);
    await ledger.flush();
    house.server.freeze();
    await sleep(700);
    expect((await reserve(ledger, 'b', 4_000, [shared])).outcome).toBe('held');
    expect((await reserve(ledger, 'c', 5_000, [shared])).outcome).toBe('held');
    expect(refusalOf(await reserve(ledger, 'd', 1, [shared]))).toMatchObject({ asked: 1, spent: 1_000, held: 9_000 });
    await settle(ledger, 'b', 3_000);
    house.server.thaw();
    await expect.poll(counted).toEqual({ spent: 4_000, held: 5_000, leased: 5_000 });
    await settle(ledger, 'c', 5_000);
    await expect.poll(counted).toEqual({ spent: 9_000, held: 0, leased: 0 });
    expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
  });

  test('keeps what a trade took whose answer came too late for the call that asked', async () => {
    const ledger = await process({ report_ms: 0, idle_ms: 60_000 });
    await reserve(ledger, 'a', 100);
    house.server.freeze();
    await expect(reserve(ledger, 'late', 5_000)).rejects.toThrow(LedgerUnavailable);
    house.server.thaw();
    await expect.poll(async () => (await counted()).leased).toBeGreaterThanOrEqual(5_100);
    // Whoever is answered after the trade was done: its answer is there as well.
    for (let at = 0; at < 3; at++) await counted();
    house.server.freeze();
    expect((await reserve(ledger, 'next', 5_000)).outcome).toBe('held');
    house.server.thaw();
    await expect.poll(() => ledger.flush().then(counted, () => 'lost')).toMatchObject({ spent: 0, held: 5_100 });
    expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
  });

  test('does not fail calls with a trade that began before theirs: what that took late is theirs', async () => {
    const ledger = await process({ report_ms: 0, idle_ms: 60_000, deadline_ms: 4_000 });
    await reserve(ledger, 'a', 100);
    house.server.freeze();
    const first = reserve(ledger, 'first', 5_000).then(
      () => 'held',
      () => 'lost',
    );
    await sleep(2_000);
    const [second, tooMuch] = ['second', 'much'].map((id) => {
      return reserve(ledger, id, id === 'much' ? 9_000 : 4_000).then(
        ({ outcome }) => outcome,
        () => 'lost',
      );
    });
    expect(await first).toBe('lost');
    house.server.thaw();
    expect(await second).toBe('held');
    // It has a trade of its own, or the ledger is still being looked for: it is not held in any case.
    expect(await tooMuch).not.toBe('held');
    await expect
      .poll(() => ledger.flush().then(counted, () => 'lost'))
      .toMatchObject({ spent: 0, held: expect.any(Number) });
    for (const id of ['a', 'second']) await settle(ledger, id, 10);
    await expect.poll(() => ledger.flush().then(counted, () => 'lost')).toMatchObject({ spent: 20 });
    expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
  });

  test('refuses a call at once while Redis is lost, and one that waits when its time is over', async () => {
    const ledger = await process({ report_ms: 0, idle_ms: 60_000, deadline_ms: 3_000 });
    await reserve(ledger, 'a', 100);
    house.server.freeze();
    const order: string[] = [];
    const call = (id: string) => reserve(ledger, id, 5_000).catch(() => order.push(id));
    const first = call('first');
    await sleep(1_500);
    const second = call('second');
    await first;
    await call('third');
    await second;
    expect(order).toEqual(['first', 'third', 'second']);
  });

  test('tells again what nobody answered, and it is counted once', async () => {
    const ledger = await process({ report_ms: 0, idle_ms: 0 });
    for (const id of ['a', 'b', 'c']) await reserve(ledger, id, 100);
    await settle(ledger, 'a', 70);
    house.server.freeze();
    // Sent, and done by Redis once it goes on; the answer comes too late to be heard.
    await expect(ledger.flush()).rejects.toThrow(LedgerUnavailable);
    await settle(ledger, 'b', 80);
    house.server.thaw();
    await expect
      .poll(() =>
        ledger.flush().then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    await ledger.flush();
    expect(await counted()).toMatchObject({ spent: 150, held: 100 });
    expect((await entriesOf(ledger)).map(({ id }) => id)).toEqual(['a', 'b']);
    expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
  });
});

test('a Redis that lost everything is told what calls hold before it admits others, and what was spent', async () => {
  const ledger = await process({ idle_ms: 300, deadline_ms: 1_000, lease_ms: 2_000 });
  await reserve(ledger, 'a', 3_000);
  await reserve(ledger, 'b', 2_000);
  await settle(ledger, 'b', 1_500);
  await ledger.flush();
  await house.server.restart();
  await expect
    .poll(() =>
      reserve(ledger, 'c', 100).then(
        (one) => one.outcome,
        () => '',
      ),
    )
    .toBe('held');
  await expect
    .poll(() =>
      counted().then(
        ({ spent }) => spent,
        () => 0,
      ),
    )
    .toBe(1_500);
  const { spent, held } = await counted();
  expect(held).toBeGreaterThanOrEqual(3_100);
  expect(spent + held).toBeLessThanOrEqual(total.limit);
  expect((await settle(ledger, 'a', 2_000)).outcome).toBe('settled');
  await settle(ledger, 'c', 100);
  await expect.poll(counted).toEqual({ spent: 3_600, held: 0, leased: 0 });
});

describe('a process that died', () => {
  test('has spent its slices until its journal says better, and that counts once', async () => {
    const path = house.directory();
    const ledger = await process({ path, slice_lease_ms, report_ms: 0, reap_interval_ms: 0 });
    await reserve(ledger, 'a', 100);
    await reserve(ledger, 'b', 100);
    await settle(ledger, 'a', 30);
    const { leased } = await counted();
    const copy = house.leftOf(path);
    await sleep(slice_lease_ms + 100);
    await remote.reap();
    await remote.reap();
    expect(await counted()).toEqual({ spent: leased, held: 0, leased: 0 });
    expect(await entriesOf(remote)).toMatchObject([{ provisional: true, estimated: true }]);
    expect(await remote.reconcile('acme', { repair: false })).toEqual([]);

    const back = await process({ path: copy });
    await expect.poll(counted).toEqual({ spent: 30, held: 100, leased: 100 });
    expect((await settle(back, 'b', 50)).outcome).toBe('settled');
    await expect.poll(counted).toEqual({ spent: 80, held: 0, leased: 0 });
    expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
  });
});
