import type { EncodingName } from './encoding.ts';
import { kind, kindOf } from './letters.ts';

const { upper, lower, caseless, number, space, newline, letter } = kind;
const [apostrophe, blank, slash] = [0x27, 0x20, 0x2f];

/**
 * Cuts UTF-8 into the pieces the published pattern of an encoding cuts it into, in one pass forward: the patterns need a
 * backtracking engine, and texts come from anybody. Every byte is looked at a few times at most, whatever the text.
 *
 * The patterns, in the order of their alternatives (js-tiktoken's rank files, `pat_str`):
 * - o200k: a word with one character before it that is no letter, digit or line end, and a contraction behind it; the
 *   word is capitals and then small letters, or capitals alone;
 * - cl100k: a contraction; or letters with one such character before them;
 * - both: one to three digits; other characters with a blank before and line ends behind them; white space up to its
 *   last line end; white space but for its last character, which belongs to what follows; white space.
 */
export class Scanner {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #cased: boolean;
  /** Where the code point that was read last ends, and its kinds. */
  #next = 0;
  #kinds = 0;

  constructor(bytes: Uint8Array, encoding: EncodingName) {
    this.#bytes = bytes;
    this.#end = bytes.length;
    this.#cased = encoding === 'o200k_base';
  }

  /** Where the piece that begins here ends. */
  pieceEnd(start: number): number {
    const first = this.#read(start);
    const second = this.#next;
    const firstKinds = this.#kinds;
    if (!this.#cased && first === apostrophe) {
      const contraction = this.#contraction(start);
      if (contraction > start) return contraction;
    }
    const word = this.#cased ? this.#casedWord(start, second, firstKinds) : this.#word(start, second, firstKinds);
    if (word > start) return word;
    if ((firstKinds & number) !== 0) return this.#run(second, number, 2);
    if ((firstKinds & space) === 0) return this.#behind(this.#others(second));
    if (first === blank) {
      const others = this.#others(second);
      if (others > second) return this.#behind(others);
    }
    return this.#spaces(start);
  }

  /** The code point here; its end and kinds are noted. The bytes are valid UTF-8. */
  #read(at: number): number {
    const bytes = this.#bytes;
    const lead = bytes[at] ?? 0;
    let codePoint = lead;
    if (lead < 0x80) this.#next = at + 1;
    else if (lead < 0xe0) {
      codePoint = ((lead & 31) << 6) | tail(bytes, at + 1);
      this.#next = at + 2;
    } else if (lead < 0xf0) {
      codePoint = ((lead & 15) << 12) | (tail(bytes, at + 1) << 6) | tail(bytes, at + 2);
      this.#next = at + 3;
    } else {
      codePoint = ((lead & 7) << 18) | (tail(bytes, at + 1) << 12) | (tail(bytes, at + 2) << 6) | tail(bytes, at + 3);
      this.#next = at + 4;
    }
    this.#kinds = kindOf(codePoint);
    return codePoint;
  }

  /** The end of a run of characters of these kinds, of `most` at most. */
  #run(from: number, kinds: number, most = Number.POSITIVE_INFINITY): number {
    let at = from;
    for (let count = 0; at < this.#end && count < most; count += 1) {
      this.#read(at);
      if ((this.#kinds & kinds) === 0) break;
      at = this.#next;
    }
    return at;
  }

  /** A run of what is no white space, letter or digit; marks are among it. */
  #others(from: number): number {
    let at = from;
    while (at < this.#end) {
      this.#read(at);
      if ((this.#kinds & (space | letter | number)) !== 0) break;
      at = this.#next;
    }
    return at;
  }

  /** Line ends behind other characters; slashes among them in the newer pattern. */
  #behind(from: number): number {
    let at = from;
    for (; at < this.#end; at += 1) {
      const byte = this.#bytes[at];
      if (byte !== 0x0a && byte !== 0x0d && !(this.#cased && byte === slash)) break;
    }
    return at;
  }

  #word(start: number, second: number, firstKinds: number): number {
    if ((firstKinds & letter) !== 0) return this.#run(second, letter);
    if ((firstKinds & (newline | number)) !== 0) return start;
    const end = this.#run(second, letter);
    return end > second ? end : start;
  }

  /** One character before a word may be anything but a letter, a digit or a line end: a mark as well, which is also part of words. */
  #casedWord(start: number, second: number, firstKinds: number): number {
    if ((firstKinds & (letter | newline | number)) === 0) {
      const end = this.#casedLetters(second);
      if (end > second) return this.#contraction(end);
    }
    if ((firstKinds & (letter | caseless)) === 0) return start;
    const end = this.#casedLetters(start);
    return end > start ? this.#contraction(end) : start;
  }

  /** Capitals, then small letters, at least one of these; else capitals alone. Letters without case and marks are both. */
  #casedLetters(from: number): number {
    let at = from;
    let lastCaseless = from;
    while (at < this.#end) {
      this.#read(at);
      if ((this.#kinds & (upper | caseless)) === 0) break;
      at = this.#next;
      if ((this.#kinds & caseless) !== 0) lastCaseless = at;
    }
    const small = this.#run(at, lower | caseless);
    if (small > at) return small;
    // No small letter follows: the last one without case serves as it, and what comes behind it is another piece.
    return lastCaseless > from ? lastCaseless : at;
  }

  /** The end of 's 't 'm 'd 're 've 'll in any case; where none stands here, the same place. */
  #contraction(at: number): number {
    if (this.#bytes[at] !== apostrophe) return at;
    const one = lowered(this.#bytes[at + 1]);
    if (one === 's' || one === 't' || one === 'm' || one === 'd') return at + 2;
    const two = one + lowered(this.#bytes[at + 2]);
    return two === 're' || two === 've' || two === 'll' ? at + 3 : at;
  }

  #spaces(start: number): number {
    let at = start;
    let last = start;
    let lineEnd = start;
    while (at < this.#end) {
      this.#read(at);
      if ((this.#kinds & space) === 0) break;
      last = at;
      at = this.#next;
      if ((this.#kinds & newline) !== 0) lineEnd = at;
    }
    if (lineEnd > start) return lineEnd;
    return at === this.#end || last === start ? at : last;
  }
}

function tail(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) & 63;
}

function lowered(byte: number | undefined): string {
  return byte === undefined || byte >= 0x80 ? ' ' : String.fromCharCode(byte | 0x20);
}
