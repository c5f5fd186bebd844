import { once } from 'node:events';
import { Queue, Worker } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { type Job, JobFailed, type JobQueue, type QueueOptions, QueueUnavailable } from './queue.ts';
import { clientOf, type RedisPlace } from './redis/connect.ts';

export interface BullQueueOptions extends QueueOptions, RedisPlace {
  /** Queue name; gateways that share it share its jobs, so sinks on one machine's disk need a name of their own. */
  readonly name: string;
  /** Prefix of every key in Redis; for a Cluster one with a hash tag, such as `{llm:queue}`. */
  readonly prefix: string;
  /** Finished jobs kept in Redis, without what they carried: so that a job put in twice is done once. Default 200. */
  readonly keep_finished?: number;
  /** How long they are kept. Default an hour. */
  readonly keep_seconds?: number;
  /** How long Redis may take to answer before it counts as lost. Default 2000. */
  readonly deadline_ms?: number;
}

interface Payload {
  /** Gone once the job is done: what it carried would fill Redis. */
  readonly payload?: string;
}

/** Events nobody reads: BullMQ's own default is ten thousand. */
const events_max = 100;

/** Looks at a job's state this often at first, and ever more rarely up to the last. The worker here wakes it at once. */
const poll_ms = [20, 50, 100, 250, 500, 1000] as const;

/**
 * A job queue on BullMQ. Redis may be killed and come back empty: a job that vanished rejects with `QueueUnavailable`,
 * and whoever submitted it still has the work.
 */
export function openBullQueue(options: BullQueueOptions): JobQueue {
  const keep = { count: options.keep_finished ?? 200, age: options.keep_seconds ?? 3600 };
  const deadline_ms = options.deadline_ms ?? 2000;
  // Commands of the submitting side fail at once while Redis is away, instead of piling up in memory.
  const connection = clientOf(options, { connect_timeout_ms: deadline_ms });
  // The state of the connection is seen in the answers of `submit`; ioredis would print each failed try.
  connection.on('error', () => {});
  connection.connect().catch(() => {});
  let opened: Queue<Payload> | undefined;

  /** BullMQ asks for the server's version as it opens, and never again: so it opens when there is a server. */
  async function ready(): Promise<Queue<Payload>> {
    if (connection.status !== 'ready') await once(connection, 'ready', { signal: AbortSignal.timeout(deadline_ms) });
    if (opened !== undefined) return opened;
    opened = new Queue<Payload>(options.name, {
      connection,
      prefix: options.prefix,
      streams: { events: { maxLen: events_max } },
      defaultJobOptions: {
        attempts: options.attempts,
        backoff: { type: 'exponential', delay: options.backoff_ms },
        removeOnComplete: keep,
        removeOnFail: keep,
      },
    });
    opened.on('error', () => {});
    return opened;
  }

  const waits = new Map<string, { readonly done: Promise<void>; wake: () => void; cancel: (error: Error) => void }>();
  let worker: Worker<Payload> | undefined;
  let workerConnection: Redis | Cluster | undefined;
  let closing = false;

  /** Answers within the deadline or rejects with `QueueUnavailable`. */
  async function within<T>(answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer')), deadline_ms);
    });
    try {
      return await Promise.race([answer, late]);
    } catch (cause) {
      throw new QueueUnavailable('Redis does not answer', { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  async function follow(job: Job, sleep: (ms: number) => Promise<void>): Promise<void> {
    const queue = await within(ready());
    const before = await within(queue.getJobState(job.id));
    if (before === 'completed') return;
    // A job that failed for good is taken out, so that submitting it again means trying it again.
    if (before === 'failed') await within(queue.remove(job.id));
    await within(queue.add('deliver', { payload: job.payload }, { jobId: job.id }));
    for (let look = 0; ; look++) {
      await sleep(poll_ms[Math.min(look, poll_ms.length - 1)] ?? 1000);
      const state = await within(queue.getJobState(job.id));
      if (state === 'completed') return;
      if (state === 'failed') throw await failure(queue, job.id);
      if (state === 'unknown') throw new QueueUnavailable(`Redis no longer knows job ${job.id}`);
    }
  }

  /** Why it failed. It is taken out: whoever put it in still has the work. */
  async function failure(queue: Queue<Payload>, id: string): Promise<JobFailed> {
    const failed = await within(queue.getJob(id));
    await within(queue.remove(id));
    const cause = failed === undefined ? undefined : new Error(failed.failedReason);
    return new JobFailed(`Job ${id} failed ${options.attempts} times`, { cause });
  }

  function submit(job: Job): Promise<void> {
    if (closing) return Promise.reject(new QueueUnavailable('The queue is closing'));
    const twin = waits.get(job.id);
    if (twin !== undefined) return twin.done;
    let wake: () => void = () => {};
    let cancel: (error: Error) => void = () => {};
    const cancelled = new Promise<never>((_, reject) => {
      cancel = reject;
    });
    cancelled.catch(() => {});
    const sleep = (ms: number): Promise<void> => {
      const nap = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      return Promise.race([nap, cancelled]);
    };
    const done = Promise.race([follow(job, sleep), cancelled]).finally(() => waits.delete(job.id));
    waits.set(job.id, { done, wake: () => wake(), cancel });
    return done;
  }

  async function work(handler: (job: Job) => Promise<void>): Promise<void> {
    if (worker !== undefined) throw new Error('The queue has a handler already');
    workerConnection = clientOf(options, { connect_timeout_ms: deadline_ms, patient: true });
    workerConnection.on('error', () => {});
    workerConnection.connect().catch(() => {});
    worker = new Worker<Payload>(
      options.name,
      async (job) => {
        const { payload } = job.data;
        // Done already, by a worker that went away before its word.
        if (payload === undefined) return;
        await handler({ id: job.id ?? '', payload });
        await job.updateData({});
      },
      {
        connection: workerConnection,
        prefix: options.prefix,
        concurrency: 1,
        removeOnComplete: keep,
        removeOnFail: keep,
        // A worker that was killed keeps its job for this long; then another takes it.
        lockDuration: 10_000,
        stalledInterval: 5_000,
      },
    );
    worker.on('error', () => {});
    worker.on('completed', (job) => waits.get(job.id ?? '')?.wake());
    worker.on('failed', (job) => waits.get(job?.id ?? '')?.wake());
  }

  return {
    submit,
    work,
    async close() {
      closing = true;
      // `close(true)` would not wait for the running job; a lost Redis must not hold the process either.
      const ended = (worker?.close() ?? Promise.resolve()).catch(() => {});
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, deadline_ms))]);
      for (const wait of waits.values()) wait.cancel(new QueueUnavailable('The queue is closing'));
      if (opened !== undefined) await within(opened.close()).catch(() => {});
      connection.disconnect();
      workerConnection?.disconnect();
    },
  };
}
