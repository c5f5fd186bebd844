import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuditRecord, queryTrail, verifyTrail } from '../../src/observe/index.ts';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type AskedBody, type Asker, askerOf, eventually, hi, moneyConfig } from '../support/money.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const body: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const teams = { research: { budgets: [{ window: 'total', limit_usd: 10 }] } };

interface Instance extends Asker {
  readonly directory: string;
  readonly gateway: TestGateway;
}

let provider: FakeProvider;
let redis: RedisServer;
const directories: string[] = [];
const opened = new Set<TestGateway>();

beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
  redis = await startRedis();
});
afterAll(async () => {
  for (const gateway of opened) await gateway.close(true);
  await provider.close();
  await redis.stop();
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** A directory for a gateway: the last parts of its path are the same for all of them. */
function place(): string {
  const parent = mkdtempSync(join(tmpdir(), 'llm-policy-delivery-'));
  directories.push(parent);
  return join(parent, 'srv', 'gateway');
}

/** A gateway on a directory, new or left by another one, with the Redis that all of them share. */
async function open(directory = place()): Promise<Instance> {
  const { config, env } = moneyConfig({ store: 'redis', teams, state: { on_loss: 'open' } }, directory, redis.url);
  const gateway = await startGateway({ directory, openai: provider.baseUrl, config, env });
  opened.add(gateway);
  return { ...askerOf(gateway), directory, gateway };
}

async function close({ gateway }: Instance): Promise<void> {
  opened.delete(gateway);
  await gateway.close(true);
}

async function inSink({ directory }: Instance): Promise<AuditRecord[]> {
  const records: AuditRecord[] = [];
  for await (const { record } of queryTrail(join(directory, 'data', 'audit'), {})) records.push(record);
  return records;
}

/** Calls with names of their own; gives the names back. */
async function calls(instance: Instance, name: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, at) => `${name}-${at}`);
  for (let from = 0; from < count; from += 10) {
    const some = ids.slice(from, from + 10);
    const answers = await Promise.all(
      some.map((id) => instance.ask('research', body, { headers: { 'x-request-id': id } })),
    );
    for (const { status } of answers) expect(status).toBe(200);
  }
  return ids;
}

async function exactly(instance: Instance, ids: readonly string[]): Promise<void> {
  const found = (await inSink(instance)).map(({ request_id }) => request_id);
  expect(found.sort()).toEqual([...ids].sort());
  const { directory } = instance;
  const report = await verifyTrail(join(directory, 'data', 'audit'), join(directory, 'data', 'spool'));
  expect(report).toMatchObject({ ok: true, records: ids.length });
}

describe('records carried by BullMQ', { timeout: 180_000 }, () => {
  test('arrive in the file sink, each once and in order', async () => {
    const instance = await open();
    const ids = await calls(instance, 'order', 60);
    await eventually('all are there', async () => (await instance.records()).length >= ids.length);
    const client = redis.client();
    const keys = await client.keys('llm:queue:*');
    const jobs = keys.filter((key) => /:gateway\.[^:]+$/.test(key));
    expect(jobs.length).toBeGreaterThan(0);
    // A job tells where its records lie, and nothing of what is in them.
    for (const job of jobs) expect(JSON.stringify(await client.hgetall(job))).not.toMatch(/order-\d|research|gpt-4o/);
    await close(instance);
    await exactly(instance, ids);
  });

  test('arrive once, though Redis is killed and comes back empty between them', async () => {
    const instance = await open();
    const ids = await calls(instance, 'before', 20);
    await redis.kill();
    ids.push(...(await calls(instance, 'away', 20)));
    await redis.restart();
    ids.push(...(await calls(instance, 'after', 20)));
    // A job whose worker never heard that it has it is taken again at the second look (5 s each) after its lock (10 s).
    await eventually('all are there', async () => (await instance.records()).length >= ids.length);
    await close(instance);
    await exactly(instance, ids);
  });

  test('wait on disk where Redis stays away, and arrive with the next gateway on the directory', async () => {
    const instance = await open();
    const ids = await calls(instance, 'here', 5);
    await eventually('they are there', async () => (await instance.records()).length >= ids.length);
    await redis.kill();
    ids.push(...(await calls(instance, 'away', 10)));
    await close(instance);
    await redis.restart();
    expect((await inSink(instance)).length).toBe(5);
    const next = await open(instance.directory);
    await eventually('the rest is there', async () => (await inSink(next)).length >= ids.length);
    await close(next);
    await exactly(next, ids);
  });

  test('go to the files of the gateway that made them, though several share a Redis and a name', async () => {
    const both = await Promise.all([open(), open()]);
    const all = await Promise.all(both.map((instance, at) => calls(instance, `gateway${at}`, 20)));
    for (const [at, instance] of both.entries()) {
      const ids = all[at]!;
      await eventually('all are there', async () => (await instance.records()).length >= ids.length);
      await close(instance);
      await exactly(instance, ids);
    }
  });
});
