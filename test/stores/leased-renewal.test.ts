import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import type { Budget, LeasedLedger, LeasedLedgerOptions, RedisLedger } from '../../src/stores/index.ts';
import { LedgerUnavailable } from '../../src/stores/index.ts';
import { budget, entriesOf, rate, refusalOf, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const total = budget({ window: 'total', limit: 1_000 });
const key = 'budget:team:research:total';

const house = ledgerHouse();
let remote: RedisLedger;
beforeEach(async () => {
  remote = await house.watcher({ reap_interval_ms: 1_000 });
});

const process = (over: Partial<LeasedLedgerOptions> = {}) => house.process({ deadline_ms: 400, ...over });

const reserve = (ledger: LeasedLedger, id: string, nusd: number, budgets: readonly Budget[] = [total]) =>
  ledger.reserve(request(id, { nusd }, { budgets }));
const settle = (ledger: LeasedLedger, id: string, nusd: number) =>
  ledger.settle({ id, organization: 'acme', amount: { nusd, tokens: 0 }, estimated: false });
const amend = (ledger: LeasedLedger, id: string, nusd: number, lease_ms = 60_000) =>
  ledger.amend({ id, organization: 'acme', amount: { nusd, tokens: 0 }, budgets: [], rates: [], lease_ms });
/** A call whose lease was missed: it is settled at the estimate, and everyone may know. */
async function slow(
  ledger: LeasedLedger,
  id: string,
  nusd: number,
  budgets: readonly Budget[] = [total],
): Promise<void> {
  expect((await reserve(ledger, id, nusd, budgets)).outcome).toBe('held');
  await lapse(ledger, id, nusd);
}
async function lapse(ledger: LeasedLedger, id: string, nusd: number): Promise<void> {
  expect((await amend(ledger, id, nusd, 1)).outcome).toBe('held');
  await sleep(5);
  expect(await ledger.reap()).toBe(1);
}
const counted = async () => {
  const [one] = await remote.counters('acme');
  return { spent: one?.spent ?? 0, held: one?.held ?? 0, leased: one?.leased ?? 0 };
};
const flushed = (ledger: LeasedLedger) =>
  ledger.flush().then(
    () => true,
    () => false,
  );
const sound = async () => expect(await remote.reconcile('acme', { repair: false })).toEqual([]);

test('an estimate that was forgiven is not held again where others have its room by now', async () => {
  const [here, there] = [await process({ ahead_ms: 0 }), await process({ ahead_ms: 0 })];
  await slow(here, 'a', 400);
  expect(await counted()).toEqual({ spent: 400, held: 0, leased: 0 });
  await there.reset('acme', key);
  expect((await reserve(there, 'b', 700)).outcome).toBe('held');
  for (let renewals = 0; renewals < 3; renewals++) {
    expect(refusalOf(await amend(here, 'a', 400))).toMatchObject({ asked: 400, spent: 0, held: 700, limit: 1_000 });
    expect(await counted()).toEqual({ spent: 0, held: 700, leased: 700 });
  }
  expect(refusalOf(await amend(here, 'a', 301))).toMatchObject({ asked: 301 });
  expect(await here.holds('acme')).toEqual([]);
  expect((await amend(here, 'a', 300)).outcome).toBe('held');
  expect(await counted()).toEqual({ spent: 0, held: 1_000, leased: 1_000 });
  await sound();
  await settle(here, 'a', 300);
  await settle(there, 'b', 100);
  await here.flush();
  await there.flush();
  expect(await counted()).toEqual({ spent: 400, held: 0, leased: 0 });
  await sound();
});

test('one that counts in one budget and was forgiven in another is moved in the one, and asked for in the other', async () => {
  const mine = budget({ window: 'total', limit: 500, scope: { kind: 'user', id: 'u' } });
  const [here, there] = [await process({ ahead_ms: 0 }), await process({ ahead_ms: 0 })];
  await slow(here, 'a', 400, [total, mine]);
  await there.reset('acme', key);
  // Of the user's budget no second estimate would fit.
  expect((await amend(here, 'a', 500)).outcome).toBe('held');
  const state = await remote.read('acme', [total, mine], []);
  expect(state.budgets).toMatchObject([
    { spent: 0, held: 500 },
    { spent: 0, held: 500 },
  ]);
  await lapse(here, 'a', 500);
  await there.reset('acme', key);
  expect((await reserve(there, 'b', 501)).outcome).toBe('held');
  expect((await amend(here, 'a', 500)).outcome).toBe('refused');
  // What was refused has changed nothing, and what it cost is counted where the estimate is.
  expect((await remote.read('acme', [total, mine], [])).budgets).toMatchObject([
    { spent: 0, held: 501 },
    { spent: 500, held: 0 },
  ]);
  expect((await settle(here, 'a', 510)).outcome).toBe('settled');
  await here.flush();
  expect((await remote.read('acme', [total, mine], [])).budgets).toMatchObject([{ spent: 10 }, { spent: 510 }]);
  await sound();
});

test('what ends a hold while its renewal is under way ends the hold it becomes', async () => {
  const ledger = await process({ ahead_ms: 0 });
  for (const [id, end] of [
    ['settled', () => settle(ledger, 'settled', 70).then(({ outcome }) => outcome)],
    [
      'posted',
      () => ledger.post({ id: 'posted', organization: 'acme', amount: { nusd: 70, tokens: 0 }, estimated: false }),
    ],
    ['released', () => ledger.release('released', 'acme')],
  ] as const) {
    await slow(ledger, id, 400);
    const renewals = [amend(ledger, id, 300), amend(ledger, id, 200)];
    const ended = end();
    for (const one of await Promise.all(renewals.map((one) => one.catch(() => undefined)))) {
      if (one !== undefined) expect(one.outcome).toBe('held');
    }
    if (id === 'settled') expect(await ended).toBe('settled');
    await ended;
    await ledger.flush();
    expect(await counted()).toEqual({
      spent: id === 'released' ? 140 : id === 'posted' ? 140 : 70,
      held: 0,
      leased: 0,
    });
    await sound();
  }
});

test('a renewal that was done and not answered is no hold: its estimate counts as before, once', async () => {
  for (const thawed of [true, false]) {
    const ledger = await process({ ahead_ms: 0 });
    const id = `a-${thawed}`;
    const before = await counted();
    await slow(ledger, id, 400);
    house.server.freeze();
    await expect(amend(ledger, id, 400)).rejects.toThrow(LedgerUnavailable);
    expect(await ledger.holds('acme').catch(() => [])).toEqual([]);
    house.server.thaw();
    // With its late answer, or before it comes.
    if (thawed) await expect.poll(counted, { timeout: 5_000 }).toEqual({ ...before, held: 400, leased: 400 });
    await expect.poll(() => flushed(ledger), { timeout: 5_000 }).toBe(true);
    expect(await counted()).toEqual({ ...before, spent: before.spent + 400 });
    await sound();
    expect((await amend(ledger, id, 300)).outcome).toBe('held');
    await ledger.flush();
    expect(await counted()).toEqual({ ...before, held: 300, leased: 300 });
    expect((await settle(ledger, id, 250)).outcome).toBe('settled');
    await ledger.flush();
    expect(await counted()).toEqual({ ...before, spent: before.spent + 250 });
    await sound();
  }
  expect((await entriesOf(remote)).filter(({ provisional }) => !provisional)).toHaveLength(2);
});

test('who dies before its renewal is answered leaves an estimate, whether it was done or not', async () => {
  const [done, undone] = [house.directory(), house.directory()];
  for (const path of [done, undone]) {
    const before = await counted();
    const ledger = await process({ path, ahead_ms: 0 });
    await slow(ledger, 'a', 400);
    if (path === undone) await remote.reset('acme', key);
    house.server.freeze();
    const renewal = amend(ledger, 'a', 400).catch(() => undefined);
    await sleep(50);
    const copy = house.leftOf(path);
    house.server.thaw();
    if (path === done) await expect.poll(counted, { timeout: 5_000 }).toEqual({ ...before, held: 400, leased: 400 });
    await renewal;
    const again = await process({ path: copy, ahead_ms: 0 });
    await expect.poll(() => flushed(again), { timeout: 5_000 }).toBe(true);
    const spent = path === done ? before.spent + 400 : 0;
    expect(await counted()).toEqual({ spent, held: 0, leased: 0 });
    await sound();
    expect((await settle(again, 'a', 450)).outcome).toBe('settled');
    await again.flush();
    expect(await counted()).toEqual({ spent: spent + 50, held: 0, leased: 0 });
    await sound();
  }
});

test('a seat that a refused renewal took goes back, and so does what it took of a window', async () => {
  const seats = rate({ unit: 'concurrent', limit: 1, window_ms: 0 });
  const speed = rate({ unit: 'requests', limit: 10, window_ms: 3_600_000 });
  const [here, there] = [await process({ ahead_ms: 0 }), await process({ ahead_ms: 0 })];
  await slow(here, 'a', 400);
  await there.reset('acme', key);
  expect((await reserve(there, 'b', 700)).outcome).toBe('held');
  const asked = { id: 'a', organization: 'acme', amount: { nusd: 400, tokens: 0 }, lease_ms: 60_000, budgets: [] };
  expect((await here.amend({ ...asked, rates: [seats, speed] })).outcome).toBe('refused');
  await here.flush();
  expect((await remote.read('acme', [], [seats, speed])).rates).toMatchObject([{ used: 0 }, { used: 0 }]);
  await there.release('b', 'acme');
  await there.flush();
  expect((await here.amend({ ...asked, rates: [seats, speed] })).outcome).toBe('held');
  expect((await remote.read('acme', [], [seats, speed])).rates).toMatchObject([{ used: 1 }, { used: 1 }]);
});

test('while Redis is lost an estimate is held again within the share alone: whether it counts nobody can say', async () => {
  const shared: Budget = { ...total, onLoss: 'local_share' };
  const settings = { ahead_ms: 0, onLoss: () => 'local_share' as const };
  const [here, there] = [await process(settings), await process(settings)];
  await slow(here, 'a', 400, [shared]);
  await there.reset('acme', key);
  expect((await reserve(there, 'b', 500, [shared])).outcome).toBe('held');
  await here.read('acme', [shared], []);
  await expect
    .poll(async () => (await house.server.client().zcard('llm:processes')) === 2, { timeout: 5_000 })
    .toBe(true);
  await sleep(1_200);
  house.server.freeze();
  expect((await amend(here, 'a', 251)).outcome).toBe('refused');
  expect((await amend(here, 'a', 250)).outcome).toBe('held');
  house.server.thaw();
  await expect.poll(() => flushed(here), { timeout: 5_000 }).toBe(true);
  await expect.poll(counted, { timeout: 5_000 }).toEqual({ spent: 0, held: 750, leased: 750 });
  await sound();
});

test('slices of a process that was away count where there is room for them, once what they counted as was forgiven', async () => {
  const settings = { slice_lease_ms: 250, idle_ms: 60_000 };
  const [here, there] = [await process(settings), await process({ ahead_ms: 0 })];
  for (const id of ['a', 'b']) expect((await reserve(here, id, 200)).outcome).toBe('held');
  expect((await counted()).leased).toBeGreaterThan(400);
  await sleep(300);
  await remote.reap();
  expect((await counted()).leased).toBe(0);
  await there.reset('acme', key);
  // Room for one of them is left, and for nothing of what no call holds.
  expect((await reserve(there, 'c', 750)).outcome).toBe('held');
  await here.flush();
  expect(await counted()).toEqual({ spent: 0, held: 1_000, leased: 1_000 });
  expect(refusalOf(await reserve(here, 'd', 51))).toMatchObject({ asked: 51 });
  const renewals = [await amend(here, 'a', 200), await amend(here, 'b', 200)];
  expect(renewals.map(({ outcome }) => outcome).sort()).toEqual(['held', 'refused']);
  await here.flush();
  expect((await counted()).held).toBeLessThanOrEqual(1_000);
  await sound();
  // What has its room costs what it costs; of the other only what goes beyond its estimate counts.
  for (const id of ['a', 'b']) expect((await settle(here, id, 210)).outcome).toBe('settled');
  await there.release('c', 'acme');
  for (const one of [here, there]) await one.flush();
  expect((await counted()).spent).toBe(220);
  await sound();
});

test('nor does what such a process held for calls that are over by then, however many of them there were', async () => {
  const mine = budget({ window: 'total', limit: 1_000, scope: { kind: 'user', id: 'u' } });
  const [here, there] = [await process({ slice_lease_ms: 250 }), await process({ ahead_ms: 0 })];
  const ids = ['a', 'b', 'c'];
  for (const id of ids) expect((await reserve(here, id, 200, [total, mine])).outcome).toBe('held');
  for (const id of ids) expect((await amend(here, id, 200, 200)).outcome).toBe('held');
  await sleep(300);
  await remote.reap();
  await there.reset('acme', key);
  expect((await reserve(there, 'd', 700)).outcome).toBe('held');
  expect(await here.reap()).toBe(3);
  const state = async () => (await remote.read('acme', [total, mine], [])).budgets;
  // One is covered, and part of a second; in the other budget nobody forgave anything.
  expect(await state()).toMatchObject([
    { spent: 200, held: 700 },
    { spent: 600, held: 0 },
  ]);
  await sound();
  const outcomes = [];
  for (const id of ids) outcomes.push((await amend(here, id, 200)).outcome);
  expect(outcomes).toEqual(['held', 'refused', 'refused']);
  await there.release('d', 'acme');
  await there.flush();
  expect((await amend(here, 'b', 200)).outcome).toBe('held');
  await settle(here, 'c', 250);
  await here.flush();
  expect(await state()).toMatchObject([
    { spent: 50, held: 400 },
    { spent: 250, held: 400 },
  ]);
  await sound();
});

test('nor does an estimate whose renewal was not answered before its process was away', async () => {
  const [here, there] = [await process({ ahead_ms: 0, slice_lease_ms: 500 }), await process({ ahead_ms: 0 })];
  await slow(here, 'a', 400);
  house.server.freeze();
  await expect(amend(here, 'a', 400)).rejects.toThrow(LedgerUnavailable);
  house.server.thaw();
  await expect.poll(counted, { timeout: 5_000 }).toEqual({ spent: 0, held: 400, leased: 400 });
  await expect.poll(() => remote.reap().then(counted), { timeout: 5_000 }).toEqual({ spent: 400, held: 0, leased: 0 });
  await remote.reset('acme', key);
  await expect.poll(() => flushed(there), { timeout: 5_000 }).toBe(true);
  expect((await reserve(there, 'b', 900)).outcome).toBe('held');
  await expect.poll(() => flushed(here), { timeout: 5_000 }).toBe(true);
  await here.flush();
  expect(await counted()).toEqual({ spent: 0, held: 900, leased: 900 });
  await sound();
  expect((await amend(here, 'a', 101)).outcome).toBe('refused');
  expect((await amend(here, 'a', 100)).outcome).toBe('held');
  await settle(here, 'a', 90);
  await here.flush();
  expect(await counted()).toEqual({ spent: 90, held: 900, leased: 900 });
  await sound();
});
