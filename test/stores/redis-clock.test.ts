import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRedisLedger, type RedisLedger } from '../../src/stores/index.ts';
import { slotting } from '../../src/stores/rate-key.ts';
import { budget, rate, refusalOf, request } from '../contracts/ledger.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

let server: RedisServer;
let ledger: RedisLedger;
beforeAll(async () => {
  server = await startRedis();
  const options = { url: server.url, keyPrefix: 'llm', owner: 'here', deadline_ms: 30_000, reap_interval_ms: 0 };
  ledger = await openRedisLedger(options);
});
afterAll(async () => {
  await ledger.close();
  await server.stop();
});

const window_ms = 3_000;
const two = [rate({ limit: 2, window_ms })];
const call = (id: string) => ledger.reserve(request(id, { nusd: 1 }, { budgets: [], rates: two }));

test('a rate comes back in its own time after the clock of Redis was a month ahead, and what counted then counts', async () => {
  for (const id of ['a', 'b']) expect((await call(id)).outcome).toBe('held');
  // What those calls had left, had the clock been about a month ahead: every slot in its place, that much later.
  const redis = server.client();
  const key = `llm:{acme}:rate:team:research:requests:${window_ms}`;
  const { slot_ms, count } = slotting(window_ms);
  const rounds = Math.ceil((31 * 86_400_000) / (slot_ms * count));
  await redis.hincrby(key, 'head', rounds * count);
  await redis.hincrby(key, 'last', rounds * count);
  await redis.pexpire(key, 31 * 86_400_000);

  const refusal = refusalOf(await call('c'));
  if (refusal.kind !== 'rate') throw new Error('a rate was to refuse');
  expect(refusal).toMatchObject({ used: 2, remaining: 0 });
  expect(refusal.retry_after_ms).toBeLessThanOrEqual(window_ms + 2 * slot_ms);
  expect(await redis.pttl(key)).toBeLessThanOrEqual(2 * count * slot_ms);
  // Ended meanwhile, as calls do: no seat of the window comes back before it has passed.
  await ledger.settle({ id: 'a', organization: 'acme', amount: { nusd: 1, tokens: 0 }, estimated: false });
  expect((await call('d')).outcome).toBe('refused');
  await sleep(refusal.retry_after_ms + 1);
  for (const id of ['e', 'f']) expect((await call(id)).outcome).toBe('held');
  expect((await call('g')).outcome).toBe('refused');
});

test('money of a rolling window comes back in its own time after the clock of Redis was a month ahead, and callers are told when', async () => {
  const rolling_ms = 2_000;
  const budgets = [budget({ window: 'rolling', rolling_ms, limit: 100 })];
  const spend = (id: string) => ledger.reserve(request(id, { nusd: 60 }, { organization: 'other', budgets }));
  expect((await spend('a')).outcome).toBe('held');
  await ledger.settle({ id: 'a', organization: 'other', amount: { nusd: 60, tokens: 0 }, estimated: false });
  // What that left, had the clock been about a month ahead.
  const redis = server.client();
  const key = `llm:{other}:budget:team:research:rolling:${rolling_ms / 1_000}s`;
  const { slot_ms, count } = slotting(rolling_ms);
  const rounds = Math.ceil((31 * 86_400_000) / (slot_ms * count)) * count;
  for (const field of ['head', 'last']) await redis.hincrby(key, field, rounds);
  await redis.incrby('llm:{other}:clock', rounds * slot_ms);
  const before_ms = Date.now();
  const refusal = refusalOf(await spend('b'));
  if (refusal.kind !== 'budget') throw new Error('a budget was to refuse');
  expect(refusal).toMatchObject({ spent: 60 });
  expect(refusal.resets_at_ms).toBeGreaterThan(before_ms);
  expect(refusal.resets_at_ms).toBeLessThanOrEqual(Date.now() + rolling_ms + 2 * slot_ms);
  // Whether anything is asked meanwhile or not.
  for (const at_ms of [before_ms + rolling_ms / 3, before_ms + rolling_ms / 2]) {
    await sleep(Math.max(0, at_ms - Date.now()));
    expect((await spend(`c-${at_ms}`)).outcome).toBe('refused');
  }
  await sleep(Math.max(0, refusal.resets_at_ms - Date.now()) + slot_ms);
  expect((await spend('d')).outcome).toBe('held');
  await ledger.settle({ id: 'd', organization: 'other', amount: { nusd: 50, tokens: 0 }, estimated: false });
  const [state] = (await ledger.read('other', budgets, [])).budgets;
  expect(state).toMatchObject({ spent: 50, held: 0 });
});

test('what was held by one that died while the clock of Redis was a month ahead is held as long as a lease, and no longer', async () => {
  const limits = {
    budgets: [budget({ window: 'total' })],
    rates: [rate({ unit: 'concurrent', limit: 1, window_ms: 0 })],
  };
  const options = { url: server.url, keyPrefix: 'llm', owner: 'reaper', deadline_ms: 30_000, reap_interval_ms: 0 };
  const reaper = await openRedisLedger({ ...options, lease_ms: 500 });
  const asked = { ...request('left', { nusd: 60 }, { organization: 'third', ...limits }), lease_ms: 31 * 86_400_000 };
  expect((await reaper.reserve(asked)).outcome).toBe('held');
  expect(await reaper.reap()).toBe(0);
  const another = request('another', { nusd: 60 }, { organization: 'third', ...limits });
  expect(refusalOf(await reaper.reserve(another))).toMatchObject({ kind: 'rate', used: 1 });
  await sleep(510);
  expect(await reaper.reap()).toBe(1);
  expect(await reaper.counters('third')).toMatchObject([{ spent: 60, held: 0 }]);
  expect((await reaper.reserve(another)).outcome).toBe('held');
  expect(await reaper.reconcile('third', { repair: false })).toEqual([]);
  await reaper.close();
});

test('slices of one that died then come back as well', async () => {
  const redis = server.client();
  await redis.zadd('llm:{fourth}:slices', Date.now() + 31 * 86_400_000, 'gone');
  await redis.sadd('llm:organizations', 'fourth');
  await ledger.reap();
  expect(Number(await redis.zscore('llm:{fourth}:slices', 'gone'))).toBeLessThan(Date.now() + 120_000);
});
