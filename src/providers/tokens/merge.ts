import type { RankTable } from './rank-table.ts';

/** Pieces up to here are merged by looking for the lowest rank again and again: cheaper than a heap, and bounded. */
const shortMax = 40;
/** Room for a position beside a rank in one double: ranks take 18 bits of its 53. */
const positions = 2 ** 33;
/** Merges between two looks at the clock. */
const glance = 4096;

/**
 * Byte pair merging over a piece: of all neighbours that are a token together the lowest rank is merged first, the
 * leftmost of equals. A heap of candidates makes it O(n log n) where the textbook's loop is O(n²). One for each thread:
 * its room is used again.
 */
export class Merger {
  #next = new Int32Array(256);
  #ranks = new Int32Array(256);
  #heap = new Float64Array(512);
  #size = 0;

  /** Tokens of the piece `source[start, end)`; undefined where `late` said so on the way. */
  count(table: RankTable, source: Uint8Array, start: number, end: number, late: () => boolean): number | undefined {
    const length = end - start;
    if (length <= 1 || table.rank(source, start, end) >= 0) return 1;
    return length <= shortMax ? this.#short(table, source, start, end) : this.#long(table, source, start, end, late);
  }

  /** `next[i]` is where the part that begins at i ends, and so where the next one begins; `ranks[i]` that of both together. */
  #prepare(table: RankTable, source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (this.#next.length <= length) {
      this.#next = new Int32Array(2 * length);
      this.#ranks = new Int32Array(2 * length);
    }
    for (let at = 0; at < length; at += 1) {
      this.#next[at] = at + 1;
      this.#ranks[at] = at + 2 <= length ? table.rank(source, start + at, start + at + 2) : -1;
    }
  }

  #pairRank(table: RankTable, source: Uint8Array, start: number, length: number, at: number): number {
    const middle = this.#next[at] ?? length;
    if (middle >= length) return -1;
    return table.rank(source, start + at, start + (this.#next[middle] ?? length));
  }

  #short(table: RankTable, source: Uint8Array, start: number, end: number): number {
    const length = end - start;
    this.#prepare(table, source, start, end);
    const [next, ranks] = [this.#next, this.#ranks];
    let parts = length;
    for (;;) {
      let best = -1;
      let before = -1;
      for (let at = 0, previous = -1; at < length; previous = at, at = next[at] ?? length) {
        const rank = ranks[at] ?? -1;
        if (rank >= 0 && (best < 0 || rank < (ranks[best] ?? 0))) {
          best = at;
          before = previous;
        }
      }
      if (best < 0) return parts;
      parts -= 1;
      next[best] = next[next[best] ?? length] ?? length;
      ranks[best] = this.#pairRank(table, source, start, length, best);
      if (before >= 0) ranks[before] = this.#pairRank(table, source, start, length, before);
    }
  }

  #long(table: RankTable, source: Uint8Array, start: number, end: number, late: () => boolean): number | undefined {
    const length = end - start;
    this.#prepare(table, source, start, end);
    const [next, ranks] = [this.#next, this.#ranks];
    const previous = new Int32Array(length + 1);
    this.#size = 0;
    for (let at = 0; at < length; at += 1) {
      previous[at + 1] = at;
      const rank = ranks[at] ?? -1;
      if (rank >= 0) this.#push(rank * positions + at);
    }
    let parts = length;
    let merges = 0;
    while (this.#size > 0) {
      const top = this.#pop();
      const at = top % positions;
      // Either part may have been merged since: then this pair is no more, or is another.
      if (ranks[at] !== (top - at) / positions) continue;
      merges += 1;
      if (merges % glance === 0 && late()) return undefined;
      parts -= 1;
      const gone = next[at] ?? length;
      const after = next[gone] ?? length;
      ranks[gone] = -1;
      next[at] = after;
      if (after <= length) previous[after] = at;
      const joined = this.#pairRank(table, source, start, length, at);
      ranks[at] = joined;
      if (joined >= 0) this.#push(joined * positions + at);
      if (at > 0) {
        const before = previous[at] ?? 0;
        const rank = this.#pairRank(table, source, start, length, before);
        ranks[before] = rank;
        if (rank >= 0) this.#push(rank * positions + before);
      }
    }
    return parts;
  }

  #push(value: number): void {
    if (this.#size === this.#heap.length) {
      const larger = new Float64Array(2 * this.#size);
      larger.set(this.#heap);
      this.#heap = larger;
    }
    const heap = this.#heap;
    let at = this.#size;
    this.#size += 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] ?? 0;
      if (above <= value) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = value;
  }

  #pop(): number {
    const heap = this.#heap;
    const top = heap[0] ?? 0;
    this.#size -= 1;
    const last = heap[this.#size] ?? 0;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && (heap[child + 1] ?? 0) < (heap[child] ?? 0)) child += 1;
      const below = heap[child] ?? 0;
      if (below >= last) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
