import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { LedgerUnavailable, openRedisLedger, type RedisLedger } from '../../src/stores/index.ts';
import { budget, refusalOf, request } from '../contracts/ledger.ts';
import { startRedis } from '../support/redis.ts';
import { wayTo } from '../support/redis-way.ts';

const money = budget({ limit: 100, window: 'total' });

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  vi.useRealTimers();
});

async function started() {
  const server = await startRedis();
  closing.push(() => server.stop());
  const client = server.client();
  return { server, owners: () => client.zrange('llm:{acme}:owners', '0', '-1'), client };
}

/** `reap_interval_ms` 0: it meets the primary with its calls alone. */
async function open(owner: string, url: string, reap_interval_ms: number): Promise<RedisLedger> {
  const times = { deadline_ms: 1_000, lease_ms: 20_000, reap_interval_ms };
  const ledger = await openRedisLedger({ url, keyPrefix: 'llm', owner, ...times });
  closing.push(() => ledger.close());
  return ledger;
}

const reserve = (ledger: RedisLedger, id: string, nusd: number) =>
  ledger.reserve(request(id, { nusd }, { budgets: [money] }));

test('a gateway that made its first call a moment before Redis lost everything is waited for by those who called since', async () => {
  const { server } = await started();
  const known = await open('known', server.url, 0);
  await reserve(known, 'a', 1);
  const way = await wayTo(server.url);
  closing.push(() => way.close());
  const young = await open('young', way.url, 0);
  await reserve(young, 'b', 60);
  await reserve(known, 'c', 1);
  way.shut();
  await server.restart();
  // Others would have its room: nobody is admitted before it comes, or its leases are over.
  await expect.poll(() => reserve(known, 'd', 60).catch((error: Error) => error.message)).toMatch(/telling it again/);
  await expect(reserve(known, 'e', 60)).rejects.toThrow(LedgerUnavailable);
  way.open();
  const later = () => reserve(known, 'f', 60).catch(() => ({ outcome: 'lost' as const }));
  await expect.poll(async () => (await later()).outcome).toBe('refused');
  expect(refusalOf(await reserve(known, 'g', 60))).toMatchObject({ held: 62 });
  expect((await reserve(known, 'h', 38)).outcome).toBe('held');
});

test('nobody waits for one that left, or was not heard of for a minute, however many remember it', async () => {
  const { server, client, owners } = await started();
  const [one, other, leaves] = [
    await open('one', server.url, 50),
    await open('other', server.url, 50),
    await open('leaves', server.url, 50),
  ];
  for (const [at, ledger] of [one, other, leaves].entries()) await reserve(ledger, `a${at}`, 1);
  await client.zadd('llm:{acme}:owners', Date.now() - 59_000, 'dead');
  // All of them know of all.
  await sleep(500);
  expect(await owners()).toHaveLength(4);
  await leaves.close();
  await expect.poll(owners).toHaveLength(2);
  await sleep(500);
  expect((await owners()).map((name) => String(name).split('.')[0]).sort()).toEqual(['one', 'other']);
});

test.each([0, 4])(
  'what others know of a Redis that lost everything counts, though one was there first that spent %i',
  async (cost) => {
    const { server, client } = await started();
    const known = await open('known', server.url, 0);
    await reserve(known, 'a', 60);
    await known.settle({ id: 'a', organization: 'acme', amount: { nusd: 60, tokens: 0 }, estimated: false });
    await reserve(known, 'b', 1);
    // As what was settled long ago, it is not told again one by one.
    vi.useFakeTimers({ toFake: ['Date'] });
    vi.setSystemTime(Date.now() + 180_000);
    await known.release('b', 'acme');
    await client.flushall();
    const young = await open('young', server.url, 0);
    for (const id of ['c', 'd']) expect((await reserve(young, id, 5)).outcome).toBe('held');
    await young.settle({ id: 'c', organization: 'acme', amount: { nusd: cost, tokens: 0 }, estimated: false });
    const both = () => Promise.all([reserve(known, 'e', 1), reserve(young, 'f', 1)]).catch(() => []);
    await expect.poll(async () => (await both()).map(({ outcome }) => outcome)).toEqual(['held', 'held']);
    expect(refusalOf(await reserve(young, 'g', 60))).toMatchObject({ spent: 60 + cost, held: 7 });
  },
);

test('what one knows that comes minutes after a newcomer opened a Redis that had lost everything counts beside what was spent since', async () => {
  const { server, client } = await started();
  const way = await wayTo(server.url);
  closing.push(() => way.close());
  const settle = (ledger: RedisLedger, id: string, nusd: number) =>
    ledger.settle({ id, organization: 'acme', amount: { nusd, tokens: 0 }, estimated: false });
  const known = await open('known', way.url, 0);
  await reserve(known, 'a', 60);
  await settle(known, 'a', 60);
  await reserve(known, 'b', 1);
  // As what was settled long ago, it is not told again one by one.
  vi.useFakeTimers({ toFake: ['Date'] });
  vi.setSystemTime(Date.now() + 180_000);
  await known.release('b', 'acme');
  way.shut();
  await client.flushall();
  const young = await open('young', server.url, 0);
  await reserve(young, 'c', 5);
  await settle(young, 'c', 5);
  await reserve(young, 'd', 1);
  await client.hset('llm:{acme}:primary', 'begun', Number((await client.time())[0]) * 1_000 - 600_000);
  way.open();
  const both = () => Promise.all([reserve(known, 'e', 1), reserve(young, 'f', 1)]).catch(() => []);
  await expect.poll(async () => (await both()).map(({ outcome }) => outcome)).toEqual(['held', 'held']);
  expect(refusalOf(await reserve(young, 'g', 60))).toMatchObject({ spent: 65, held: 3 });
});
