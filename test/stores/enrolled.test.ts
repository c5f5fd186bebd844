import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { RedisLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { eventually } from '../support/wait.ts';

const organization = 'acme';
const house = ledgerHouse();
const budgets = [budget({ window: 'total', limit: 100 })];
const reserve = (ledger: RedisLedger, id: string, lease_ms: number) =>
  ledger.reserve({ ...request(id, { nusd: 100 }, { budgets }), lease_ms });

test('what one abandoned that told it a Redis that had lost everything is settled by those who come later', async () => {
  const gone = await house.watcher({ owner: 'gone', lease_ms: 200 });
  await reserve(gone, 'a', 100);
  await house.server.client().flushall();
  await eventually(() => gone.release('nothing', organization).then(() => true));
  await gone.close();
  const here = await house.watcher({ owner: 'here' });
  await sleep(150);
  expect(await here.reap()).toBe(1);
});

test('what one abandoned whom nobody knew of is settled by those whom it keeps from calling', async () => {
  const gone = await house.watcher({ owner: 'gone' });
  await reserve(gone, 'a', 1);
  // As one has it that dies as soon as its call is admitted.
  await house.server.client().del('llm:organizations');
  await gone.close();
  const here = await house.watcher({ owner: 'here' });
  expect((await reserve(here, 'b', 60_000)).outcome).toBe('refused');
  expect(await here.reap()).toBe(1);
  expect(await here.holds(organization)).toEqual([]);
});
