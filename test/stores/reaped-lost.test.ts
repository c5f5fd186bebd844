import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { RedisLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { eventually } from '../support/wait.ts';

const organization = 'acme';
const money = budget({ window: 'total', limit: 1_000_000 });
const tokens = budget({ window: 'total', unit: 'tokens', limit: 1_000_000 });
const requests = budget({ window: 'total', unit: 'requests', limit: 1_000_000 });
const rolling = budget({ window: 'rolling', rolling_ms: 86_400_000, limit: 1_000_000 });
const budgets = [money, tokens, requests, rolling];

const house = ledgerHouse();
const open = (owner: string) => house.watcher({ deadline_ms: 10_000, lease_ms: 200, owner });

async function hold(ledger: RedisLedger, id: string, nusd: number, lease_ms = 60_000): Promise<void> {
  const asked = { ...request(id, { nusd, tokens: nusd * 10 }, { budgets }), lease_ms };
  expect((await ledger.reserve(asked)).outcome).toBe('held');
}
const settle = (ledger: RedisLedger, id: string, nusd: number) =>
  ledger.settle({ id, organization, amount: { nusd, tokens: nusd * 10 }, estimated: false });
const come = (ledger: RedisLedger) => eventually(() => ledger.reap().then(() => true));
const loseAll = () => house.server.client().flushall();
const spent = async (ledger: RedisLedger) =>
  (await ledger.read(organization, budgets, [])).budgets.map((one) => one.spent);
const sums = (nusd: number, calls: number) => [nusd, nusd * 10, calls, nusd];

test('an estimate of one that died counts, though nobody was told a sum that has it in', async () => {
  const [here, there] = [await open('here'), await open('there')];
  await hold(here, 'other', 5);
  await hold(there, 'abandoned', 300, 1);
  await there.close();
  await sleep(5);
  expect(await here.reap()).toBe(1);
  await loseAll();
  await come(here);
  expect(await spent(here)).toEqual(sums(300, 1));
});

test('an estimate of one that lives is replaced once by what the call cost', async () => {
  const [here, there] = [await open('here'), await open('there')];
  await hold(there, 'slow', 300, 1);
  await sleep(5);
  expect(await here.reap()).toBe(1);
  await hold(here, 'other', 5);
  await loseAll();
  await Promise.all([come(here), come(there)]);
  await settle(there, 'slow', 100);
  expect(await spent(here)).toEqual(sums(100, 1));
  expect(await here.reconcile(organization, { repair: false })).toEqual([]);
});

test('an estimate that was replaced counts once', async () => {
  const [here, there] = [await open('here'), await open('there')];
  await hold(there, 'slow', 300, 1);
  await sleep(5);
  expect(await here.reap()).toBe(1);
  await hold(here, 'other', 5);
  await sleep(2);
  await settle(there, 'slow', 100);
  expect(await spent(here)).toEqual(sums(100, 1));
  await loseAll();
  await Promise.all([come(here), come(there)]);
  expect(await spent(here)).toEqual(sums(100, 1));
  expect(await here.reconcile(organization, { repair: false })).toEqual([]);
});
