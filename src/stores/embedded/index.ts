import type { Ledger } from '../ledger.ts';

export interface EmbeddedLedgerOptions {
  /** Directory of the journal; made where missing, and locked by this process. */
  readonly path: string;
  /** Unix ms; for tests. Default `Date.now`. */
  readonly clock?: () => number;
  /**
   * `group` (default): a verb resolves once its record was given to the system (survives kill -9), flushed to the disk
   * in the background. `always`: a verb resolves once its record is on the disk (survives a power cut).
   */
  readonly fsync?: 'group' | 'always';
  /** Size at which a journal segment is closed and the next one starts with a snapshot. Default 32 MiB. */
  readonly segment_bytes_max?: number;
  /** Closed segments kept for `entries` and `reconcile`, all together. Default 512 MiB. */
  readonly entries_bytes_max?: number;
  /** How often abandoned holds are looked for. Default 1000; 0 never (call `reap`). */
  readonly reap_interval_ms?: number;
  /** Told what an operator should know: a torn journal that was cut, a disk that refuses writes. */
  readonly notice?: (message: string) => void;
}

export interface EmbeddedLedger extends Ledger {
  /** Settles holds whose lease is over at their estimate, provisionally. Returns how many. */
  reap(now_ms?: number): Promise<number>;
}

/** Opens the ledger kept in this process and journalled to `path`. Fails where another process holds the directory. */
export { openEmbeddedLedger } from './open.ts';
