import type { Composed } from './compose.ts';
import { type SpooledRecord, writeLine } from './line.ts';
import type { Tail } from './recover.ts';

/** Numbers and links the records of one spool. */
export class Chain {
  readonly #spool: string;
  readonly #clock: () => number;
  #tail: Tail;
  #count = 0;

  constructor(spool: string, tail: Tail, clock: () => number) {
    this.#spool = spool;
    this.#tail = tail;
    this.#clock = clock;
  }

  get tail(): Tail {
    return this.#tail;
  }

  /** Records linked since opening. */
  get count(): number {
    return this.#count;
  }

  /** The next record. Its time never falls: files are by day and a chain must not jump between them. */
  link(composed: Composed): SpooledRecord {
    const at_ms = Math.max(this.#clock(), this.#tail.at_ms);
    const seq = this.#tail.seq + 1;
    const spool = this.#spool;
    const prev = this.#tail.hash;
    const { line, hash } = writeLine({ spool, seq, at_ms, prev }, composed.json, composed.sealed);
    this.#tail = { seq, hash, at_ms };
    this.#count += 1;
    return { spool, seq, at_ms, prev, hash, line };
  }
}
