import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { trimmed_bytes_max } from './compose.ts';
import type { WriteSync } from './segment.ts';

/**
 * A file of ballast beside the spool: when the disk is full it is given up, and the records of live exchanges go into
 * its place. It holds noise, since a file system may keep zeros for nothing.
 */
export class Reserve {
  readonly #path: string;
  readonly #bytes_min: number;
  #held = 0;

  constructor(path: string, bytes_min: number) {
    this.#path = path;
    this.#bytes_min = bytes_min;
    try {
      this.#held = statSync(path).size;
    } catch {
      this.#held = 0;
    }
  }

  get held(): number {
    return this.#held;
  }

  /** Makes sure there is room for this many live exchanges. Throws where the disk does not give it. */
  ensure(live: number): void {
    const needed = Math.max(this.#bytes_min, live * trimmed_bytes_max);
    if (this.#held >= needed) return;
    // Doubled, so that a growing number of exchanges rarely writes here.
    const wanted = this.#held === 0 ? needed : Math.max(needed, this.#held * 2);
    const fd = openSync(this.#path, 'a', 0o600);
    try {
      while (this.#held < wanted) {
        this.#held += writeSync(fd, randomBytes(Math.min(65_536, wanted - this.#held)));
      }
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Gives the space back to the disk. */
  release(): void {
    this.#held = 0;
    rmSync(this.#path, { force: true });
  }
}

/** Whether a disk has this much room, not only memory: writes it and takes it away again. Throws where it has not. */
export function probe(path: string, bytes: number, write: WriteSync = writeSync): void {
  const fd = openSync(path, 'w', 0o600);
  try {
    const noise = randomBytes(Math.ceil(bytes));
    for (let done = 0; done < noise.length; ) done += write(fd, noise, done, noise.length - done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
    rmSync(path, { force: true });
  }
}
