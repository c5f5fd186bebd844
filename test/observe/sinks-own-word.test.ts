import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Queue, Worker } from 'bullmq';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { fileSink, listAside, openTrail, queryTrail, type Trail, verifyTrail } from '../../src/observe/index.ts';
import { type Job, type JobQueue, openBullQueue } from '../../src/stores/index.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { record, temporary, until } from './records.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function open(dir: string, queue: JobQueue): Promise<Trail> {
  const trail = await openTrail({
    path: join(dir, 'data'),
    spoolId: 'one',
    sinks: [fileSink(join(dir, 'audit'))],
    queue,
    linger_ms: 1,
    retry_ms: 1,
    retry_ms_max: 20,
  });
  onTestFinished(() => trail.close(0));
  return trail;
}

const queueOf = (name: string) => openBullQueue({ url: redis.url, name, prefix: '{word}', attempts: 2, backoff_ms: 1 });

/** Each by itself, so that each has a job of its own. */
async function put(trail: Trail, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await trail.end(record(name));
    await until(() => trail.state().waiting === 0);
  }
}

/** Jobs as Redis knows them after a gateway that was killed: they are done. */
async function done(name: string, jobs: readonly string[]): Promise<void> {
  const place = { connection: { url: redis.url }, prefix: '{word}' };
  const raw = new Queue(name, place);
  const worker = new Worker(name, async () => {}, place);
  for (const jobId of jobs) await raw.add('deliver', { payload: '' }, { jobId });
  await until(async () => (await raw.getCompletedCount()) === jobs.length);
  await worker.close();
  await raw.close();
}

async function inSink(dir: string): Promise<string[]> {
  const seen: string[] = [];
  for await (const one of queryTrail(join(dir, 'audit'), {})) seen.push(one.record.exchange);
  return seen;
}

test('a spool that was put back loses nothing new, though Redis knows its numbers as done', async () => {
  const dir = temporary();
  const [data, backup] = [join(dir, 'data'), join(dir, 'backup')];
  const jobs: string[] = [];
  const session = async (names: readonly string[]) => {
    const queue = await queueOf('put-back');
    const submit = (job: Job) => {
      jobs.push(job.id);
      return queue.submit(job);
    };
    const trail = await open(dir, { ...queue, submit });
    await put(trail, names);
    await trail.close();
  };
  await session(['a', 'b']);
  cpSync(data, backup, { recursive: true });
  await session(['c', 'd']);
  await done('put-back', jobs);
  rmSync(data, { recursive: true });
  cpSync(backup, data, { recursive: true });
  await session(['e', 'f', 'g']);
  expect(await inSink(dir)).toEqual(['a', 'b', 'c', 'd', 'g']);
  expect(listAside(data)).toMatchObject([3, 4].map((seq) => ({ seq, reason: expect.stringContaining('another') })));
});

test('whoever may write to Redis suppresses nothing by calling a job done', async () => {
  const dir = temporary();
  // No worker of the trail's own: another one takes its jobs, and does nothing.
  const queue = await queueOf('liar');
  const liar = new Worker('liar', async () => {}, { connection: { url: redis.url }, prefix: '{word}' });
  onTestFinished(() => liar.close());
  const trail = await open(dir, { ...queue, work: async () => {} });
  await put(trail, ['a', 'b', 'c']);
  expect(trail.state()).toMatchObject({ delivered: { file: 3 }, aside: { file: 0 } });
  await trail.close();
  expect(await inSink(dir)).toEqual(['a', 'b', 'c']);
  expect(await verifyTrail(join(dir, 'audit'), join(dir, 'data'))).toMatchObject({ ok: true, records: 3 });
});

test('closing does not wait for a job that nobody works at: it is told so, and the records wait in the spool', async () => {
  const dir = temporary();
  const queue = await queueOf('paused');
  const raw = new Queue('paused', { connection: { url: redis.url }, prefix: '{word}' });
  onTestFinished(() => raw.close());
  await raw.pause();
  const trail = await open(dir, queue);
  await trail.end(record('a'));
  await until(async () => (await raw.count()) === 1);
  const closed = await Promise.race([trail.close(100), new Promise((later) => setTimeout(later, 15_000, 'never'))]);
  expect(closed).toBeUndefined();
  await raw.resume();
  const next = await open(dir, await queueOf('paused'));
  await until(() => next.state().waiting === 0);
  await next.close();
  expect(await inSink(dir)).toEqual(['a']);
});
