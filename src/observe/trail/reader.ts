import { type Batch, type Place, readBatch } from './batch.ts';
import { type Cursor, readOn } from './cursor.ts';
import type { Spool } from './spool.ts';

/** Reads a spool's records for one sink, and counts those it never gets: their segment was removed before. */
export class Reader {
  readonly #spool: Spool;
  readonly #onMissing: (seq: number, count: number) => void;
  #place: Place = { segment: 0, offset: 0 };
  #missing = 0;
  /** A segment was gone, and what lay in it is not counted yet. */
  #gone = false;
  /** Lines that are no record, passed by since the last one that was. */
  #skipped = 0;

  /** `onMissing` is told of each gap: the first number in it, and how many are gone. */
  constructor(spool: Spool, onMissing: (seq: number, count: number) => void) {
    this.#spool = spool;
    this.#onMissing = onMissing;
  }

  /** Where what the sink has not taken begins, or before. */
  get place(): Place {
    return this.#place;
  }

  /** Records, since opening. */
  get missing(): number {
    return this.#missing;
  }

  goOnFrom(cursor: Cursor): void {
    this.#place = readOn(cursor, this.#spool);
  }

  /**
   * The records that follow the one with this number: without a limit those in memory, else from the disk. Undefined
   * where there are none; the place moves past a batch only when it is told so. Throws where the disk cannot be read.
   */
  next(taken: number, limit: number | undefined): Batch | undefined {
    const fresh = limit === undefined ? this.#spool.fresh.after(taken) : undefined;
    if (fresh !== undefined) return fresh;
    const { at, batch, gone } = readBatch(this.#spool, this.#place, limit ?? Number.POSITIVE_INFINITY);
    this.#place = at;
    this.#gone ||= gone;
    if (this.#gone && batch !== undefined && batch.from > 0) this.#countMissing(taken + this.#skipped + 1, batch.from);
    return batch;
  }

  /** The sink has these records. */
  taken({ segment, offset }: Batch): void {
    this.#place = { segment, offset };
    this.#skipped = 0;
  }

  /** This line is no record, and lies elsewhere now. */
  skipped({ segment, offset }: Batch): void {
    this.#place = { segment, offset };
    this.#skipped += 1;
  }

  #countMissing(expected: number, from: number): void {
    this.#gone = false;
    if (from <= expected) return;
    this.#missing += from - expected;
    this.#onMissing(expected, from - expected);
  }
}
