import {
  close,
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** `writeSync`, or a disk that fails on purpose. */
export type WriteSync = (fd: number, bytes: Uint8Array, offset: number, length: number) => number;

const pattern = /^segment-(\d{8})\.jsonl$/;

export function segmentFile(dir: string, number: number): string {
  return join(dir, `segment-${String(number).padStart(8, '0')}.jsonl`);
}

/** Numbers of a spool's segments, ascending. */
export function listSegments(dir: string): number[] {
  return readdirSync(dir)
    .flatMap((name) => {
      const match = pattern.exec(name);
      return match === null ? [] : [Number(match[1])];
    })
    .sort((a, b) => a - b);
}

/** Bytes of the segments before this one. */
export function bytesBefore(dir: string, number: number): number {
  return listSegments(dir)
    .filter((one) => one < number)
    .reduce((sum, one) => sum + (statSync(segmentFile(dir, one), { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** Lines are written at once, so one buffer does for all: one of its own for each call costs an allocation outside the heap. */
let scratch = Buffer.alloc(65_536);
const scratch_bytes_max = 1 << 20;

/** Bytes of whole lines in a buffer. */
export interface Slice {
  readonly block: Buffer;
  readonly start: number;
  readonly end: number;
}

/** The one and the other behind it, in the scratch buffer where both hold something. */
function together(one: Slice, other: Slice): Slice {
  const length = one.end - one.start;
  if (length === 0) return other;
  if (other.end === other.start) return one;
  const room = length + other.end - other.start;
  if (room > scratch.length) scratch = Buffer.alloc(room);
  else if (scratch.length > scratch_bytes_max && room <= scratch_bytes_max) scratch = Buffer.alloc(scratch_bytes_max);
  one.block.copy(scratch, 0, one.start, one.end);
  other.block.copy(scratch, length, other.start, other.end);
  return { block: scratch, start: 0, end: room };
}

const nothing: Slice = { block: scratch, start: 0, end: 0 };

/** Gives a file its name, which outlasts a power cut: whatever is flushed to it is nowhere without. Or leaves no file of it. */
function rename(temporary: string, path: string, dir: string): void {
  const directory = openSync(dir, 'r');
  try {
    renameSync(temporary, path);
    fsyncSync(directory);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(directory);
  }
}

/** A file that only grows, by whole lines: a write that fails half way is taken back. */
export class Segment {
  readonly number: number;
  readonly path: string;
  readonly #fd: number;
  readonly #write: WriteSync;
  #size: number;
  #dirty = false;
  #syncing = false;
  /** Behind the whole lines lies a part of one. */
  #torn = false;
  /** A flush of it failed: the system may have let go of what it did not write, and no later flush tells of that. */
  spoiled: Error | undefined;

  private constructor(
    number: number,
    path: string,
    file: { readonly fd: number; readonly size: number },
    write: WriteSync,
  ) {
    this.number = number;
    this.path = path;
    this.#write = write;
    this.#fd = file.fd;
    this.#size = file.size;
  }

  static open(dir: string, number: number, write: WriteSync = writeSync): Segment {
    const path = segmentFile(dir, number);
    const fd = openSync(path, 'a', 0o600);
    return new Segment(number, path, { fd, size: fstatSync(fd).size }, write);
  }

  /**
   * A new segment that begins with these lines, all of them or no file. Nothing is opened once it has its name: a segment
   * that is there and not written is one that the next process takes for the last.
   */
  static create(dir: string, number: number, lines: string, write: WriteSync = writeSync): Segment {
    const path = segmentFile(dir, number);
    const temporary = `${path}.new`;
    if (existsSync(temporary)) unlinkSync(temporary);
    const made = new Segment(number, path, { fd: openSync(temporary, 'a', 0o600), size: 0 }, write);
    try {
      const block = Buffer.from(lines);
      made.append({ block, start: 0, end: block.length });
      made.sync();
      rename(temporary, path, dir);
      return made;
    } catch (error) {
      closeSync(made.#fd);
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  /** Bytes of whole lines. */
  get size(): number {
    return this.#size;
  }

  /**
   * Appends lines, and more behind them, in one step in the page cache: it survives the death of the process.
   * Throws with nothing appended.
   */
  append(lines: Slice, more: Slice = nothing): void {
    const { block, start, end } = together(lines, more);
    if (this.#torn) this.#takeBack();
    let done = start;
    try {
      while (done < end) done += this.#write(this.#fd, block, done, end - done);
    } catch (error) {
      this.#torn = done > start;
      if (this.#torn) this.#takeBack();
      throw error;
    }
    this.#size += end - start;
    this.#dirty = true;
  }

  /** Throws where the disk does not let it: then nothing may follow what is torn. */
  #takeBack(): void {
    ftruncateSync(this.#fd, this.#size);
    this.#torn = false;
  }

  /** To the platter, before it returns: also what a flush is under way for. */
  sync(): void {
    if (!this.#dirty && !this.#syncing) return;
    try {
      fdatasyncSync(this.#fd);
      this.#dirty = false;
    } catch (error) {
      this.spoiled ??= error as Error;
      throw error;
    }
  }

  /** To the platter, some time soon; where it fails the segment is spoiled. */
  syncSoon(): void {
    if (!this.#dirty || this.#syncing) return;
    this.#dirty = false;
    this.#syncing = true;
    fdatasync(this.#fd, (error) => {
      this.#syncing = false;
      if (error !== null) {
        this.#dirty = true;
        this.spoiled ??= error;
      }
      if (!this.#closed) return;
      // What was written since is not on the platter yet.
      if (this.#dirty && error === null) this.syncSoon();
      else this.#letGo();
    });
  }

  /** To the platter, some time soon, and then closed: no call waits for as much as a segment holds. */
  closeSoon(): void {
    this.#closed = true;
    this.syncSoon();
    if (!this.#syncing) this.#letGo();
  }

  /** Where the bytes are many and the name is gone already, closing takes its time as well. */
  #letGo(): void {
    close(this.#fd);
  }

  #closed = false;

  close(): void {
    if (this.#closed) return;
    try {
      this.sync();
    } finally {
      this.#closed = true;
      // A sync under way still needs the descriptor; it closes it when done.
      if (!this.#syncing) closeSync(this.#fd);
    }
  }
}
