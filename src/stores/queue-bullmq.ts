import { once } from 'node:events';
import { type Job as BullJob, DelayedError, Queue, Worker } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { type Job, JobFailed, type JobQueue, JobRefused, type QueueOptions, QueueUnavailable } from './queue.ts';
import { Wait } from './queue-wait.ts';
import { clientOf, type RedisPlace } from './redis/connect.ts';

export interface BullQueueOptions extends QueueOptions, RedisPlace {
  /** Queue name; gateways that share it share its jobs, so sinks on one machine's disk need a name of their own. */
  readonly name: string;
  /** Prefix of every key in Redis; for a Cluster one with a hash tag, such as `{llm:queue}`. */
  readonly prefix: string;
  /** Finished jobs kept in Redis: so that a job put in twice is done once. Default 200. */
  readonly keep_finished?: number;
  /** How long they are kept. Default an hour. */
  readonly keep_seconds?: number;
  /** How long Redis may take to answer before it counts as lost. Default 2000. */
  readonly deadline_ms?: number;
}

interface Payload {
  /** Missing from jobs that an older version had done: it took it out when it was. */
  readonly payload?: string;
}

/** Events nobody reads: BullMQ's own default is ten thousand. */
const events_max = 100;

/** Looks at a job's state this often at first, and ever more rarely up to the last. The worker here ends a wait at once. */
const poll_ms = [20, 50, 100, 250, 500, 1000] as const;

/** So often a job is begun before a handler's refusal counts as a failure: by then nobody seems to be the right one. */
const begun_max = 50;

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

  const waits = new Map<string, Wait>();
  /** The job the handler of this process is at. */
  let atWork: { readonly id: string; readonly over: Promise<unknown> } | undefined;
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

  /** Puts the job in and waits for it. One that is done already, or that Redis lost, shows only when it is looked at. */
  async function follow(wait: Wait): Promise<void> {
    const { job } = wait;
    const queue = await within(ready());
    let since_ms = Date.now();
    await within(queue.add('deliver', { payload: job.payload }, { jobId: job.id }));
    for (let look = 0; ; look++) {
      const told = await wait.told(poll_ms[Math.min(look, poll_ms.length - 1)] ?? 1000);
      if (told?.kind === 'done') return;
      if (told?.kind === 'closed') throw new QueueUnavailable('The queue is closing');
      if (told?.kind === 'failed') throw await failure(queue, job.id, told.cause);
      if (atWork?.id === job.id) continue;
      const state = await within(queue.getJobState(job.id));
      if (state === 'completed') return;
      if (state === 'unknown') throw new QueueUnavailable(`Redis no longer knows job ${job.id}`);
      if (state !== 'failed') continue;
      const found = await within(queue.getJob(job.id));
      if (found === undefined || found.timestamp >= since_ms) throw await failure(queue, job.id, reasonOf(found));
      // It failed for somebody before: submitting it again means trying it again.
      await within(queue.remove(job.id));
      since_ms = Date.now();
      await within(queue.add('deliver', { payload: job.payload }, { jobId: job.id }));
    }
  }

  /** It is taken out: whoever put it in still has the work. */
  async function failure(queue: Queue<Payload>, id: string, cause: Error | undefined): Promise<JobFailed> {
    await within(queue.remove(id));
    return new JobFailed(`Job ${id} failed ${options.attempts} times`, { cause });
  }

  function submit(job: Job): Promise<void> {
    if (closing) return Promise.reject(new QueueUnavailable('The queue is closing'));
    const twin = waits.get(job.id);
    if (twin !== undefined) return twin.done;
    const wait = new Wait(job);
    waits.set(job.id, wait);
    wait.done = follow(wait).finally(() => {
      waits.delete(job.id);
      return atWork?.id === job.id ? atWork.over : undefined;
    });
    return wait.done;
  }

  async function run(job: BullJob<Payload>, handler: (job: Job) => Promise<void>): Promise<void> {
    const { id = '', data, token } = job;
    const { payload } = data;
    // Done already, by a worker that went away before its word.
    if (payload === undefined) return;
    const handled = handler(waits.get(id)?.job ?? { id, payload });
    atWork = { id, over: handled.catch(() => {}) };
    try {
      await handled;
    } catch (error) {
      if (!(error instanceof JobRefused) || job.attemptsStarted >= begun_max) throw error;
      await job.moveToDelayed(Date.now() + options.backoff_ms, token);
      throw new DelayedError();
    } finally {
      atWork = undefined;
    }
  }

  async function work(handler: (job: Job) => Promise<void>): Promise<void> {
    if (worker !== undefined) throw new Error('The queue has a handler already');
    workerConnection = clientOf(options, { connect_timeout_ms: deadline_ms, patient: true });
    workerConnection.on('error', () => {});
    workerConnection.connect().catch(() => {});
    worker = new Worker<Payload>(options.name, (job) => run(job, handler), {
      connection: workerConnection,
      prefix: options.prefix,
      concurrency: 1,
      removeOnComplete: keep,
      removeOnFail: keep,
      // A worker that was killed keeps its job for this long; then another takes it.
      lockDuration: 10_000,
      stalledInterval: 5_000,
    });
    worker.on('error', () => {});
    worker.on('completed', (job) => waits.get(job.id ?? '')?.tell({ kind: 'done' }));
    worker.on('failed', (job, cause) => {
      // Without a time at which it ended it is tried again.
      if (job?.finishedOn !== undefined) waits.get(job.id ?? '')?.tell({ kind: 'failed', cause });
    });
  }

  return {
    submit,
    work,
    async close() {
      closing = true;
      // `close(true)` would not wait for the running job; a lost Redis must not hold the process either.
      const ended = (worker?.close() ?? Promise.resolve()).catch(() => {});
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, deadline_ms))]);
      for (const wait of waits.values()) wait.tell({ kind: 'closed' });
      if (opened !== undefined) {
        await within(forgetFinished(opened)).catch(() => {});
        await within(opened.close()).catch(() => {});
      }
      connection.disconnect();
      workerConnection?.disconnect();
    },
  };
}

/** Old ones go as new ones are finished, and here nobody may ever finish any more: a name is a machine's, and machines come and go. */
async function forgetFinished(queue: Queue<Payload>): Promise<void> {
  await Promise.all([queue.clean(0, 0, 'completed'), queue.clean(0, 0, 'failed'), queue.trimEvents(0)]);
}

function reasonOf(job: BullJob<Payload> | undefined): Error | undefined {
  return job === undefined ? undefined : new Error(job.failedReason);
}
