import type { JobQueue } from '../../stores/index.ts';
import { type Batch, BatchJob } from './batch.ts';

/** Hands one spool's records for one sink to the queue. */
export class Courier {
  readonly #name: string;
  readonly #sink: string;
  readonly #queue: JobQueue;

  constructor(spool: string, sink: string, queue: JobQueue) {
    this.#name = `${spool}.${sink}`;
    this.#sink = sink;
    this.#queue = queue;
  }

  /** Undefined, or why the batch was not taken. */
  async submit(batch: Batch): Promise<unknown> {
    try {
      await this.#queue.submit(new BatchJob(`${this.#name}.${batch.from}-${batch.to}`, this.#sink, batch));
      return undefined;
    } catch (error) {
      return error ?? new Error('The queue gave no reason');
    }
  }

  /** Whether the sink takes a record whose place has gone by. */
  async submitLate(seq: number, line: string): Promise<boolean> {
    try {
      await this.#queue.submit(new BatchJob(`${this.#name}.late-${seq}`, this.#sink, { lines: () => [line] }, true));
      return true;
    } catch {
      return false;
    }
  }
}
