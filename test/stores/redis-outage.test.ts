import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  LedgerUnavailable,
  openRedisLedger,
  type RedisLedger,
  type RedisLedgerOptions,
} from '../../src/stores/index.ts';
import { budget, entriesOf, rate, request } from '../contracts/ledger.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis.ts';

let server: RedisServer;
let home: string;
let states: string[];
let notices: string[];
const opened: RedisLedger[] = [];

beforeEach(async () => {
  server = await startRedis();
  home = mkdtempSync(join(tmpdir(), 'ledger-'));
  states = [];
  notices = [];
});
afterEach(async () => {
  server.thaw();
  for (const ledger of opened.splice(0)) await ledger.close();
  await server.stop();
  rmSync(home, { recursive: true });
});

async function open(over: Partial<RedisLedgerOptions> = {}): Promise<RedisLedger> {
  const ledger = await openRedisLedger({
    url: server.url,
    keyPrefix: 'llm',
    owner: 'here',
    // What a busy machine's own pauses do not use up.
    deadline_ms: 1_000,
    reap_interval_ms: 0,
    onState: (state) => states.push(state),
    notice: (text) => notices.push(text),
    ...over,
  });
  opened.push(ledger);
  return ledger;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    if (tries > 2_000) throw new Error('it did not happen within forty seconds');
    await sleep(20);
  }
}

const settle = (ledger: RedisLedger, id: string, nusd: number) =>
  ledger.settle({ id, organization: 'acme', amount: { nusd, tokens: 0 }, estimated: false });
const rates = [rate({ limit: 50 }), rate({ unit: 'concurrent', limit: 50, window_ms: 0 })];

describe('a Redis that stands still', () => {
  test('is unavailable after the deadline, then at once; it comes back without a restart, and nothing stays held', async () => {
    const ledger = await open();
    await ledger.reserve(request('a', { nusd: 100 }));
    server.freeze();
    await expect(ledger.reserve(request('b', { nusd: 200 }, { rates }))).rejects.toThrow(LedgerUnavailable);
    expect(states).toEqual(['lost']);
    await expect(ledger.reserve(request('c', { nusd: 50 }))).rejects.toThrow('did not answer within 1000 ms');
    await expect(ledger.amend({ ...request('a', { nusd: 100 }) })).rejects.toThrow(LedgerUnavailable);
    await expect(ledger.read('acme', [], [])).rejects.toThrow(LedgerUnavailable);
    server.thaw();
    await until(() => states.length === 2);
    expect(states).toEqual(['lost', 'back']);
    // The frozen command was read when Redis woke up: it must not hold what nobody waits for any more.
    await until(async () => (await ledger.read('acme', [budget()], [])).budgets[0]!.held === 100);
    expect((await ledger.read('acme', [], rates)).rates.map((one) => one.used)).toEqual([0, 0]);
    expect((await ledger.reserve(request('b', { nusd: 600 }))).outcome).toBe('held');
    await sleep(100);
    expect((await ledger.holds('acme')).map((one) => one.id).sort()).toEqual(['a', 'b']);
  });

  test('is waited for 50 ms where nothing else is said', async () => {
    const ledger = await openRedisLedger({ url: server.url, keyPrefix: 'llm', owner: 'here' });
    opened.push(ledger);
    server.freeze();
    await expect(ledger.read('acme', [budget()], [])).rejects.toThrow('did not answer within 50 ms');
  });

  test('loses no settlement and no release: they are kept in a file and sent until acknowledged', async () => {
    const outbox_path = join(home, 'outbox');
    const ledger = await open({ outbox_path });
    for (const id of ['a', 'b', 'c']) await ledger.reserve(request(id, { nusd: 100 }));
    server.freeze();
    await expect(settle(ledger, 'a', 70)).rejects.toThrow(LedgerUnavailable);
    await expect(ledger.release('b', 'acme')).rejects.toThrow(LedgerUnavailable);
    const kept = readFileSync(outbox_path, 'utf8');
    expect(kept).toContain('"nusd":70');
    server.thaw();
    await until(async () => states.length === 2 && (await ledger.holds('acme')).length === 1);
    expect(await ledger.counters('acme')).toMatchObject([{ spent: 70, held: 100, requests: 1 }]);
    expect((await settle(ledger, 'a', 70)).outcome).toBe('repeated');
    await until(() => statSync(outbox_path).size === 0);
    expect(await entriesOf(ledger)).toHaveLength(1);
    expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
  });
});

describe('a settlement that is posted', () => {
  const post = (ledger: RedisLedger, id: string, nusd: number) =>
    ledger.post({ id, organization: 'acme', amount: { nusd, tokens: 1 }, estimated: false });

  test('is in the file before anyone is told, and reaches a Redis that stood still, once', async () => {
    const outbox_path = join(home, 'outbox');
    const ledger = await open({ outbox_path });
    for (const id of ['a', 'b']) await ledger.reserve(request(id, { nusd: 100 }));
    server.freeze();
    await post(ledger, 'a', 70);
    expect(readFileSync(outbox_path, 'utf8')).toContain('"nusd":70');
    await until(() => states.length === 1);
    await post(ledger, 'b', 60);
    expect(readFileSync(outbox_path, 'utf8')).toContain('"nusd":60');
    server.thaw();
    await until(async () => states.length === 2 && (await ledger.holds('acme')).length === 0);
    expect(await ledger.counters('acme')).toMatchObject([{ spent: 130, held: 0, requests: 2, tokens: 2 }]);
    await until(() => statSync(outbox_path).size === 0);
  });

  test('outlives its process: the next one sends what was not acknowledged, and nothing else', async () => {
    const outbox_path = join(home, 'outbox');
    const first = await open({ outbox_path });
    for (const id of ['a', 'b']) await first.reserve(request(id, { nusd: 100 }));
    await post(first, 'a', 10);
    await until(async () => (await first.holds('acme')).length === 1);
    server.freeze();
    await post(first, 'b', 20);
    await until(() => states.length === 1);
    await first.close();
    const kept = readFileSync(outbox_path, 'utf8');
    server.thaw();
    await open({ outbox_path });
    const second = opened.at(-1)!;
    expect(kept.split('\n').filter((line) => line.includes('"id":"b"'))).toHaveLength(1);
    expect(await second.counters('acme')).toMatchObject([{ spent: 30, held: 0, requests: 2 }]);
    expect(await entriesOf(second)).toHaveLength(2);
  });
});

describe('a Redis that was killed', () => {
  test('is unavailable until it is there again; what its owner held is counted when settled, though the store forgot it', async () => {
    const ledger = await open();
    await ledger.reserve(request('a', { nusd: 100 }));
    await server.kill();
    await until(() => states.length === 1);
    await expect(ledger.reserve(request('b', { nusd: 1 }))).rejects.toThrow(LedgerUnavailable);
    await expect(settle(ledger, 'a', 60)).rejects.toThrow(LedgerUnavailable);
    await server.restart();
    await until(() => states.includes('back'));
    await until(async () => (await ledger.counters('acme'))[0]?.spent === 60);
    expect(await ledger.counters('acme')).toMatchObject([{ spent: 60, held: 0, requests: 1, limit: 700 }]);
    expect((await settle(ledger, 'a', 60)).outcome).toBe('repeated');
    expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
    expect(notices.join()).toContain('told it again 1 holds');
  });

  test("an outbox outlives its process: the next one sends what is waiting, and the dead one's settlement counts once", async () => {
    const outbox_path = join(home, 'outbox');
    const first = await open({ outbox_path });
    await first.reserve(request('a', { nusd: 100 }));
    server.freeze();
    await expect(settle(first, 'a', 40)).rejects.toThrow(LedgerUnavailable);
    await first.close();
    server.thaw();
    const second = await open({ outbox_path });
    expect(await second.counters('acme')).toMatchObject([{ spent: 40, held: 0, requests: 1 }]);
    await expect(open({ outbox_path })).rejects.toThrow('only one process');
  });
});

test('what gives back a reserve whose answer was lost does not take the hold of the one that was tried again', async () => {
  const outbox_path = join(home, 'outbox');
  const first = await open();
  await first.reserve(request('a', { nusd: 100 }));
  const lost = { op: 'release', id: 'a', organization: 'acme', nonce: 'another' };
  writeFileSync(outbox_path, `${JSON.stringify(lost)}\n{"op":"rel`);
  const second = await open({ outbox_path });
  expect(await second.holds('acme')).toMatchObject([{ id: 'a', owner: 'here' }]);
  await until(() => statSync(outbox_path).size === 0);
  expect(notices.join()).toContain('torn');
});

describe('opening', () => {
  test('is refused where another version keeps its ledger, and says which', async () => {
    await open();
    await server.client().set('llm:layout', '9');
    await expect(open()).rejects.toThrow(/layout 9 .*this program writes layout 2: a newer version runs/s);
    await server.client().set('llm:layout', '1');
    await expect(open()).rejects.toThrow(/stop the older version everywhere/);
    await open({ keyPrefix: 'mine' });
  });

  test('is refused where there is no Redis', async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    await expect(open({ url, connect_timeout_ms: 300 })).rejects.toThrow(LedgerUnavailable);
  });

  test('is refused where scripts are not allowed, and says what to do', async () => {
    await server.client().acl('SETUSER', 'noscripts', 'on', '>secret', '~*', '+@all', '-@scripting');
    const url = server.url.replace('redis://', 'redis://noscripts:secret@');
    await expect(open({ url })).rejects.toThrow(/refuses Lua scripts.*\+@scripting/s);
  });

  test('is refused where Redis might throw budgets away', async () => {
    await server.client().config('SET', 'maxmemory-policy', 'allkeys-lru');
    await server.client().config('SET', 'maxmemory', '100mb');
    await expect(open()).rejects.toThrow(/maxmemory-policy allkeys-lru.*set maxmemory-policy noeviction/);
  });
});

describe('in Redis', () => {
  test('a budget reads as CONTRACT has it, in text that is exact', async () => {
    const ledger = await open();
    const now = new Date().toISOString().slice(0, 10);
    await ledger.reserve(
      request('a', { nusd: 4_000_000_001, tokens: 12 }, { budgets: [budget({ limit: 50_000_000_000 })] }),
    );
    await settle(ledger, 'a', 3_000_000_007);
    await ledger.reserve(request('b', { nusd: 5 }, { budgets: [budget({ limit: 50_000_000_000 })] }));
    const client = server.client();
    expect(await client.hgetall(`llm:{acme}:budget:team:research:day:${now}`)).toMatchObject({
      limit: '50000000000',
      spent: '3000000007',
      held: '5',
      requests: '1',
      tokens: '0',
      spent_usd: '3.000000007',
    });
    for (const key of await client.keys('*')) expect(key).toMatch(/^llm:(\{acme\}:|organizations$|layout$)/);
    expect(await client.pttl(`llm:{acme}:budget:team:research:day:${now}`)).toBeGreaterThan(80 * 86_400_000);
  });

  test('scripts that were flushed are loaded again', async () => {
    const ledger = await open();
    await server.client().script('FLUSH');
    expect((await ledger.reserve(request('a', { nusd: 1 }))).outcome).toBe('held');
  });

  test("the window is the server's, however wrong this machine's clock is", async () => {
    const real = Date.now;
    const ledger = await open();
    const clock = vi.spyOn(Date, 'now');
    try {
      for (const wrong_ms of [3 * 86_400_000, -3 * 86_400_000, 0]) {
        clock.mockImplementation(() => real() + wrong_ms);
        expect((await ledger.reserve(request(`w${wrong_ms}`, { nusd: 1 }))).outcome).toBe('held');
      }
    } finally {
      clock.mockRestore();
    }
    const today = new Date().toISOString().slice(0, 10);
    expect((await ledger.counters('acme')).map(({ key, held }) => [key, held])).toEqual([
      [`budget:team:research:day:${today}`, 3],
    ]);
  });

  test('older entries become sums, and counters can still be rebuilt from them', async () => {
    const ledger = await open({ entries_max: 5, reap_interval_ms: 20 });
    const tokens = budget({ unit: 'tokens', limit: 1e6 });
    for (let at = 0; at < 40; at++) {
      await ledger.reserve(
        request(`f${at}`, { nusd: 3, tokens: 9 }, { budgets: [budget(), tokens], lease_ms: at % 4 === 0 ? 0 : 60_000 }),
      );
      if (at % 4 === 0) await ledger.reap();
      if (at % 8 !== 0)
        await ledger.settle({ id: `f${at}`, organization: 'acme', amount: { nusd: 2, tokens: 7 }, estimated: false });
    }
    await until(async () => (await entriesOf(ledger)).length === 5);
    expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
    const [money] = (await ledger.counters('acme')).filter((one) => !one.key.endsWith('tokens'));
    expect(money).toMatchObject({ spent: 35 * 2 + 5 * 3, requests: 40 });
    await server.client().hincrby(`llm:{acme}:${money!.key}`, 'spent', 11);
    expect(await ledger.reconcile('acme', { repair: true })).toEqual([{ key: money!.key, counted: 96, rebuilt: 85 }]);
    expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
  });

  test('four processes with 1,000 parallel calls admit exactly the 7 that fit', async () => {
    const ledgers = await Promise.all([1, 2, 3, 4].map(() => open({ deadline_ms: 30_000 })));
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, at) => ledgers[at % 4]!.reserve(request(`n${at}`, { nusd: 100 }))),
    );
    expect(answers.filter((one) => one.outcome === 'held')).toHaveLength(7);
    expect(await ledgers[0]!.holds('acme')).toHaveLength(7);
  });

  test('what a process that was killed held is settled by another one', async () => {
    const dead = await open();
    await dead.reserve(request('a', { nusd: 100 }, { lease_ms: 100, rates }));
    await dead.close();
    const other = await open({ reap_interval_ms: 50 });
    await until(async () => (await other.holds('acme')).length === 0);
    expect(await other.counters('acme')).toMatchObject([{ spent: 100, held: 0 }]);
    // Settled by a process that never held it: the budget is told from its key.
    const settled = await settle(other, 'a', 1);
    expect(settled).toMatchObject({ outcome: 'settled', budgets: [{ budget: budget(), spent: 1, held: 0 }] });
  });
});

test('a Redis Cluster: all keys of a call are in one slot', async () => {
  const cluster = await startRedis({ arguments: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'] });
  try {
    await cluster.client().call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await until(async () => String(await cluster.client().call('CLUSTER', 'INFO')).includes('cluster_state:ok'));
    const { url: _, ...rest } = { url: '', keyPrefix: 'llm', owner: 'here', deadline_ms: 30_000, reap_interval_ms: 0 };
    const ledger = await openRedisLedger({ ...rest, cluster: { nodes: [`127.0.0.1:${cluster.port}`] } });
    for (const organization of ['acme', 'other']) {
      await ledger.reserve(request('a', { nusd: 10 }, { organization, rates }));
      await ledger.amend({ ...request('a', { nusd: 20 }, { organization }), budgets: [budget({ window: 'month' })] });
      const amount = { nusd: 5, tokens: 1 };
      expect((await ledger.settle({ id: 'a', organization, amount, estimated: false })).outcome).toBe('settled');
      expect(await ledger.reconcile(organization, { repair: false })).toEqual([]);
    }
    expect(await ledger.reap()).toBe(0);
    await ledger.close();
  } finally {
    await cluster.stop();
  }
});
