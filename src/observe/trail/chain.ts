import type { Composed } from './compose.ts';
import type { Fresh } from './fresh.ts';
import { closingText, coveredText } from './line.ts';
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

  /** Puts the next record's line there. Its time never falls: files are by day and a chain must not jump between them. */
  link({ json, sealed }: Composed, into: Fresh): void {
    const { seq: last, hash: prev, at_ms: before } = this.#tail;
    const seq = last + 1;
    const at_ms = Math.max(this.#clock(), before);
    const hash = into.cover(coveredText({ spool: this.#spool, seq, at_ms, prev }, json, sealed));
    this.#tail = { seq, hash, at_ms };
    into.close(closingText(hash, sealed), this.#tail);
    this.#count += 1;
  }
}
