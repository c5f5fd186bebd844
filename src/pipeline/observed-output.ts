import { LRUCache } from 'lru-cache';

/** Buckets a doubling: a quantile is told at most a fifth too high. */
const perDoubling = 4;
const buckets = 20 * perDoubling + 1;
/** Replies of which a quantile says something; before, the configured first hold stands. */
const enough = 20;
/** At this many all counts are halved: what was long ago fades. */
const weightMax = 512;
const quantile = 0.95;

/** Output tokens of the replies of one model to one caller, as a histogram of logarithms. */
class Sketch {
  readonly #counts = new Float32Array(buckets);
  #weight = 0;
  #told: number | undefined;

  add(tokens: number): void {
    const bucket = Math.min(buckets - 1, Math.ceil(Math.log2(Math.max(1, tokens)) * perDoubling));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#weight += 1;
    this.#told = undefined;
    if (this.#weight < weightMax) return;
    this.#weight /= 2;
    for (let at = 0; at < buckets; at += 1) this.#counts[at] = (this.#counts[at] ?? 0) / 2;
  }

  get high(): number | undefined {
    if (this.#weight < enough) return undefined;
    this.#told ??= this.#edge();
    return this.#told;
  }

  /** The upper edge of the bucket in which the quantile lies. */
  #edge(): number {
    let below = 0;
    for (let bucket = 0; bucket < buckets; bucket += 1) {
      below += this.#counts[bucket] ?? 0;
      if (below >= quantile * this.#weight) return Math.ceil(2 ** (bucket / perDoubling));
    }
    return 2 ** (buckets / perDoubling);
  }
}

/**
 * What models were observed to produce for callers. In memory, of this process, for the callers seen
 * last: it only shapes first holds, which are extended or settled whatever it says.
 */
export class ObservedOutputs {
  readonly #sketches: LRUCache<string, Sketch>;

  constructor(callersMax = 10_000) {
    this.#sketches = new LRUCache({ max: callersMax });
  }

  /** A reply of one choice that came to its end; `replies` are those it is one of. */
  add(replies: string, tokens: number): void {
    let sketch = this.#sketches.get(replies);
    if (sketch === undefined) {
      sketch = new Sketch();
      this.#sketches.set(replies, sketch);
    }
    sketch.add(tokens);
  }

  /** Tokens that 19 of 20 replies did not pass; undefined where too few were observed. */
  high(replies: string): number | undefined {
    return this.#sketches.get(replies)?.high;
  }
}
