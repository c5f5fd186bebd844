import { join } from 'node:path';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { fileSink, openTrail, queryTrail, verifyTrail } from '../../src/observe/index.ts';
import { JobFailed, JobRefused, openBullQueue, openEmbeddedQueue, QueueUnavailable } from '../../src/stores/index.ts';
import { queueContract } from '../contracts/queue.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { intent, record, temporary, until } from './records.ts';

describe('the embedded queue', () => {
  queueContract(openEmbeddedQueue);
});

describe('with a real Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  let count = 0;
  describe('the BullMQ queue', () => {
    queueContract((options) => {
      count += 1;
      return openBullQueue({ ...options, url: redis.url, name: `queue-${count}`, prefix: '{llm}' });
    });
  });

  test('two processes of one queue do a job once', async () => {
    const options = { url: redis.url, name: 'shared', prefix: '{llm}', attempts: 2, backoff_ms: 5 };
    const queues = await Promise.all([openBullQueue(options), openBullQueue(options)]);
    for (const queue of queues) onTestFinished(() => queue.close());
    const seen: string[] = [];
    for (const queue of queues) await queue.work(async (job) => void seen.push(job.id));
    await until(async () => {
      await Promise.all(queues.map((queue) => queue.submit({ id: 'first', payload: '' }))).catch(() => {});
      return seen.includes('first');
    });
    await Promise.all(
      [1, 2, 3, 4].flatMap((id) => queues.map((queue) => queue.submit({ id: `job-${id}`, payload: '' }))),
    );
    expect(seen.sort()).toEqual(['first', 'job-1', 'job-2', 'job-3', 'job-4']);
  });

  test('a job that one process refuses is done by another, and was not tried', async () => {
    const options = { url: redis.url, name: 'refused', prefix: '{llm}', attempts: 1, backoff_ms: 5 };
    const [wrong, right] = await Promise.all([openBullQueue(options), openBullQueue(options)]);
    for (const queue of [wrong, right]) onTestFinished(() => queue.close());
    let refused = 0;
    const done: string[] = [];
    await wrong.work(async () => {
      refused += 1;
      throw new JobRefused('elsewhere', 'what it names is not here');
    });
    const answer = wrong.submit({ id: 'a', payload: 'x' });
    await until(() => refused > 3);
    await right.work(async ({ id }) => void done.push(id));
    await answer;
    expect(done).toEqual(['a']);
  });

  test('a job that everybody refuses fails in their words', async () => {
    const queue = await openBullQueue({ url: redis.url, name: 'nobody', prefix: '{llm}', attempts: 2, backoff_ms: 1 });
    onTestFinished(() => queue.close());
    let refused = 0;
    await queue.work(async () => {
      refused += 1;
      throw new JobRefused('elsewhere', 'what it names is not here');
    });
    const failed: JobFailed = await queue.submit({ id: 'a', payload: 'x' }).then(
      () => expect.fail('it was done by nobody'),
      (error) => error,
    );
    expect(failed).toBeInstanceOf(JobFailed);
    expect(failed.cause).toMatchObject({ message: 'what it names is not here' });
    expect(refused).toBeGreaterThan(20);
  });

  test('a job that failed for a process before is tried again', async () => {
    const options = { url: redis.url, name: 'again', prefix: '{llm}', attempts: 1, backoff_ms: 5 };
    const raw = new Queue('again', { connection: { url: redis.url }, prefix: '{llm}' });
    onTestFinished(() => raw.close());
    await raw.add('deliver', { payload: 'x' }, { jobId: 'a' });
    const queue = await openBullQueue(options);
    onTestFinished(() => queue.close());
    let tries = 0;
    await queue.work(async () => {
      tries += 1;
      if (tries === 1) throw new Error('not yet');
    });
    await until(async () => (await raw.getJobState('a')) === 'failed');
    await queue.submit({ id: 'a', payload: 'x' });
    expect(tries).toBe(2);
  });

  test('a job given up at closing is not settled while its handler is at it: it may still read what the job holds', async () => {
    const queue = await openBullQueue({
      url: redis.url,
      name: 'held',
      prefix: '{llm}',
      attempts: 1,
      backoff_ms: 5,
      deadline_ms: 500,
    });
    let begun = false;
    let over = false;
    let end: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      end = resolve;
    });
    await queue.work(async ({ id }) => {
      if (id !== 'a') return;
      begun = true;
      await gate;
      over = true;
    });
    await until(() =>
      queue.submit({ id: 'ready', payload: '' }).then(
        () => true,
        () => false,
      ),
    );
    const overAtEnd = queue.submit({ id: 'a', payload: 'x' }).then(
      () => over,
      () => over,
    );
    await until(() => begun);
    await queue.close();
    let settled = false;
    void overAtEnd.then(() => {
      settled = true;
    });
    await new Promise((later) => setTimeout(later, 200));
    expect(settled).toBe(false);
    end();
    expect(await overAtEnd).toBe(true);
  });

  test('finished jobs do not pile up in Redis', async () => {
    const queue = await openBullQueue({
      url: redis.url,
      name: 'bounded',
      prefix: '{llm}',
      attempts: 1,
      backoff_ms: 5,
      keep_finished: 5,
    });
    onTestFinished(() => queue.close());
    await queue.work(async () => {});
    for (let at = 0; at < 30; at++) await queue.submit({ id: `job-${at}`, payload: 'x' });
    const keys = await redis.client().keys('{llm}:bounded:job-*');
    expect(keys.length).toBeLessThanOrEqual(6);
  });

  test('a Redis that does not answer is unavailable within the deadline', async () => {
    const slow = await startRedis();
    onTestFinished(() => slow.stop());
    const queue = await openBullQueue({
      url: slow.url,
      name: 'slow',
      prefix: 'llm',
      attempts: 1,
      backoff_ms: 5,
      deadline_ms: 200,
    });
    onTestFinished(() => queue.close());
    await queue.work(async () => {});
    await until(() =>
      queue.submit({ id: 'a', payload: '' }).then(
        () => true,
        () => false,
      ),
    );
    slow.freeze();
    const begun = Date.now();
    await expect(queue.submit({ id: 'b', payload: '' })).rejects.toThrow(QueueUnavailable);
    expect(Date.now() - begun).toBeLessThan(5000);
    slow.thaw();
  });

  test('Redis killed and restarted empty in the middle of delivery: the sink has each record exactly once', async () => {
    const dir = temporary();
    const own = await startRedis();
    onTestFinished(() => own.stop());
    const trail = await openTrail({
      path: join(dir, 'data'),
      spoolId: 'one',
      sinks: [fileSink(join(dir, 'audit'))],
      queue: await openBullQueue({
        url: own.url,
        name: 'audit',
        prefix: '{llm}',
        attempts: 3,
        backoff_ms: 20,
        deadline_ms: 500,
      }),
      linger_ms: 5,
      retry_ms: 50,
    });
    onTestFinished(() => trail.close(0));
    let made = 0;
    const load = setInterval(() => {
      for (let at = 0; at < 5; at++) {
        const id = `x${made}`;
        made += 1;
        void trail.begin(intent(id));
        void trail.end(record(id));
      }
    }, 5);
    onTestFinished(() => clearInterval(load));
    for (let kill = 0; kill < 3; kill++) {
      const before = trail.state().delivered.file ?? 0;
      await until(() => (trail.state().delivered.file ?? 0) > before);
      await own.kill();
      await new Promise((later) => setTimeout(later, 150));
      await own.restart();
    }
    clearInterval(load);
    await until(() => trail.state().delivered.file === made);
    expect(trail.state().failed.file).toBeGreaterThan(0);
    await trail.close();
    const seen: string[] = [];
    for await (const one of queryTrail(join(dir, 'audit'), {})) seen.push(one.record.exchange);
    expect(seen).toEqual(Array.from({ length: made }, (_, at) => `x${at}`));
    expect(await verifyTrail(join(dir, 'audit'), join(dir, 'data'))).toMatchObject({ ok: true, records: made });
  });
});
