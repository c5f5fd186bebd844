import { existsSync, rm } from 'node:fs';
import { bytesBefore, listSegments, type Making, Segment, segmentFile } from './segment.ts';

/** A spool's segments: the one that is written, and those before it that some sink still needs. */
export class Segments {
  readonly #dir: string;
  readonly #bytes_max: number;
  readonly #making: Making;
  #current: Segment;
  #rotateAt: number;
  #olderBytes = 0;
  #removedBefore = 0;

  constructor(dir: string, current: Segment, bytes_max: number, making: Making) {
    this.#dir = dir;
    this.#current = current;
    this.#bytes_max = bytes_max;
    this.#making = making;
    this.#rotateAt = bytes_max;
    this.#countOlder();
  }

  get current(): Segment {
    return this.#current;
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
      // No room for another file: this one grows on and the next rotation is tried later.
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
    flush();
    if (this.#current.path === path) this.#renew(opening);
    return path;
  }

  #renew(opening: (number: number) => string): void {
    const number = this.#current.number + 1;
    const next = Segment.create(this.#dir, number, opening(number), this.#making);
    this.#current.closeSoon();
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
