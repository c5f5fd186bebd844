import type { SignedHead } from './head.ts';
import type { SpooledRecord } from './line.ts';
import type { Run } from './run.ts';

/** A sink has another record of this spool under this number: waiting changes nothing, so this one is set aside. */
export class RecordConflict extends Error {
  override readonly name = 'RecordConflict';

  constructor(spool: string, seq: number) {
    super(`Record ${seq} of spool ${spool} is there already with another hash`);
  }
}

/**
 * Where records go. A batch may come again (at least once): a sink keeps each (spool, seq) exactly once and resolves
 * only when the batch is as durable as it can make it. Rejects with `RecordConflict` where another record has the number
 * of one of them.
 */
export interface Sink {
  /** Unique among the sinks of a trail; part of job ids, so letters, digits, `-` and `_` only. */
  readonly name: string;
  /** Absolute path of a trail on this machine, where the sink writes one: signed positions are bound to it. */
  readonly place?: string;
  /** `late`: records that were set aside; those after them are there already. */
  write(batch: readonly SpooledRecord[], how?: { readonly late: boolean }): Promise<void>;
  /** `write` of records as they lie in memory, for a sink that need not take them apart. */
  append?(run: Run): Promise<void>;
  /** A signed position of a spool up to which this sink has taken every record. */
  seal?(head: SignedHead): Promise<void>;
  close(): Promise<void>;
}
