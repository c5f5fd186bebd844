import { existsSync, rm } from 'node:fs';
import { type Recovered, segmentOpening } from './recover.ts';
import { bytesBefore, listSegments, Segment, segmentFile, type WriteSync } from './segment.ts';

export interface SegmentsOptions {
  readonly dir: string;
  /** From here on a segment is full. */
  readonly bytes_max: number;
  readonly write?: WriteSync | undefined;
}

/** A spool's segments: the one that is written, and those before it that some sink still needs. */
export class Segments {
  readonly #dir: string;
  readonly #bytes_max: number;
  readonly #write: WriteSync | undefined;
  #current: Segment;
  /** The one before, of which a flush may still be under way. */
  #left: Segment | undefined;
  #rotateAt: number;
  #olderBytes = 0;
  #removedBefore = 0;

  private constructor(current: Segment, { dir, bytes_max, write }: SegmentsOptions) {
    this.#dir = dir;
    this.#current = current;
    this.#bytes_max = bytes_max;
    this.#write = write;
    this.#rotateAt = bytes_max;
    this.#countOlder();
  }

  /** Goes on where an earlier process ended. */
  static after({ segment, missing, tail, open }: Recovered, spool: string, options: SegmentsOptions): Segments {
    const { dir, write } = options;
    // A gap the chain jumps over needs an opening of its own; so does the first segment.
    if (segment > 0 && missing === 0) return new Segments(Segment.open(dir, segment, write), options);
    const carried = [...open.values()].map(({ line }) => line).join('');
    const lines = segmentOpening(spool, segment + 1, tail) + carried;
    return new Segments(Segment.create(dir, segment + 1, lines, write), options);
  }

  get current(): Segment {
    return this.#current;
  }

  /** Why it is not known what of the newest lines is on the disk, where that is so. */
  get spoiled(): Error | undefined {
    return this.#current.spoiled ?? this.#left?.spoiled;
  }

  /** Of all of them, on disk. */
  get bytes(): number {
    return this.#olderBytes + this.#current.size;
  }

  /** Goes on in the next segment where this one is full; `opening` gives its first lines. */
  rotate(opening: (number: number) => string): void {
    if (this.#current.size < this.#rotateAt) return;
    try {
      this.#renew(opening);
    } catch {
      // No room for another file, or this one is not on the disk: it grows on and the next rotation is tried later.
      this.#rotateAt = this.#current.size + this.#bytes_max;
    }
  }

  /**
   * Where somebody removed the file that is written (it takes lines, and nobody finds them), goes on in the next one and
   * gives back its path. `flush` writes what is pending: its place in the chain is before the next segment's opening.
   * Throws where no file can be made.
   */
  stayInPlace(flush: () => void, opening: (number: number) => string): string | undefined {
    const { path } = this.#current;
    if (existsSync(path)) return undefined;
    this.#leave(flush, opening);
    return path;
  }

  /** The same where a flush of it failed: what is written to another one can be promised again. */
  makeSound(flush: () => void, opening: (number: number) => string): void {
    if (this.#current.spoiled !== undefined) this.#leave(flush, opening);
    this.#left = undefined;
  }

  #leave(flush: () => void, opening: (number: number) => string): void {
    const left = this.#current;
    flush();
    if (this.#current === left) this.#renew(opening);
  }

  #renew(opening: (number: number) => string): void {
    // Before there is another one: that says where the chain stood, and after a power cut nobody would look for more here.
    if (this.#current.spoiled === undefined) this.#current.sync();
    const number = this.#current.number + 1;
    const next = Segment.create(this.#dir, number, opening(number), this.#write);
    this.#current.closeSoon();
    this.#left = this.#current;
    this.#current = next;
    this.#rotateAt = Math.max(this.#bytes_max, next.size * 2);
    this.#countOlder();
  }

  /** Removes segments before `number`, some time soon: the file system takes its time for so many bytes. */
  removeBefore(number: number): void {
    const before = Math.min(number, this.#current.number);
    if (before <= this.#removedBefore) return;
    this.#removedBefore = before;
    for (const one of listSegments(this.#dir)) {
      if (one < before) rm(segmentFile(this.#dir, one), { force: true }, () => this.#removed());
    }
  }

  /** Nobody waits for this: a directory that is gone by then, with a process that ends, is no trouble. */
  #removed(): void {
    try {
      this.#countOlder();
    } catch {
      this.#olderBytes = 0;
    }
  }

  #countOlder(): void {
    this.#olderBytes = bytesBefore(this.#dir, this.#current.number);
  }
}
