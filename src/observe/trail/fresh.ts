import { type Batch, batch_bytes_max } from './batch.ts';
import type { SpooledRecord } from './line.ts';

/** A record that was written, and where it ends in its segment. */
interface Entry {
  readonly record: SpooledRecord;
  readonly bytes: number;
  readonly segment: number;
  readonly end: number;
}

/** Bytes of lines kept in memory; a sink that is further behind reads the spool's files. */
const fresh_bytes_max = 4 << 20;

/**
 * The newest records of a spool, as they lie in its files: a sink that keeps pace takes them from here, and nothing has
 * to be read back, split and parsed. Bounded; what is forgotten is on disk.
 */
export class Fresh {
  #pending: { readonly record: SpooledRecord; readonly bytes: number }[] = [];
  #entries: Entry[] = [];
  #bytes = 0;

  /** A record whose line will be written next. */
  pend(record: SpooledRecord): void {
    this.#pending.push({ record, bytes: Buffer.byteLength(record.line) + 1 });
  }

  /** Those pending are written, one behind the other from this place on. */
  written(segment: number, offset: number): void {
    if (this.#pending.length === 0) return;
    let end = offset;
    for (const { record, bytes } of this.#pending) {
      end += bytes;
      this.#entries.push({ record, bytes, segment, end });
      this.#bytes += bytes;
    }
    this.#pending = [];
    if (this.#bytes > fresh_bytes_max) this.#keep([]);
  }

  /** Every sink has the records up to this one. */
  forget(seq: number): void {
    const gone = this.#indexAfter(seq);
    if (gone > 0) this.#keep(this.#entries.slice(gone));
  }

  /** The records that follow one, as many as a batch takes and at most `limit`; undefined where they are not all here. */
  after(seq: number, limit: number): Batch | undefined {
    const at = this.#indexAfter(seq);
    const first = this.#entries[at];
    if (first?.record.seq !== seq + 1) return undefined;
    const records: SpooledRecord[] = [];
    let last = first;
    let bytes = 0;
    for (let index = at; index < this.#entries.length && records.length < limit; index += 1) {
      const entry = this.#entries[index];
      if (entry === undefined || (records.length > 0 && bytes + entry.bytes > batch_bytes_max)) break;
      bytes += entry.bytes;
      records.push(entry.record);
      last = entry;
    }
    const { segment, end, record } = last;
    return { segment, offset: end, from: first.record.seq, to: record.seq, hash: record.hash, records };
  }

  /** Records are numbered without a gap, so the place of one is known. */
  #indexAfter(seq: number): number {
    const first = this.#entries[0];
    return first === undefined ? 0 : Math.min(this.#entries.length, Math.max(0, seq + 1 - first.record.seq));
  }

  #keep(entries: Entry[]): void {
    this.#entries = entries;
    this.#bytes = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}
