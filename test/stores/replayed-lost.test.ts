import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { RedisLedger, RedisLedgerOptions } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { wayTo } from '../support/redis-way.ts';
import { eventually } from '../support/wait.ts';

const organization = 'acme';
const budgets = [
  budget({ window: 'total', limit: 1_000_000 }),
  budget({ window: 'day', limit: 1_000_000, timeZone: 'Asia/Tokyo' }),
  budget({ window: 'total', unit: 'tokens', limit: 1_000_000 }),
  budget({ window: 'total', unit: 'requests', limit: 1_000_000 }),
  budget({ window: 'rolling', rolling_ms: 86_400_000, limit: 1_000_000 }),
];

const house = ledgerHouse();
const open = (owner: string, over: Partial<RedisLedgerOptions> = {}) =>
  house.watcher({ deadline_ms: 10_000, lease_ms: 200, owner, ...over });

async function hold(ledger: RedisLedger, id: string, nusd: number, lease_ms = 60_000): Promise<void> {
  const asked = { ...request(id, { nusd, tokens: nusd * 10 }, { budgets }), lease_ms };
  expect((await ledger.reserve(asked)).outcome).toBe('held');
}
const settlement = (id: string, nusd: number) => {
  return { id, organization, amount: { nusd, tokens: nusd * 10 }, estimated: false };
};
/** Asks something of Redis that changes nothing, and so meets it. */
const come = (ledger: RedisLedger) => eventually(() => ledger.release('nothing', organization).then(() => true));
const loseAll = () => house.server.client().flushall();
async function spent(ledger: RedisLedger): Promise<number[]> {
  return (await ledger.read(organization, budgets, [])).budgets.map((one) => one.spent);
}
const sums = (nusd: number, calls: number) => [nusd, nusd, nusd * 10, calls, nusd];

/** One that held, was cut off, posted what it cost and died: what it leaves is opened again. */
async function again(cost: number, lease_ms: number, meanwhile: () => Promise<void>): Promise<RedisLedger> {
  const way = await wayTo(house.server.url);
  const directory = house.directory();
  const first = await open('first', { url: way.url, outbox_path: join(directory, 'outbox') });
  await hold(first, 'call', 300, lease_ms);
  way.shut();
  await eventually(() =>
    first.reserve(request('no', { nusd: 1 }, { budgets })).then(
      () => false,
      () => true,
    ),
  );
  await first.post(settlement('call', cost));
  await meanwhile();
  return open('second', { outbox_path: join(house.leftOf(directory), 'outbox') });
}

test('what one settles that was started again counts, though nobody was told of it before Redis lost everything', async () => {
  const second = await again(500, 60_000, async () => {});
  const watch = await open('watch');
  expect(await spent(watch)).toEqual(sums(500, 1));
  await loseAll();
  await come(second);
  expect(await spent(watch)).toEqual(sums(500, 1));
  expect(await watch.reconcile(organization, { repair: false })).toEqual([]);
});

test.each([500, 100])('it takes the place of an estimate: it cost %i', async (cost) => {
  const other = await open('other');
  await hold(other, 'earlier', 1);
  const second = await again(cost, 1, async () => {
    await sleep(5);
    expect(await other.reap()).toBe(1);
    await hold(other, 'heard', 1);
    await sleep(2);
  });
  expect(await spent(other)).toEqual(sums(cost, 1));
  await loseAll();
  await Promise.all([come(second), come(other)]);
  expect(await spent(other)).toEqual(sums(cost, 1));
});
