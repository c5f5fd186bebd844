import { JobFailed, type JobQueue } from '../../stores/index.ts';
import type { Batch } from './batch.ts';
import { type BatchJob, batchJob, lateJob } from './batch-job.ts';
import { hand } from './carry.ts';
import { type Address, placeDigest } from './claim.ts';
import type { Sink } from './sink.ts';

/** Hands one spool's records for one sink to the queue. */
export class Courier {
  readonly #address: Address;
  readonly #sink: Sink;
  readonly #queue: JobQueue;

  constructor(spool: string, sink: Sink, queue: JobQueue) {
    this.#address = { sink: sink.name, place: placeDigest(sink), spool };
    this.#sink = sink;
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

  async #taken(job: BatchJob): Promise<unknown> {
    try {
      await this.#queue.submit(job);
      if (!job.handed) await this.#ask(job);
      return undefined;
    } catch (error) {
      return error ?? new Error('The queue gave no reason');
    }
  }

  /**
   * Somebody says that the job was done. It may have been, by a process that went away before its word; it may be the
   * job of other records that had these numbers before their spool was put back; and whoever may write to the queue may
   * say so. The sink knows: it leaves out what it has, and tells what it has under the same numbers.
   */
  async #ask(job: BatchJob): Promise<void> {
    try {
      await hand(job, this.#sink);
    } catch (cause) {
      throw new JobFailed(`Job ${job.id} is said to be done, and its sink does not take it`, { cause });
    }
  }
}
