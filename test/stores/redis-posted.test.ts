import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openRedisLedger, type RedisLedger } from '../../src/stores/index.ts';
import { budget, rate, request } from '../contracts/ledger.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

let server: RedisServer;
const opened: RedisLedger[] = [];
beforeEach(async () => {
  server = await startRedis();
});
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close();
  await server.stop();
});

async function open(): Promise<RedisLedger> {
  const ledger = await openRedisLedger({
    url: server.url,
    keyPrefix: 'llm',
    owner: 'here',
    deadline_ms: 30_000,
    reap_interval_ms: 0,
  });
  opened.push(ledger);
  return ledger;
}

const calls = async (): Promise<number> =>
  Number(/cmdstat_evalsha:calls=(\d+)/.exec(await server.client().info('commandstats'))?.[1]);
const cost = (id: string, nusd = 10) => ({
  id,
  organization: 'acme',
  amount: { nusd, tokens: 0 },
  estimated: false,
});
const wide = { budgets: [budget({ limit: 1e9 })], rates: [rate({ unit: 'concurrent', limit: 100, window_ms: 0 })] };
const seat = { budgets: [], rates: [rate({ unit: 'concurrent', limit: 1, window_ms: 0 })] };
const calls_made = 40;

/** Calls one after the other; answers how many scripts Redis ran for them. */
async function sequence(ledger: RedisLedger, limits: typeof wide): Promise<number> {
  await ledger.reserve(request('first', { nusd: 10 }, limits));
  await ledger.release('first', 'acme');
  const before = await calls();
  for (let at = 0; at < calls_made; at += 1) {
    const reserved = await ledger.reserve(request(`c${at}`, { nusd: 10 }, limits));
    expect(reserved.outcome).toBe('held');
    await ledger.post(cost(`c${at}`));
    // The turn of the event loop in which it was posted is over.
    await new Promise(setImmediate);
    await new Promise(setImmediate);
  }
  await eventually(async () => (await ledger.holds('acme')).length === 0);
  return (await calls()) - before;
}

describe('a settlement that nobody waits for', () => {
  test('is seen by whoever looks at the counters next, in this process', async () => {
    const ledger = await open();
    for (let at = 0; at < calls_made; at += 1) {
      await ledger.reserve(request(`c${at}`, { nusd: 10 }, wide));
      await ledger.post(cost(`c${at}`, 7));
      const counters = await ledger.counters('acme');
      expect(counters.map(({ spent, held }) => [spent, held])).toEqual([[7 * (at + 1), 0]]);
      expect(await ledger.holds('acme')).toEqual([]);
    }
  });

  test('goes with what is asked next, in front of it', async () => {
    const ledger = await open();
    const scripts = await sequence(ledger, wide);
    // One for each call, one for the last settlement, some to look for holds, and what a busy machine sent by itself.
    expect(scripts).toBeLessThan(calls_made * 1.6);
    expect(await ledger.counters('acme')).toMatchObject([{ spent: calls_made * 10, held: 0, requests: calls_made }]);
    expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
  });

  test('leaves at once where others may wait for what it gives back', async () => {
    expect(await sequence(await open(), seat)).toBeGreaterThanOrEqual(calls_made * 2);
  });

  test('leaves at once where it makes room in a budget that is nearly used up', async () => {
    const ledger = await open();
    const limits = { budgets: [budget({ limit: calls_made * 10 + 19 })], rates: [] };
    await ledger.reserve(request('big', { nusd: 10 * calls_made }, limits));
    const before = await calls();
    await ledger.post(cost('big', 0));
    await eventually(async () => (await calls()) > before);
    for (let at = 0; at < 3; at += 1) {
      expect((await ledger.reserve(request(`c${at}`, { nusd: 10 * calls_made }, limits))).outcome).toBe('held');
      await ledger.post(cost(`c${at}`, 0));
    }
  });

  test('leaves by itself where nothing else is asked', async () => {
    const [ledger, other] = [await open(), await open()];
    await ledger.reserve(request('a', { nusd: 10 }, wide));
    await ledger.post(cost('a'));
    await eventually(async () => (await other.holds('acme')).length === 0);
    expect(await other.counters('acme')).toMatchObject([{ spent: 10, held: 0 }]);
  });

  test('is sent before its process ends', async () => {
    const ledger = await open();
    await ledger.reserve(request('a', { nusd: 10 }, wide));
    await ledger.post(cost('a'));
    await ledger.close();
    expect(await (await open()).counters('acme')).toMatchObject([{ spent: 10, held: 0 }]);
  });

  test('comes before what is asked of its own id afterwards', async () => {
    const ledger = await open();
    await ledger.reserve(request('a', { nusd: 10 }, wide));
    await ledger.post(cost('a', 7));
    expect((await ledger.settle(cost('a', 9))).outcome).toBe('repeated');
    await ledger.reserve(request('b', { nusd: 10 }, wide));
    await ledger.post(cost('b', 7));
    await ledger.release('b', 'acme');
    await ledger.reserve(request('c', { nusd: 10 }, wide));
    await ledger.amend(request('c', { nusd: 20 }, wide));
    await ledger.post(cost('c', 15));
    expect((await ledger.read('acme', wide.budgets, [])).budgets).toMatchObject([{ spent: 29, held: 0 }]);
  });
});
