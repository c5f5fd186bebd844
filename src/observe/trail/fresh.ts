import type { Lines } from '../../stores/index.ts';
import { type Batch, batch_bytes_max } from './batch.ts';
import type { Tail } from './recover.ts';
import { linesOf } from './run.ts';

/** Lines that lie behind each other in one block and in one segment. */
interface Stretch {
  readonly block: Block;
  readonly start: number;
  end: number;
  readonly from: number;
  readonly first_ms: number;
  /** Its last record. */
  last: Tail;
  readonly segment: number;
  /** Where in the segment it begins, and what follows. */
  readonly begins: number;
  offset: number;
  /** A sink has taken it from here as it is: what comes later is another stretch. */
  handed: boolean;
}

type Block = Buffer;

/** Memory is taken in pieces of this size, outside the heap: a collector need not look at what waits for its sinks. */
const block_bytes = 1 << 18;
/** Blocks kept to be filled again: as many as a batch is put together of. */
const spare_max = batch_bytes_max / block_bytes;
/** Bytes of lines kept in memory; a sink that is further behind reads the spool's files. */
const fresh_bytes_max = 4 << 20;
/** From here on a stretch takes no more: a batch is put together of whole ones. */
const stretch_bytes_max = 1 << 20;

/**
 * The newest records of a spool, as bytes: put together here, written from here, and a sink that keeps pace takes them
 * from here, so that nothing is encoded twice, read back, split or parsed. Bounded; what is forgotten is on disk.
 */
export class Fresh {
  readonly #spool: string;
  #block: Block = Buffer.allocUnsafeSlow(block_bytes);
  /** The lines not written yet lie between these two, in one piece. */
  #start = 0;
  #end = 0;
  /** The first and the last record of each stretch of those lines, and where it ends. */
  #pending: { readonly first: Tail; last: Tail; end: number }[] = [];
  #stretches: Stretch[] = [];
  #bytes = 0;
  #spare: Block[] = [];

  constructor(spool: string) {
    this.#spool = spool;
  }

  /** Bytes of lines not written yet. */
  get pending(): number {
    return this.#end - this.#start;
  }

  /** Takes this record's line. */
  put({ bytes, size }: Lines, record: Tail): void {
    if (this.#block.length - this.#end < size) this.#move(size);
    this.#end += bytes.copy(this.#block, this.#end, 0, size);
    const pending = this.#pending.at(-1);
    const before = this.#pending.at(-2)?.end ?? this.#start;
    if (pending !== undefined && pending.end - before < stretch_bytes_max) {
      pending.last = record;
      pending.end = this.#end;
    } else {
      this.#pending.push({ first: record, last: record, end: this.#end });
    }
  }

  /** Goes on in another block, with what is pending. */
  #move(room: number): void {
    const needed = this.pending + room;
    const fits = needed <= block_bytes / 2;
    const block = (fits ? this.#spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(fits ? block_bytes : needed * 2);
    const old = this.#block;
    old.copy(block, 0, this.#start, this.#end);
    for (const one of this.#pending) one.end -= this.#start;
    this.#end -= this.#start;
    this.#start = 0;
    this.#block = block;
    if (!this.#stretches.some((one) => one.block === old)) this.#keepSpare(old);
  }

  #keepSpare(block: Block): void {
    if (block.length === block_bytes && this.#spare.length < spare_max) this.#spare.push(block);
  }

  /** The lines not written yet: of `block` from `start` to `end`. */
  get unwritten(): { readonly block: Block; readonly start: number; readonly end: number } {
    return { block: this.#block, start: this.#start, end: this.#end };
  }

  /** Those pending are written: the last of them ends at this place of a segment. */
  written(segment: number, offset: number): void {
    const moved = offset - this.#end;
    for (const { first, last, end } of this.#pending) this.#add(first, last, end, segment, end + moved);
    this.#pending = [];
    if (this.#bytes > fresh_bytes_max) this.#drop();
  }

  #add(first: Tail, last: Tail, end: number, segment: number, offset: number): void {
    const block = this.#block;
    const start = this.#start;
    this.#start = end;
    this.#bytes += end - start;
    const before = this.#stretches.at(-1);
    if (before?.block === block && goesOn(before, segment)) {
      before.end = end;
      before.last = last;
      before.offset = offset;
      return;
    }
    const { seq: from, at_ms: first_ms } = first;
    const begins = offset - (end - start);
    this.#stretches.push({ block, start, end, from, first_ms, last, segment, begins, offset, handed: false });
  }

  /** A sink is far behind, and may be at it with what lies here: the memory is given up, not used again. */
  #drop(): void {
    this.#stretches = [];
    this.#bytes = 0;
    this.#spare = [];
    this.#block = Buffer.allocUnsafeSlow(block_bytes);
    this.#start = 0;
    this.#end = 0;
  }

  /** Every sink has the records up to this one. */
  forget(seq: number): void {
    while (this.#stretches[0] !== undefined && this.#stretches[0].last.seq <= seq) {
      const { block, start, end } = this.#stretches[0];
      this.#stretches.shift();
      this.#bytes -= end - start;
      if (block !== this.#block && this.#stretches[0]?.block !== block) this.#keepSpare(block);
    }
    if (this.#stretches.length === 0 && this.pending === 0) {
      this.#start = 0;
      this.#end = 0;
    }
  }

  /** Bytes of the records that follow one; undefined where they are not all here. */
  bytesAfter(seq: number): number | undefined {
    let bytes = 0;
    for (let at = this.#stretches.length - 1; at >= 0; at -= 1) {
      const one = this.#stretches[at];
      if (one === undefined || one.from <= seq) break;
      bytes += one.end - one.start;
      if (one.from === seq + 1) return bytes;
    }
    return undefined;
  }

  /** The records that follow one, as many as a batch takes; undefined where they are not all here. */
  after(seq: number): Batch | undefined {
    const at = this.#stretches.findLastIndex((one) => one.from === seq + 1);
    const first = this.#stretches[at];
    if (first === undefined) return undefined;
    const bytes: Uint8Array[] = [];
    let last = first;
    let length = 0;
    for (let index = at; index < this.#stretches.length; index += 1) {
      const one = this.#stretches[index];
      if (one === undefined || (length > 0 && length + one.end - one.start > batch_bytes_max)) break;
      length += one.end - one.start;
      bytes.push(one.block.subarray(one.start, one.end));
      last = one;
    }
    last.handed = true;
    const { segment, offset } = last;
    const { seq: to, hash, at_ms: last_ms } = last.last;
    const { from, first_ms } = first;
    const start = { segment: first.segment, offset: first.begins };
    const run = { spool: this.#spool, from, to, hash, first_ms, last_ms, bytes };
    return { start, segment, offset, from, to, hash, count: to - from + 1, lines: () => linesOf(bytes), run };
  }
}

function goesOn({ handed, segment, start, end }: Stretch, next: number): boolean {
  return !handed && segment === next && end - start < stretch_bytes_max;
}
