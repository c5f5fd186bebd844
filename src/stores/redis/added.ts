/** Parts that are told apart. */
const parts_max = 32;

/**
 * What was settled on a counter since it was told, by the server's millisecond: another gateway may have been told a sum
 * between two settlements, which has the earlier one in it and not the later.
 */
export class Added {
  /** Of each part when, and how much; the oldest first. What is behind `#used` is of before. */
  readonly #parts: number[] = [];
  #used = 0;

  clear(): void {
    this.#used = 0;
  }

  put(at_ms: number, more: number): void {
    const parts = this.#parts;
    const last = this.#used - 2;
    if (last >= 0 && parts[last] === at_ms) {
      parts[last + 1] = summed(parts[last + 1], more);
      return;
    }
    if (this.#used === 2 * parts_max) this.#join();
    parts[this.#used++] = at_ms;
    parts[this.#used++] = more;
  }

  /** The oldest two become one, as of the later: too much may be counted of them, and never too little. */
  #join(): void {
    const parts = this.#parts;
    parts[2] = Math.max(parts[0] ?? 0, parts[2] ?? 0);
    parts[3] = summed(parts[1], parts[3] ?? 0);
    parts.copyWithin(0, 2);
    this.#used -= 2;
  }

  /** As `tell` reads it: `ms amount` of each part. */
  get text(): string {
    return this.#parts.slice(0, this.#used).join(' ');
  }
}

function summed(one = 0, other: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, one + other);
}
