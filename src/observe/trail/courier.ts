import type { Job, JobQueue } from '../../stores/index.ts';
import type { Batch } from './batch.ts';
import { batchJob, lateJob } from './batch-job.ts';
import { type Address, placeDigest } from './claim.ts';
import type { Sink } from './sink.ts';

/** Hands one spool's records for one sink to the queue. */
export class Courier {
  readonly #address: Address;
  readonly #queue: JobQueue;

  constructor(spool: string, sink: Sink, queue: JobQueue) {
    this.#address = { sink: sink.name, place: placeDigest(sink), spool };
    this.#queue = queue;
  }

  /** Undefined, or why the batch was not taken. */
  submit(batch: Batch): Promise<unknown> {
    return this.#taken(batchJob(this.#address, batch));
  }

  /** Whether the sink takes a record that is set aside: its place has gone by. */
  async submitLate(seq: number, line: string): Promise<boolean> {
    return (await this.#taken(lateJob(this.#address, seq, line))) === undefined;
  }

  async #taken(job: Job): Promise<unknown> {
    try {
      await this.#queue.submit(job);
      return undefined;
    } catch (error) {
      return error ?? new Error('The queue gave no reason');
    }
  }
}
