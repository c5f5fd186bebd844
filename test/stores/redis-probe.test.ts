import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openBullQueue, openRedisLedger, type RedisLedger, type RedisLedgerOptions } from '../../src/stores/index.ts';
import { tried } from '../../src/stores/redis/probe.ts';
import { scripts } from '../../src/stores/redis/scripts.ts';
import { request } from '../contracts/ledger.ts';
import { startCluster } from '../support/cluster.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

let server: RedisServer;
const opened: RedisLedger[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close();
});
afterAll(() => server.stop());

async function open(over: Partial<RedisLedgerOptions> = {}): Promise<RedisLedger> {
  const options = { url: server.url, keyPrefix: 'llm', owner: 'here', deadline_ms: 30_000, reap_interval_ms: 0 };
  const ledger = await openRedisLedger({ ...options, ...over });
  opened.push(ledger);
  return ledger;
}

/** A user with these rules, as an address. */
async function as(name: string, rules: readonly string[], of = server): Promise<Partial<RedisLedgerOptions>> {
  await of.client().call('ACL', 'SETUSER', name, 'reset', 'on', '>s3cret', ...rules);
  return { url: of.url, username: name, password: 's3cret' };
}

/** The rules the documentation says a user needs. */
const page = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');
const documented = (/ACL SETUSER ledger on >… (.*)/.exec(page)?.[1] ?? '').split(' ');

describe('a Redis that cannot keep budgets', () => {
  test('is refused where a command of a script is not allowed, and the message names it', async () => {
    const user = await as('nostreams', [...documented, '-xadd']);
    await expect(open(user)).rejects.toThrow(
      /refuses what the ledger's scripts do \(XADD: .*allow this user.*'llm:\*'/s,
    );
  });

  test('is refused where the keys are not ours, and the message says which are needed', async () => {
    const user = await as('elsewhere', ['+@all', '~other:*']);
    await expect(open(user)).rejects.toThrow(/'llm:\*'/);
    await expect(open({ ...user, keyPrefix: 'other' })).resolves.toBeDefined();
  });

  test('is refused where it does not say who it is', async () => {
    const user = await as('noinfo', [...documented, '-info']);
    await expect(open(user)).rejects.toThrow(/INFO/);
  });

  test('is refused where it is a replica', async () => {
    const replica = await startRedis({ arguments: ['--replicaof', '127.0.0.1', String(server.port)] });
    try {
      await expect(open({ url: replica.url })).rejects.toThrow(/READONLY|replica/);
    } finally {
      await replica.stop();
    }
  });

  test('is refused where it is a node of a Cluster and is not called one', async () => {
    const cluster = await startCluster();
    try {
      const urls = cluster.servers.map(({ url }) => open({ url }).then(String, (error: Error) => error.message));
      expect((await Promise.all(urls)).join()).toContain('name it in state.cluster.nodes');
    } finally {
      await cluster.stop();
    }
  });

  test('is refused where it evicts, and is not where its memory has no limit', async () => {
    const client = server.client();
    await client.config('SET', 'maxmemory-policy', 'volatile-lru');
    await expect(open()).resolves.toBeDefined();
    await client.config('SET', 'maxmemory', '200mb');
    await expect(open()).rejects.toThrow(/throws keys away.*volatile-lru.*noeviction/);
    await client.config('SET', 'maxmemory-policy', 'noeviction');
    await expect(open()).resolves.toBeDefined();
    await client.config('SET', 'maxmemory', '0');
  });
});

describe('a user', () => {
  test('needs no more than is documented, for the ledger and for the queue', async () => {
    const user = await as('ledger', documented);
    const ledger = await open({ ...user, reap_interval_ms: 20 });
    await ledger.reserve(request('a', { nusd: 100 }));
    await ledger.settle({ id: 'a', organization: 'acme', amount: { nusd: 40, tokens: 1 }, estimated: false });
    expect(await ledger.reconcile('acme', { repair: true })).toEqual([]);
    const queue = await openBullQueue({ ...user, name: 'jobs', prefix: 'llm:queue', attempts: 1, backoff_ms: 5 });
    try {
      const seen: string[] = [];
      await queue.work(async (job) => void seen.push(job.payload));
      await queue.submit({ id: 'job-1', payload: 'one' });
      expect(seen).toEqual(['one']);
    } finally {
      await queue.close();
    }
  });
});

test('every command a script uses is tried before the first call', () => {
  const used = new Set(
    Object.values(scripts).flatMap(({ source }) =>
      Array.from(source.matchAll(/call\('([A-Z]+)'/g), ([, name]) => name),
    ),
  );
  // CLUSTER is asked in Clusters alone.
  used.delete('CLUSTER');
  expect([...used].filter((name) => !tried.some(([one]) => one === name))).toEqual([]);
});
