import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { openRedisLedger, type RedisLedger } from '../../src/stores/index.ts';
import { Added } from '../../src/stores/redis/added.ts';
import { budget, request } from '../contracts/ledger.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually as within } from '../support/wait.ts';

const eventually = (condition: () => Promise<boolean>) => within(condition, 60_000);
const money = budget({ limit: 1_000, window: 'total' });
const other = budget({ window: 'total', scope: { kind: 'team', id: 'other' } });
/** Longer than settlements are told again one by one. */
const long_ms = 180_000;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  vi.useRealTimers();
});

async function started(): Promise<RedisServer> {
  const server = await startRedis();
  closing.push(() => server.stop());
  return server;
}

async function open(owner: string, url: string, more: { readonly outbox_path?: string } = {}): Promise<RedisLedger> {
  const times = { deadline_ms: 5_000, reap_interval_ms: 100, lease_ms: 20_000 };
  const ledger = await openRedisLedger({ url, keyPrefix: 'llm', owner, ...times, ...more });
  closing.push(() => ledger.close());
  return ledger;
}

async function spentOf(server: RedisServer): Promise<number> {
  const client = server.client();
  const value = await client.hget('llm:{acme}:budget:team:research:total', 'spent');
  client.disconnect();
  return Number(value ?? '0');
}

const reserve = (ledger: RedisLedger, id: string, nusd: number) =>
  ledger.reserve(request(id, { nusd }, { budgets: [money] }));
const settle = (ledger: RedisLedger, id: string, nusd: number) =>
  ledger.settle({ id, organization: 'acme', amount: { nusd, tokens: 0 }, estimated: false });

/** Who came first hears of the others at its next round of upkeep (ten times a second), and waits for those alone when Redis has lost all. */
const allMet = () => new Promise((resolve) => setTimeout(resolve, 1_500));

/** Everything that is settled from now on is settled long after what was before. */
function muchLater(): void {
  vi.useFakeTimers({ toFake: ['Date'] });
  vi.setSystemTime(Date.now() + long_ms);
}

/** What is told again one by one goes out of date with the next call that ends: one that has nothing to do with the budget. */
async function asideOf(ledger: RedisLedger): Promise<void> {
  await ledger.reserve(request('aside', { nusd: 1 }, { budgets: [other] }));
  await ledger.release('aside', 'acme');
}

async function backEmpty(server: RedisServer, ledger: RedisLedger): Promise<void> {
  await server.restart();
  await eventually(async () => {
    const reserved = await reserve(ledger, 'next', 1).catch(() => undefined);
    return reserved?.outcome === 'held';
  });
}

/** A way to Redis that hands on what is asked, and no answers any more once it is deaf. */
async function wayTo(url: string) {
  const sockets = new Set<Socket>();
  let deaf = false;
  const server = createServer((here) => {
    const there = connect(Number(new URL(url).port), '127.0.0.1');
    here.pipe(there);
    there.on('data', (bytes) => {
      if (!deaf) here.write(bytes);
    });
    for (const socket of [here, there]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        here.destroy();
        there.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    deaf = false;
  };
  closing.push(() => {
    cut();
    server.close();
  });
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    deafen: () => {
      deaf = true;
    },
    cut,
  };
}

test('what one settled long ago counts, though another that knows nothing of it settled since', async () => {
  const server = await started();
  const [one, two] = [await open('one', server.url), await open('two', server.url)];
  await reserve(one, 'long', 10);
  await reserve(two, 'short', 500);
  await settle(two, 'short', 500);
  await allMet();
  muchLater();
  await asideOf(two);
  await settle(one, 'long', 10);
  await backEmpty(server, one);
  expect(await spentOf(server)).toBe(510);
  expect(await one.reconcile('acme', { repair: false })).toEqual([]);
});

test('what each settled since the newest sum was told is counted beside it, and what is in that sum is not', async () => {
  const server = await started();
  const [one, two, three] = [
    await open('one', server.url),
    await open('two', server.url),
    await open('three', server.url),
  ];
  await reserve(one, 'first', 100);
  await reserve(two, 'second', 200);
  await settle(one, 'first', 100);
  // A sum is told by the millisecond: what is settled in the same one may be in it.
  await new Promise((resolve) => setTimeout(resolve, 5));
  await reserve(three, 'third', 300);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await settle(two, 'second', 200);
  await settle(three, 'third', 300);
  await allMet();
  muchLater();
  for (const ledger of [one, two, three]) await asideOf(ledger);
  for (let time = 0; time < 2; time += 1) {
    await backEmpty(server, one);
    expect(await spentOf(server)).toBe(600);
    await one.release('next', 'acme');
  }
});

test('of what one settled since it was told, only what no other has been told of since is counted beside the newest sum', async () => {
  const server = await started();
  const [one, two] = [await open('one', server.url), await open('two', server.url)];
  await reserve(one, 'early', 100);
  await reserve(one, 'late', 200);
  await settle(one, 'early', 100);
  await new Promise((resolve) => setTimeout(resolve, 5));
  // Its sum has the early one in it.
  await reserve(two, 'other', 50);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await settle(one, 'late', 200);
  await allMet();
  muchLater();
  await asideOf(one);
  await backEmpty(server, two);
  expect(await spentOf(server)).toBe(300);
});

test('a settlement whose answer was lost on its way counts like one that was acknowledged', async () => {
  const server = await started();
  const way = await wayTo(server.url);
  const directory = mkdtempSync(join(tmpdir(), 'llm-policy-sums-'));
  closing.push(() => rmSync(directory, { recursive: true }));
  const outbox_path = join(directory, 'outbox');
  const [one, two] = [await open('one', way.url, { outbox_path }), await open('two', server.url)];
  await reserve(one, 'first', 10);
  way.deafen();
  await one.post({ id: 'first', organization: 'acme', amount: { nusd: 10, tokens: 0 }, estimated: false });
  await eventually(async () => (await spentOf(server)) === 10);
  way.cut();
  expect(readFileSync(outbox_path, 'utf8')).toContain('first');
  // It is sent again, and Redis says that it has it already.
  await eventually(async () => readFileSync(outbox_path, 'utf8') === '');
  await allMet();
  muchLater();
  await asideOf(one);
  await backEmpty(server, two);
  expect(await spentOf(server)).toBe(10);
});

test('what is settled twice in one turn is told once to a Redis that lost it', async () => {
  const server = await started();
  const ledger = await open('one', server.url);
  await reserve(ledger, 'a', 100);
  await Promise.all([settle(ledger, 'a', 100), settle(ledger, 'a', 100), settle(ledger, 'a', 100)]);
  expect(await spentOf(server)).toBe(100);
  await backEmpty(server, ledger);
  expect(await spentOf(server)).toBe(100);
});

test('settlements that were not told since are told apart by when, and joined from the oldest on where they are many', () => {
  const added = new Added();
  added.put(1, 10);
  added.put(1, 5);
  added.put(2, 20);
  expect(added.text).toBe('1 15 2 20');
  added.clear();
  expect(added.text).toBe('');
  for (let at_ms = 1; at_ms <= 34; at_ms += 1) added.put(at_ms, 1);
  expect(added.text).toMatch(/^3 3 4 1 5 1 .* 34 1$/);
});
