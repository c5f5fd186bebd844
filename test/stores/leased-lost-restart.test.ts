import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import type { LeasedLedger, LeasedLedgerOptions, RedisLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { wayTo } from '../support/redis-way.ts';

const organization = 'acme';
const total = budget({ window: 'total', limit: 100_000 });
const rolling = budget({ window: 'rolling', rolling_ms: 86_400_000, limit: 100_000 });
const day = budget({ window: 'day', limit: 100_000 });
const limits = { budgets: [total, rolling, day] };

const house = ledgerHouse();
let remote: RedisLedger;
let there: LeasedLedger;
beforeEach(async () => {
  remote = await house.watcher();
  there = await house.process(quiet);
});

const quiet: Partial<LeasedLedgerOptions> = { ahead_ms: 0, lease_ms: 300 };
const here = (path: string, url = house.server.url) => house.process({ ...quiet, path, url, owner: 'here' });
const reserve = async (ledger: LeasedLedger, id: string, nusd: number) =>
  expect((await ledger.reserve(request(id, { nusd }, limits))).outcome).toBe('held');
const settle = (ledger: LeasedLedger, id: string, nusd: number) =>
  ledger.settle({ id, organization, amount: { nusd, tokens: 0 }, estimated: false });
const spent = async () => (await remote.read(organization, limits.budgets, [])).budgets.map((one) => one.spent);

/** Everyone is told all there is. */
async function told(...ledgers: readonly LeasedLedger[]): Promise<void> {
  const flushed = () => Promise.all(ledgers.map((one) => one.flush())).catch(() => undefined);
  for (let times = 0; times < 2; times++) await expect.poll(flushed).toBeDefined();
}

/** What a process leaves that spent so much while Redis was away, and died; another one has heard all that was told before. */
async function left(nusd: number): Promise<string> {
  const way = await wayTo(house.server.url);
  house.keep({ close: async () => way.close() });
  const path = house.directory();
  const first = await here(path, way.url);
  await reserve(first, 'before', 100);
  await settle(first, 'before', 100);
  await reserve(first, 'a', nusd);
  await first.flush();
  way.shut();
  await settle(first, 'a', nusd);
  await reserve(there, 'other', 30);
  await settle(there, 'other', 30);
  await there.flush();
  await there.read(organization, limits.budgets, []);
  return house.leftOf(path);
}

describe.each([1, 2])(
  'what a process spent that died while it could not tell, and was started %d times since',
  (starts) => {
    async function again(path: string): Promise<LeasedLedger> {
      let at = path;
      for (let times = 1; ; times++) {
        const ledger = await here(at);
        if (times === starts) return ledger;
        at = house.leftOf(at);
      }
    }

    test('counts beside what others tell a Redis that has lost everything', async () => {
      const path = await left(400);
      await house.server.client().flushall();
      // It waits for the one that it knows of.
      const waiting = there.flush().catch(() => {});
      await expect.poll(() => house.server.client().hget('llm:{acme}:primary', 'state')).toBe('fenced');
      const back = await again(path);
      await told(back, there);
      await waiting;
      expect(await spent()).toEqual([530, 530, 530]);
      expect(await remote.reconcile(organization, { repair: false })).toEqual([]);
    });

    test('counts when Redis loses everything after it was told', async () => {
      const path = await left(400);
      const back = await again(path);
      await told(back);
      expect(await spent()).toEqual([530, 530, 530]);
      await house.server.client().flushall();
      await told(there, back);
      await sleep(5);
      expect(await spent()).toEqual([530, 530, 530]);
      expect(await remote.reconcile(organization, { repair: false })).toEqual([]);
    });
  },
);
