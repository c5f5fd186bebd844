import type { Tokens } from './tokens.ts';
import { weights as packed } from './weights.ts';

/** Features are hashed into this many cells, a weight each. */
export const cells = 65_536;
/** Words a segment has at most: long enough for the whole of most prompts, short enough to find a part of a page. */
export const segment_words = 320;
/** Fewest words the model has an opinion on. */
export const words_min = 6;

export interface ModelWeights {
  readonly bias: number;
  /** What one step of a cell is worth. */
  readonly scale: number;
  readonly cells: Int8Array;
}

/** Weights as they are kept in the source: a bias, a scale, and the cells in base64, runs of zeros counted. */
export interface PackedWeights {
  readonly bias: number;
  readonly scale: number;
  readonly cells: string;
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Reads packed weights. In the packed bytes 0x80 is followed by how many zeros stand there. */
export function unpack(source: PackedWeights): ModelWeights {
  const into = new Int8Array(cells);
  let at = 0;
  let held = 0;
  let bits = 0;
  let zeros = false;
  for (let i = 0; i < source.cells.length; i++) {
    held = ((held << 6) | alphabet.indexOf(source.cells.charAt(i))) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    const byte = (held >> bits) & 0xff;
    if (zeros) {
      at += byte;
      zeros = false;
    } else if (byte === 0x80) zeros = true;
    else into[at++] = (byte << 24) >> 24;
  }
  return { bias: source.bias, scale: source.scale, cells: into };
}

/** Marks which segment a cell was last counted in: presence counts, repetition does not. */
const stamp = new Int32Array(cells);
let stamps = 0;

/** The distinct features of tokens [from, to): words and pairs of neighbours. Calls `visit` once for each. */
function sum(tokens: Tokens, from: number, to: number, weights: Int8Array): number {
  if (stamps === 0x7fffffff) {
    stamp.fill(0);
    stamps = 0;
  }
  const mark = ++stamps;
  let total = 0;
  let distinct = 0;
  let before = 0;
  for (let i = from; i < to; i++) {
    const hash = tokens.hash[i] ?? 0;
    const one = (Math.imul(hash, 0x9e3779b1) >>> 16) & (cells - 1);
    if (stamp[one] !== mark) {
      stamp[one] = mark;
      distinct++;
      total += weights[one] ?? 0;
    }
    const two = (Math.imul(before ^ Math.imul(hash, 0x85ebca6b), 0xc2b2ae35) >>> 15) & (cells - 1);
    before = Math.imul(hash, 0x27d4eb2f);
    if (i > from && stamp[two] !== mark) {
      stamp[two] = mark;
      distinct++;
      total += weights[two] ?? 0;
    }
  }
  return distinct === 0 ? 0 : total / Math.sqrt(distinct);
}

/** The distinct cells of tokens [from, to), for training. */
export function featuresOf(tokens: Tokens, from: number, to: number): readonly number[] {
  const seen = new Set<number>();
  let before = 0;
  for (let i = from; i < to; i++) {
    const hash = tokens.hash[i] ?? 0;
    seen.add((Math.imul(hash, 0x9e3779b1) >>> 16) & (cells - 1));
    const two = (Math.imul(before ^ Math.imul(hash, 0x85ebca6b), 0xc2b2ae35) >>> 15) & (cells - 1);
    before = Math.imul(hash, 0x27d4eb2f);
    if (i > from) seen.add(two);
  }
  return [...seen];
}

const shipped = unpack(packed);

export interface Opinion {
  /** Log-odds of an attack; the highest of all segments. */
  readonly logOdds: number;
  /** Tokens of that segment, the end exclusive. */
  readonly from: number;
  readonly to: number;
}

/** What the n-gram model thinks of the tokens: the segment that looks most like an attack. Linear in the tokens. */
export function judge(tokens: Tokens, weights: ModelWeights = shipped): Opinion {
  let best: Opinion = { logOdds: Number.NEGATIVE_INFINITY, from: 0, to: 0 };
  for (let from = 0; from < tokens.count; from += segment_words >> 1) {
    const to = Math.min(tokens.count, from + segment_words);
    if (to - from < words_min) break;
    const logOdds = weights.bias + weights.scale * sum(tokens, from, to, weights.cells);
    if (logOdds > best.logOdds) best = { logOdds, from, to };
    if (to === tokens.count) break;
  }
  return best;
}
