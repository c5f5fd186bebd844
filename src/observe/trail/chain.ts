import { Lines } from '../../stores/index.ts';
import { lostRecord } from '../record.ts';
import type { Fresh } from './fresh.ts';
import type { OpenIntent } from './intent-line.ts';
import { writeJson } from './json-values.ts';
import { closeLine, lineOpening, openLine, type Sealed, sealedText } from './line.ts';
import type { Tail } from './recover.ts';

/** Numbers and links the records of one spool. */
export class Chain {
  readonly #opening: Uint8Array;
  readonly #clock: () => number;
  readonly #lines = new Lines();
  #tail: Tail;
  #at_ms = 0;
  #count = 0;

  constructor(spool: string, tail: Tail, clock: () => number) {
    this.#opening = lineOpening(spool);
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

  /**
   * Begins the next record's line: its JSON is to be written behind it, and then linked. Its time never falls: files are
   * by day and a chain must not jump between them.
   */
  begin(): Lines {
    const { seq, hash: prev, at_ms: before } = this.#tail;
    this.#at_ms = Math.max(this.#clock(), before);
    this.#lines.clear();
    openLine(this.#lines, this.#opening, { seq: seq + 1, at_ms: this.#at_ms, prev });
    return this.#lines;
  }

  /** Ends the line and puts it there. */
  link(sealed: Sealed | undefined, into: Fresh): void {
    const hash = closeLine(this.#lines, 0, sealed);
    this.#tail = { seq: this.#tail.seq + 1, hash, at_ms: this.#at_ms };
    into.put(this.#lines, this.#tail);
    this.#count += 1;
  }

  /** The record of an exchange that an earlier process left without one. */
  linkLost({ intent, personalJson }: OpenIntent, into: Fresh): void {
    writeJson(this.begin(), lostRecord(intent, this.#clock()));
    this.link(personalJson === undefined ? undefined : sealedText(personalJson), into);
  }
}
