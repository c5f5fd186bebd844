import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** What a budget's hash showed over all samples, in its own unit. */
export interface Seen {
  readonly samples: number;
  /** The most that was spent and held together. */
  readonly most: number;
  readonly held_most: number;
  readonly leased_most: number;
  /** Samples that cannot be: less than nothing, or more leased than held. */
  readonly wrong: readonly unknown[];
}

/** Reads a budget's hash every few milliseconds, in a thread of its own so that a busy test does not make it miss any. */
export async function sample(port: number, key: string, pause_ms = 3): Promise<{ stop(): Promise<Seen> }> {
  const worker = new Worker(new URL('./programs/sampler.mjs', import.meta.url), {
    workerData: { port, key, pause_ms },
  });
  await once(worker, 'message');
  return {
    async stop() {
      worker.postMessage('stop');
      const [seen] = (await once(worker, 'message')) as [Seen];
      await worker.terminate();
      return seen;
    },
  };
}
