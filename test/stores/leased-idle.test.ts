import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import type { LeasedLedger, Rate, RedisLedger } from '../../src/stores/index.ts';
import { rate, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const hour = rate({ limit: 100, window_ms: 3_600_000 });
const atOnce = rate({ unit: 'concurrent', limit: 10, window_ms: 0 });

const house = ledgerHouse();
let remote: RedisLedger;
beforeEach(async () => {
  remote = await house.watcher();
});

const call = async (ledger: LeasedLedger, id: string, ...rates: readonly Rate[]) =>
  (await ledger.reserve(request(id, { tokens: 10 }, { budgets: [], rates }))).outcome;
const settle = (ledger: LeasedLedger, id: string) =>
  ledger.settle({ id, organization: 'acme', amount: { nusd: 0, tokens: 10 }, estimated: false });
const used = async (...rates: readonly Rate[]) => (await remote.read('acme', [], rates)).rates.map((one) => one.used);

test('what was taken ahead of a rate goes back once no call took of it for a while', async () => {
  const ledger = await house.process({ report_ms: 20, idle_ms: 200 });
  expect(await call(ledger, 'a', hour)).toBe('held');
  await expect.poll(() => used(hour)).toEqual([1]);
});

test('and what calls held and did not use goes back once none needs it, though others come all the time', async () => {
  const day = rate({ unit: 'tokens', limit: 1_000, window_ms: 86_400_000 });
  const [busy, starving] = [await house.process({ report_ms: 20, idle_ms: 200 }), await house.process()];
  const take = async (ledger: LeasedLedger, id: string, tokens: number) =>
    (await ledger.reserve(request(id, { tokens }, { budgets: [], rates: [day] }))).outcome;
  expect(await take(busy, 'large', 900)).toBe('held');
  await settle(busy, 'large');
  let calls = 0;
  const starve = async () => {
    const id = `small${calls++}`;
    expect(await take(busy, id, 1)).toBe('held');
    await busy.release(id, 'acme');
    return take(starving, 'needs', 800);
  };
  await expect.poll(starve).toBe('held');
});

test('or once its slot is over', async () => {
  const seconds = rate({ limit: 100, window_ms: 18_000 });
  const ledger = await house.process({ report_ms: 20, idle_ms: 600_000 });
  expect(await call(ledger, 'a', seconds)).toBe('held');
  await expect.poll(() => used(seconds)).toEqual([1]);
});

test('a process that is closed leaves nothing behind that it had taken ahead, of however many rates', async () => {
  const ledger = await house.process({ idle_ms: 600_000 });
  const users = Array.from({ length: 600 }, (_, at) => ({ ...hour, scope: { kind: 'user' as const, id: `u${at}` } }));
  const calls = ['a', 'b', 'c'].map((id) => [id, [hour, atOnce]] as const);
  for (const [id, rates] of [...calls, ...users.map((one) => [one.scope.id, [one]] as const)]) {
    expect(await call(ledger, id, ...rates)).toBe('held');
    await settle(ledger, id);
  }
  const [taken = 0, seats = 0] = await used(hour, atOnce);
  expect(taken).toBeGreaterThan(3);
  expect(seats).toBeGreaterThan(0);
  await ledger.close();
  expect(await used(hour, atOnce)).toEqual([3, 0]);
  expect(new Set(await used(...users))).toEqual(new Set([1]));
});

test('seats that nobody sits on go to a process that starves, though calls come all the time', async () => {
  const [busy, starving] = [await house.process({ report_ms: 20, idle_ms: 600_000 }), await house.process()];
  const ids = Array.from({ length: 8 }, (_, at) => `a${at}`);
  for (const id of ids) expect(await call(busy, id, atOnce)).toBe('held');
  for (const id of ids) await busy.release(id, 'acme');
  expect((await used(atOnce))[0]).toBeGreaterThanOrEqual(8);
  let held = 0;
  const starve = async () => {
    if ((await call(starving, `b${held}`, atOnce)) === 'held') held++;
    // It goes on with one call at a time.
    const id = `busy${held}`;
    if ((await call(busy, id, atOnce)) === 'held') await busy.release(id, 'acme');
    return held;
  };
  await expect.poll(starve).toBe(10);
});

test('who starved for something is forgotten when that is over, however many there were', async () => {
  const ledger = await house.process();
  const client = house.server.client();
  const wanted = 'llm:{acme}:wanted';
  await client.hset(wanted, 'budget:team:old:total', 'somebody 1', 'budget:team:new:total', 'somebody 9000000000000');
  expect(await call(ledger, 'a', hour)).toBe('held');
  expect(await client.hkeys(wanted)).toEqual(['budget:team:new:total']);
});

test('how a rate stands is told to the second, whoever took of it, though nobody has to wait for more of it', async () => {
  const [here, there] = [await house.process({ idle_ms: 600_000 }), await house.process()];
  const stands = async (id: string) => {
    const reserved = await here.reserve(request(id, {}, { budgets: [], rates: [hour] }));
    return reserved.outcome === 'held' ? reserved.rates[0]! : expect.fail('it was refused');
  };
  const truth = async () => (await remote.read('acme', [], [hour])).rates[0]!;
  await stands('a');
  for (let at = 0; at < 40; at++) expect(await call(there, `there${at}`, hour)).toBe('held');
  await sleep(1_100);
  const asked_ms = performance.now();
  const told = await stands('b');
  const { reset_ms } = await truth();
  expect(Math.abs(told.reset_ms - reset_ms)).toBeLessThan(1_000 + performance.now() - asked_ms);
  await here.flush();
  expect((await stands('c')).used).toBeGreaterThanOrEqual(42);
});
