import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import {
  LedgerUnavailable,
  openRedisLedger,
  type RedisLedger,
  type RedisLedgerOptions,
} from '../../src/stores/index.ts';
import { budget, refusalOf, request } from '../contracts/ledger.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type SentinelHouse, startSentinels } from '../support/sentinel.ts';
import { spend } from '../support/spenders.ts';
import { eventually as within } from '../support/wait.ts';

/** Failovers and restarts under load, on a machine that may be busy with others. */
const slow = { timeout: 120_000 };
const eventually = (condition: () => boolean | Promise<boolean>) => within(condition, 60_000);

const limit = 6_000;
const cost = 10;
const money = budget({ limit, window: 'total' });
const key = 'budget:team:research:total';
const opened: RedisLedger[] = [];
let notices: string[] = [];
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close();
  for (const stop of stops.splice(0)) await stop();
  notices = [];
});

async function open(options: Partial<RedisLedgerOptions>): Promise<RedisLedger> {
  const ledger = await openRedisLedger({
    keyPrefix: 'llm',
    owner: `gateway-${opened.length}`,
    deadline_ms: 250,
    reap_interval_ms: 100,
    lease_ms: 20_000,
    notice: (text) => notices.push(text),
    ...options,
  });
  opened.push(ledger);
  return ledger;
}

const spent = async (server: RedisServer): Promise<number> => {
  const client = server.client();
  const value = await client.hget(`llm:{acme}:${key}`, 'spent');
  client.disconnect();
  return Number(value ?? '0');
};

describe('a failover that loses acknowledged writes', () => {
  test(
    'under load: what was really called never passes the limit, and the counter comes to the truth',
    slow,
    async () => {
      const house: SentinelHouse = await startSentinels();
      stops.push(() => house.stop());
      const place = { sentinel: { name: house.name, nodes: house.nodes } };
      const ledgers = [await open(place), await open(place)];
      const load = spend(ledgers, { each: 8, cost, budget: money });
      await eventually(() => load.made() > 100);
      await house.cut();
      const atCut = load.made();
      await eventually(() => load.made() > atCut + 100);
      const before = load.made();
      await house.primary.kill();
      // The replica knows nothing of at least a hundred calls that were acknowledged.
      expect(await spent(house.replica)).toBeLessThan((before - 50) * cost);
      await house.promoted();
      await load.refused;
      expect(load.wrong()).toEqual([]);
      expect(load.made() * cost).toBeLessThanOrEqual(limit);
      await eventually(async () => (await ledgers[0]!.holds('acme')).length === 0);
      // A settlement under way when the primary died may count twice: there were no more of them than callers.
      const counted = await spent(house.replica);
      expect(counted).toBeGreaterThanOrEqual(load.made() * cost);
      expect(counted).toBeLessThanOrEqual((load.made() + 16) * cost);
      expect(await ledgers[0]!.reconcile('acme', { repair: false })).toEqual([]);
      // Both of them told; on a busy machine Redis may be missed, and told, more than once.
      expect(notices.filter((text) => text.includes('told it again')).length).toBeGreaterThanOrEqual(2);
    },
  );
});

describe('a Redis that was killed and comes back empty', () => {
  test.each([
    { how: 'settled', posted: false },
    { how: 'posted', posted: true },
  ])('under load, calls $how: what was really called never passes the limit', slow, async ({ posted }) => {
    const server = await startRedis();
    stops.push(() => server.stop());
    const ledgers = [await open({ url: server.url }), await open({ url: server.url })];
    const load = spend(ledgers, { each: 8, cost, budget: money, posted });
    for (const part of [0.3, 0.6]) {
      await eventually(() => load.made() * cost > part * limit);
      await server.restart();
    }
    await load.refused;
    expect(load.wrong()).toEqual([]);
    expect(load.made() * cost).toBeLessThanOrEqual(limit);
    await eventually(async () => (await ledgers[0]!.holds('acme')).length === 0);
    // What was settled and not acknowledged may have been in the newest sum already: it is counted rather than forgotten.
    expect(await spent(server)).toBeGreaterThanOrEqual(load.made() * cost);
    expect(await ledgers[0]!.reconcile('acme', { repair: false })).toEqual([]);
  });

  test('holds what its owners hold, whoever is there first', async () => {
    const server = await startRedis();
    stops.push(() => server.stop());
    const [one, other] = [await open({ url: server.url }), await open({ url: server.url })];
    const half = budget({ limit: 100 });
    await one.reserve(request('mine', { nusd: 60 }, { budgets: [half] }));
    await other.reserve(request('theirs', { nusd: 30 }, { budgets: [half] }));
    await server.restart();
    await eventually(async () => (await one.holds('acme')).length === 2);
    const refusal = refusalOf(await other.reserve(request('new', { nusd: 20 }, { budgets: [half] })));
    expect(refusal).toMatchObject({ kind: 'budget', spent: 0, held: 90 });
    expect((await one.holds('acme')).map(({ id, owner }) => `${id} ${owner}`).sort()).toEqual([
      'mine here',
      'theirs here',
    ]);
  });

  test('is told what others had spent before, and what was posted since', async () => {
    const server = await startRedis();
    stops.push(() => server.stop());
    const before = await openRedisLedger({ url: server.url, keyPrefix: 'llm', owner: 'before', deadline_ms: 2_000 });
    const settlement = { organization: 'acme', amount: { nusd: 50, tokens: 0 }, estimated: false };
    await before.reserve(request('first', { nusd: 50 }, { budgets: [money] }));
    await before.settle({ ...settlement, id: 'first' });
    await before.close();
    const ledger = await open({ url: server.url });
    const ids = ['a', 'b', 'c', 'd'];
    for (const id of ids) await ledger.reserve(request(id, { nusd: 50 }, { budgets: [money] }));
    for (const id of ids) await ledger.post({ ...settlement, id });
    await eventually(async () => (await spent(server)) === 250 && (await ledger.holds('acme')).length === 0);
    await sleep(200);
    await server.restart();
    await eventually(async () => (await spent(server)) === 250);
    expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
  });

  test('admits nothing until the leases are over of an owner that does not come back', async () => {
    const server = await startRedis();
    stops.push(() => server.stop());
    const ledger = await open({ url: server.url, lease_ms: 1_500 });
    await ledger.reserve(request('a', { nusd: 100 }));
    // As a process does that is killed later: it was heard of, and will not be again.
    const heard = performance.now();
    await server.client().zadd('llm:{acme}:owners', Date.now(), 'gone');
    await sleep(500);
    await server.restart();
    await expect(ledger.reserve(request('b', { nusd: 1 }))).rejects.toThrow(LedgerUnavailable);
    await eventually(async () => (await ledger.reserve(request('c', { nusd: 1 }))).outcome === 'held');
    expect(performance.now() - heard).toBeGreaterThan(1_490);
    expect(await ledger.holds('acme')).toMatchObject([{ id: 'a' }, { id: 'c' }]);
  });
});
