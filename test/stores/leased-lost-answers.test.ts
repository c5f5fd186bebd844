import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import type { LeasedLedger, RedisLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { wayTo } from '../support/redis-way.ts';

const total = budget({ window: 'total', limit: 10_000 });
const rolling = budget({ window: 'rolling', rolling_ms: 86_400_000, limit: 10_000 });
const budgets = [total, rolling];

const house = ledgerHouse();
let remote: RedisLedger;
let here: LeasedLedger;
let way: Awaited<ReturnType<typeof wayTo>>;
beforeEach(async () => {
  remote = await house.watcher();
  way = await wayTo(house.server.url);
  house.keep({ close: async () => way.close() });
  here = await house.process({ ahead_ms: 0, url: way.url });
});

/** A call whose lease was missed: it is settled at the estimate, and Redis was told. */
async function estimate(id: string, nusd: number): Promise<void> {
  expect((await here.reserve(request(id, { nusd }, { budgets, lease_ms: 1 }))).outcome).toBe('held');
  await sleep(5);
  expect(await here.reap()).toBe(1);
}
const settle = (id: string, nusd: number) =>
  here.settle({ id, organization: 'acme', amount: { nusd, tokens: 0 }, estimated: false });
const client = () => house.server.client();
/** What Redis did is in it, and nobody knows. */
const unanswered = async () => {
  await expect.poll(() => way.muted).toBe(true);
  await expect.poll(() => client().keys('llm:{acme}:slices:*')).toHaveLength(1);
  way.shut();
};
const told = async () => {
  const flushed = () =>
    here.flush().then(
      () => true,
      () => false,
    );
  for (let times = 0; times < 2; times++) await expect.poll(flushed).toBe(true);
};
const spent = async () => (await remote.read('acme', budgets, [])).budgets.map((one) => one.spent);

test('an estimate is not told anew to a primary that knows what replaced it', async () => {
  await estimate('a', 400);
  await settle('a', 700);
  way.muteAfter('"s","a"');
  const trade = here.flush().catch(() => {});
  await unanswered();
  await trade;
  await expect.poll(spent).toEqual([700, 700]);
  // As one that was a replica until now: all is there, but what it was met under.
  await client().del('llm:{acme}:primary', ...(await client().keys('llm:{acme}:epoch:*')));
  way.open();
  await told();
  expect(await spent()).toEqual([700, 700]);
  expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
});

test('nor is it told twice where the telling is not answered', async () => {
  await estimate('a', 400);
  way.shut();
  await settle('a', 700);
  await client().flushall();
  way.open();
  way.muteAfter('"estimates"');
  await unanswered();
  way.open();
  await told();
  expect(await spent()).toEqual([700, 700]);
  expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
});
