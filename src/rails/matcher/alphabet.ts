import { type CharSet, contains, lastCodePoint } from './char-set.ts';

/**
 * The code points divided into classes no pattern tells apart. `ofUnit` answers for a UTF-16 unit that is a code point
 * of its own; halves of surrogate pairs answer `half` there and are asked as code points by `ofPoint`.
 */
export class Alphabet {
  readonly size: number;
  /** The mark of a surrogate half in `ofUnit`. */
  readonly half = 0xffff;
  readonly ofUnit = new Uint16Array(0x10000);
  readonly #starts: readonly number[];
  readonly #classes: readonly number[];
  readonly #samples: readonly number[];

  constructor(sets: readonly CharSet[]) {
    const cuts = new Set<number>([0]);
    for (const set of sets) {
      for (let i = 0; i + 1 < set.length; i += 2) {
        cuts.add(set[i] ?? 0);
        cuts.add((set[i + 1] ?? 0) + 1);
      }
    }
    cuts.delete(lastCodePoint + 1);
    this.#starts = [...cuts].sort((a, b) => a - b);
    const numbers = new Map<string, number>();
    const samples: number[] = [];
    this.#classes = membership(this.#starts, sets).map((signature, index) => {
      const known = numbers.get(signature);
      if (known !== undefined) return known;
      samples.push(this.#starts[index] ?? 0);
      numbers.set(signature, numbers.size);
      return numbers.size - 1;
    });
    this.size = numbers.size;
    this.#samples = samples;
    this.#starts.forEach((start, index) => {
      const end = this.#starts[index + 1] ?? lastCodePoint + 1;
      if (start < 0x10000) this.ofUnit.fill(this.#classes[index] ?? 0, start, Math.min(end, 0x10000));
    });
    this.ofUnit.fill(this.half, 0xd800, 0xe000);
  }

  ofPoint(point: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? 0) <= point) low = middle;
      else high = middle;
    }
    return this.#classes[low] ?? 0;
  }

  /** For each class, whether the set holds it; a set the alphabet was built from holds a class whole or not at all. */
  flags(set: CharSet): Uint8Array {
    return Uint8Array.from(this.#samples, (point) => (contains(set, point) ? 1 : 0));
  }
}

/** For each stretch between two cuts, which sets hold it, as a text to compare. */
function membership(starts: readonly number[], sets: readonly CharSet[]): string[] {
  const held: number[][] = starts.map(() => []);
  const indexOf = new Map(starts.map((start, index) => [start, index]));
  sets.forEach((set, number) => {
    for (let i = 0; i + 1 < set.length; i += 2) {
      const from = indexOf.get(set[i] ?? 0) ?? 0;
      const to = indexOf.get((set[i + 1] ?? 0) + 1) ?? starts.length;
      for (let index = from; index < to; index += 1) held[index]?.push(number);
    }
  });
  return held.map((numbers) => numbers.join());
}
