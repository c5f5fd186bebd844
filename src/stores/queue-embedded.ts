import { type Job, JobFailed, type JobQueue, type QueueOptions, QueueUnavailable } from './queue.ts';

interface Waiting {
  readonly job: Job;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

function waiting(job: Job): Waiting {
  let resolve: () => void = () => {};
  let reject: (error: Error) => void = () => {};
  const done = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { job, done, resolve, reject };
}

/**
 * A job queue inside the process. It keeps nothing on disk: whoever submits keeps the work until it is done, as the
 * audit spool does.
 */
export function openEmbeddedQueue(options: QueueOptions): JobQueue {
  const known = new Map<string, Waiting>();
  const line: Waiting[] = [];
  let handler: ((job: Job) => Promise<void>) | undefined;
  let running: Promise<void> | undefined;
  let closing = false;
  let wake: (() => void) | undefined;

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function attempt(entry: Waiting, handle: (job: Job) => Promise<void>): Promise<void> {
    for (let tried = 1; ; tried++) {
      try {
        await handle(entry.job);
        entry.resolve();
        return;
      } catch (cause) {
        if (tried >= options.attempts) {
          entry.reject(new JobFailed(`Job ${entry.job.id} failed ${tried} times`, { cause }));
          return;
        }
      }
      await pause(options.backoff_ms * 2 ** (tried - 1));
      if (closing) {
        entry.reject(new QueueUnavailable('The queue is closing'));
        return;
      }
    }
  }

  async function run(handle: (job: Job) => Promise<void>): Promise<void> {
    for (let entry = line.shift(); entry !== undefined; entry = line.shift()) {
      await attempt(entry, handle);
      known.delete(entry.job.id);
    }
    running = undefined;
  }

  function start(): void {
    if (handler !== undefined && running === undefined && line.length > 0) running = run(handler);
  }

  return {
    submit(job) {
      if (closing) return Promise.reject(new QueueUnavailable('The queue is closing'));
      const twin = known.get(job.id);
      if (twin !== undefined) return twin.done;
      const entry = waiting(job);
      known.set(job.id, entry);
      line.push(entry);
      start();
      return entry.done;
    },
    work(handle) {
      handler = handle;
      start();
      return Promise.resolve();
    },
    async close() {
      closing = true;
      for (const entry of line.splice(0)) {
        known.delete(entry.job.id);
        entry.reject(new QueueUnavailable('The queue is closing'));
      }
      wake?.();
      await running;
    },
  };
}
