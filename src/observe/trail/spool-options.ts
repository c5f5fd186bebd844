import type { Tail } from './recover.ts';
import type { WriteSync } from './segment.ts';

/** The spool cannot take another exchange (disk full or broken). The gateway answers `audit_unavailable`. */
export class SpoolUnavailable extends Error {
  override readonly name = 'SpoolUnavailable';
}

/** How often a full disk is tried again. */
export const retry_ms = 1000;

export function unwritable(cause: unknown): SpoolUnavailable {
  return new SpoolUnavailable('The audit spool cannot be written', { cause });
}

/** Throws where an id cannot be part of a file's name. */
export function checkSpoolId(id: string): void {
  if (!/^[\w-]{1,60}$/.test(id)) throw new Error(`A spool id may hold letters, digits, - and _: ${id}`);
}

export interface SpoolOptions {
  /** Data directory of the trail: keys and spools lie in it. */
  readonly path: string;
  /** Name of this process's place among those that share the directory; the same after a restart. */
  readonly spoolId: string;
  /** `group`: within a fifth of a second, not awaited; survives kill -9. `always`: before `begin` returns and `end` resolves. */
  readonly fsync: 'group' | 'always';
  readonly segment_bytes_max: number;
  /** Least space kept aside for the records of live exchanges; it grows with their number. */
  readonly reserve_bytes: number;
  /** Unix ms. */
  readonly clock: () => number;
  /** Told when the spool stops and starts taking exchanges. */
  readonly onState?: (accepting: boolean, error: unknown) => void;
  /** Told how many refused calls have no record: more of them ended while the disk was full than memory holds, or the process ends. */
  readonly onGivenUp?: (count: number) => void;
  /** Told when the segment that is written was removed, and what is written from now on goes into another one. */
  readonly onRemoved?: (path: string) => void;
  /** In place of `fs.writeSync`: a disk that fails on purpose. */
  readonly write?: WriteSync;
}

export interface SpoolState {
  /** Records appended since opening. */
  readonly spooled: number;
  /** Records of refused calls that have no room on the full disk: waiting in memory, or given up. */
  readonly unrecorded: number;
  /** Bytes on disk. */
  readonly bytes: number;
  /** Exchanges begun and not ended. */
  readonly live: number;
  readonly accepting: boolean;
  readonly tail: Tail;
}
