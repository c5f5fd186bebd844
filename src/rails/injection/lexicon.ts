/**
 * The words the rules know, found by a rolling hash while the text is read: no substring is made for a word. Two words
 * with the same 32-bit hash would be taken for one another, which can only raise a false alarm; building refuses it
 * among the rules' own words.
 */
export class Lexicon {
  private readonly ids = new Map<string, number>();
  private slots = new Int32Array(1024);
  private hashes = new Int32Array(1024);

  /** Number of words. */
  get size(): number {
    return this.ids.size;
  }

  /** The id of a word, added where it is new. The word must be normalised. */
  add(word: string): number {
    const known = this.ids.get(word);
    if (known !== undefined) return known;
    const hash = hashWord(word);
    if (this.find(hash) !== -1) throw new Error(`the words of the injection rules collide at "${word}"`);
    const id = this.ids.size;
    this.ids.set(word, id);
    if (this.ids.size * 3 > this.slots.length) this.widen();
    else this.put(hash, id);
    return id;
  }

  /** The id of the word with this hash, or -1. */
  find(hash: number): number {
    const mask = this.slots.length - 1;
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const id = this.slots[slot] ?? 0;
      if (id === 0) return -1;
      if (this.hashes[slot] === hash) return id - 1;
    }
  }

  private put(hash: number, id: number): void {
    const mask = this.slots.length - 1;
    let slot = (hash ^ (hash >>> 15)) & mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
    this.slots[slot] = id + 1;
    this.hashes[slot] = hash;
  }

  private widen(): void {
    this.slots = new Int32Array(this.slots.length * 2);
    this.hashes = new Int32Array(this.slots.length);
    for (const [word, id] of this.ids) this.put(hashWord(word), id);
  }
}

export const hash_start = 0x811c9dc5 | 0;

/** One step of the rolling hash (FNV-1a over code units). */
export function hashStep(hash: number, code: number): number {
  return Math.imul(hash ^ code, 0x01000193);
}

/** The hash of a whole word. */
export function hashWord(word: string): number {
  let hash = hash_start;
  for (let i = 0; i < word.length; i++) hash = hashStep(hash, word.charCodeAt(i));
  return hash;
}
