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
  way.muteAfter('"s","a"');
  await unanswered();
  way.open();
  await told();
  expect(await spent()).toEqual([700, 700]);
  expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
});

test('what Redis did and nobody heard of is not counted beside a sum that another heard after it', async () => {
  const other = await house.process({ ahead_ms: 0 });
  expect((await here.reserve(request('a', { nusd: 700 }, { budgets }))).outcome).toBe('held');
  await settle('a', 700);
  way.muteAfter('"s","a"');
  const trade = here.flush().catch(() => {});
  await expect.poll(() => way.muted).toBe(true);
  await expect.poll(spent).toEqual([700, 700]);
  way.shut();
  await trade;
  expect((await other.reserve(request('b', { nusd: 10 }, { budgets }))).outcome).toBe('held');
  await other.settle({ id: 'b', organization: 'acme', amount: { nusd: 10, tokens: 0 }, estimated: false });
  await other.flush();
  expect(await spent()).toEqual([710, 710]);
  // As one that was started again with all it had.
  await client().del('llm:{acme}:primary', ...(await client().keys('llm:{acme}:epoch:*')));
  way.open();
  await Promise.all([
    told(),
    expect
      .poll(() =>
        other.flush().then(
          () => true,
          () => false,
        ),
      )
      .toBe(true),
  ]);
  expect(await spent()).toEqual([710, 710]);
  expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
});

test('and is counted beside what it heard itself where it told all that to a primary that lost everything, unheard', async () => {
  await here.reserve(request('h', { nusd: 300 }, { budgets }));
  await settle('h', 300);
  await here.flush();
  await here.reserve(request('a', { nusd: 700 }, { budgets }));
  way.shut();
  await settle('a', 700);
  await client().flushall();
  way.open();
  way.muteAfter('"s","a"');
  await expect.poll(() => way.muted).toBe(true);
  await expect.poll(() => client().keys('llm:{acme}:slices:*')).toHaveLength(1);
  way.shut();
  way.open();
  await told();
  expect(await spent()).toEqual([1000, 1000]);
  expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
  expect(await client().exists('llm:{acme}:had')).toBe(0);
});
