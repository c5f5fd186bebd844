import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import type { Budget, LeasedLedger, LeasedLedgerOptions, RedisLedger } from '../../src/stores/index.ts';
import { budget, refusalOf, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const total = budget({ window: 'total', limit: 1_000 });
const mine = budget({ window: 'total', limit: 1_000, scope: { kind: 'user', id: 'u' } });
const rolling = budget({ window: 'rolling', rolling_ms: 86_400_000, limit: 1_000 });
const key = 'budget:team:research:total';

const house = ledgerHouse();
let remote: RedisLedger;
beforeEach(async () => {
  remote = await house.watcher();
});

const process = (over: Partial<LeasedLedgerOptions> = {}) =>
  house.process({ deadline_ms: 400, ahead_ms: 0, lease_ms: 30_000, ...over });

const reserve = (ledger: LeasedLedger, id: string, nusd: number, budgets: readonly Budget[] = [total]) =>
  ledger.reserve(request(id, { nusd, tokens: 7 }, { budgets }));
const settle = (ledger: LeasedLedger, id: string, nusd: number) =>
  ledger.settle({ id, organization: 'acme', amount: { nusd, tokens: 7 }, estimated: false });
const amend = (ledger: LeasedLedger, id: string, nusd: number, lease_ms = 60_000) =>
  ledger.amend({ id, organization: 'acme', amount: { nusd, tokens: 7 }, budgets: [], rates: [], lease_ms });
/** A call whose lease was missed: it is settled at the estimate, and everyone may know. */
async function slow(ledger: LeasedLedger, id: string, nusd: number, budgets?: readonly Budget[]): Promise<void> {
  expect((await reserve(ledger, id, nusd, budgets)).outcome).toBe('held');
  expect((await amend(ledger, id, nusd, 1)).outcome).toBe('held');
  await sleep(5);
  expect(await ledger.reap()).toBe(1);
}
const counted = async () => {
  const all = await remote.counters('acme');
  return Object.fromEntries(all.map(({ key, spent, held }) => [key.replace('budget:', ''), { spent, held }]));
};
const sound = async () => expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
const flushed = (ledger: LeasedLedger) =>
  ledger.flush().then(
    () => true,
    () => false,
  );
/** Redis comes back with nothing, and is told again by all of these: each may have to wait for the others. */
async function loseAll(...ledgers: readonly LeasedLedger[]): Promise<void> {
  await house.server.restart();
  await expect.poll(async () => (await Promise.all(ledgers.map(flushed))).every((told) => told)).toBe(true);
}

test('an estimate counts once when Redis has lost everything: held again, settled or given back', async () => {
  const [here, there] = [await process(), await process()];
  for (const end of ['held', 'settled', 'released'] as const) {
    const id = `a-${end}`;
    await slow(here, id, 400, [total, rolling]);
    await reserve(there, `b-${end}`, 50);
    await settle(there, `b-${end}`, 50);
    await there.flush();
    const { spent } = (await counted())['team:research:total']!;
    await loseAll(here, there);
    await expect.poll(counted).toMatchObject({ 'team:research:total': { spent, held: 0 } });
    await sound();
    if (end === 'held') {
      expect((await amend(here, id, 300)).outcome).toBe('held');
      await here.flush();
      expect(await counted()).toMatchObject({
        'team:research:total': { spent: spent - 400, held: 300 },
        'team:research:rolling:86400s': { spent: 0, held: 300 },
      });
    }
    const cost = end === 'released' ? 0 : 150;
    if (end === 'released') await here.release(id, 'acme');
    else expect((await settle(here, id, cost)).outcome).toBe('settled');
    await here.flush();
    expect(await counted()).toMatchObject({ 'team:research:total': { spent: spent - 400 + cost, held: 0 } });
    await sound();
  }
  expect(await counted()).toMatchObject({ 'team:research:rolling:86400s': { spent: 300, held: 0 } });
});

test('again and again, and beside others that tell theirs', async () => {
  const [here, there] = [await process(), await process()];
  await slow(here, 'a', 400);
  await slow(there, 'b', 300);
  for (let times = 0; times < 2; times++) {
    await loseAll(here, there);
    await expect.poll(counted).toEqual({ 'team:research:total': { spent: 700, held: 0 } });
  }
  expect((await amend(here, 'a', 500)).outcome).toBe('held');
  await settle(there, 'b', 100);
  await there.flush();
  expect(await counted()).toEqual({ 'team:research:total': { spent: 100, held: 500 } });
  await sound();
});

test.each([true, false])(
  'one that was forgiven before is not taken back from what others have spent since, whether its process heard of it (%s)',
  async (heard) => {
    const [here, there] = [await process(), await process()];
    await slow(here, 'a', 400, [total, mine]);
    await there.reset('acme', key);
    await reserve(there, 'b', 700);
    await settle(there, 'b', 700);
    await there.flush();
    if (heard) await here.read('acme', [total], []);
    await loseAll(here, there);
    const state = async () => (await remote.read('acme', [total, mine], [])).budgets;
    await expect.poll(state).toMatchObject([
      { spent: 700, held: 0 },
      { spent: 400, held: 0 },
    ]);
    expect(refusalOf(await amend(here, 'a', 400))).toMatchObject({ asked: 400, spent: 700 });
    expect((await amend(here, 'a', 300)).outcome).toBe('held');
    await here.flush();
    expect(await state()).toMatchObject([
      { spent: 700, held: 300 },
      { spent: 0, held: 300 },
    ]);
    await settle(here, 'a', 250);
    await here.flush();
    expect(await state()).toMatchObject([{ spent: 950 }, { spent: 250 }]);
    await sound();
  },
);

test.each([0, 1])(
  'one that was forgiven before does not count again where less was spent since, whoever comes first (%i)',
  async (first) => {
    const all = [await process({ lease_ms: 1_000 }), await process({ lease_ms: 1_000 })];
    const [here, there] = all as [LeasedLedger, LeasedLedger];
    await slow(here, 'a', 90, [total, mine]);
    await reserve(there, 'b', 10);
    // Each knows of the other, and waits for it.
    await here.read('acme', [mine], []);
    await there.reset('acme', key);
    await sleep(2);
    await there.read('acme', [total], []);
    await house.server.client().flushall();
    const one = flushed(all[first]!);
    await expect.poll(() => house.server.client().hget('llm:{acme}:primary', 'state')).toBe('fenced');
    await one;
    await expect.poll(async () => (await Promise.all(all.map(flushed))).every((told) => told)).toBe(true);
    const state = async () => (await remote.read('acme', [total, mine], [])).budgets;
    expect(await state()).toMatchObject([
      { spent: 0, held: 10 },
      { spent: 90, held: 0 },
    ]);
    await sound();
    // What it cost more than that is new.
    await settle(here, 'a', 100);
    await here.flush();
    expect(await state()).toMatchObject([
      { spent: 10, held: 10 },
      { spent: 100, held: 0 },
    ]);
    await sound();
  },
);

test('one that nobody was told of counts once as well, in a counter that was set to zero before', async () => {
  const here = await process();
  await reserve(here, 'before', 100);
  await settle(here, 'before', 100);
  await here.reset('acme', key);
  await here.read('acme', [total], []);
  await reserve(here, 'a', 400);
  await here.flush();
  await house.server.kill();
  await amend(here, 'a', 400, 1);
  await sleep(5);
  await here.reap().catch(() => {});
  await loseAll(here);
  await expect.poll(counted).toEqual({ 'team:research:total': { spent: 400, held: 0 } });
  expect((await amend(here, 'a', 300)).outcome).toBe('held');
  await here.flush();
  expect(await counted()).toEqual({ 'team:research:total': { spent: 0, held: 300 } });
  await sound();
});

test('one that has aged out of a rolling window is not taken back from what was spent since', async () => {
  const short = budget({ window: 'rolling', rolling_ms: 3_000, limit: 1_000 });
  const [here, there] = [await process(), await process()];
  await slow(here, 'a', 400, [short]);
  await sleep(3_200);
  await reserve(there, 'b', 500, [short]);
  await settle(there, 'b', 500);
  await there.flush();
  await loseAll(here, there);
  const state = async () => (await remote.read('acme', [short], [])).budgets[0]!;
  await expect.poll(async () => (await state()).spent).toBe(500);
  expect((await amend(here, 'a', 400)).outcome).toBe('held');
  // Counted anew by now, and for as long as the window is.
  expect(await state()).toMatchObject({ spent: 500, held: 400 });
  await sound();
});
