import { isUtf8 } from 'node:buffer';
import { pathText } from './path.ts';
import {
  backslash,
  closeArray,
  closeObject,
  colon,
  comma,
  openArray,
  openObject,
  quote,
  skipSpace,
  skipString,
} from './skip.ts';

/** Where a document stops being acceptable JSON. */
export interface Place {
  readonly problem: string;
  /** Bytes from the start. */
  readonly offset: number;
  /** From 1. */
  readonly line: number;
  /** Bytes in the line, from 1. */
  readonly column: number;
  /** Dotted path of the value at fault; empty at the root. */
  readonly path: string;
}

class Stop extends Error {
  readonly offset: number;
  constructor(problem: string, offset: number) {
    super(problem);
    this.offset = offset;
  }
}

/**
 * Finds the first fault in a document: grammar, UTF-8, a repeated key, depth. Slow and exact; called only once a fast
 * check has failed. Undefined where it finds none.
 */
export function locate(bytes: Buffer, depthMax: number): Place | undefined {
  const badUtf8 = firstInvalidUtf8(bytes);
  const walk = new Walk(bytes, depthMax);
  let found: Stop | undefined;
  try {
    walk.document();
  } catch (thrown) {
    if (!(thrown instanceof Stop)) throw thrown;
    found = thrown;
  }
  if (badUtf8 !== -1 && (found === undefined || badUtf8 <= found.offset)) {
    found = new Stop('a byte that is not valid UTF-8', badUtf8);
  }
  if (found === undefined) return undefined;
  const before = bytes.subarray(0, found.offset);
  const lineStart = before.lastIndexOf(0x0a) + 1;
  let line = 1;
  for (const byte of before) if (byte === 0x0a) line += 1;
  return {
    problem: found.message,
    offset: found.offset,
    line,
    column: found.offset - lineStart + 1,
    path: pathText(walk.path),
  };
}

class Walk {
  readonly path: (string | number)[] = [];
  readonly #bytes: Buffer;
  readonly #depthMax: number;

  constructor(bytes: Buffer, depthMax: number) {
    this.#bytes = bytes;
    this.#depthMax = depthMax;
  }

  document(): void {
    const end = skipSpace(this.#bytes, this.#value(skipSpace(this.#bytes, 0)));
    if (end < this.#bytes.length) throw new Stop('something follows the document', end);
  }

  #value(at: number): number {
    const first = this.#bytes[at];
    if (first === undefined) throw new Stop('the document ends too early', at);
    if (first === openObject) return this.#object(at);
    if (first === openArray) return this.#array(at);
    if (first === quote) return this.#string(at);
    return this.#scalar(at);
  }

  #enter(at: number): void {
    if (this.path.length >= this.#depthMax) throw new Stop(`nesting deeper than ${this.#depthMax} levels`, at);
  }

  #object(at: number): number {
    this.#enter(at);
    const seen = new Set<string>();
    let i = skipSpace(this.#bytes, at + 1);
    if (this.#bytes[i] === closeObject) return i + 1;
    for (;;) {
      if (this.#bytes[i] !== quote) throw new Stop('a key in double quotes is missing', i);
      const keyEnd = this.#string(i);
      const key = String(JSON.parse(this.#bytes.toString('utf8', i, keyEnd)));
      this.path.push(key);
      if (seen.has(key)) throw new Stop('a key appears twice in one object,', i);
      seen.add(key);
      i = skipSpace(this.#bytes, keyEnd);
      if (this.#bytes[i] !== colon) throw new Stop('a colon is missing', i);
      i = skipSpace(this.#bytes, this.#value(skipSpace(this.#bytes, i + 1)));
      this.path.pop();
      if (this.#bytes[i] === closeObject) return i + 1;
      if (this.#bytes[i] !== comma) throw new Stop('a comma or a closing brace is missing', i);
      i = skipSpace(this.#bytes, i + 1);
    }
  }

  #array(at: number): number {
    this.#enter(at);
    let i = skipSpace(this.#bytes, at + 1);
    if (this.#bytes[i] === closeArray) return i + 1;
    for (let index = 0; ; index += 1) {
      this.path.push(index);
      i = skipSpace(this.#bytes, this.#value(i));
      this.path.pop();
      if (this.#bytes[i] === closeArray) return i + 1;
      if (this.#bytes[i] !== comma) throw new Stop('a comma or a closing bracket is missing', i);
      i = skipSpace(this.#bytes, i + 1);
    }
  }

  #string(at: number): number {
    const end = skipString(this.#bytes, at);
    if (end === -1) throw new Stop('a string is not closed', at);
    for (let i = at + 1; i < end - 1; i += 1) {
      const byte = this.#bytes[i] ?? 0;
      if (byte < 0x20) throw new Stop('a control character stands in a string', i);
      if (byte !== backslash) continue;
      const letter = String.fromCharCode(this.#bytes[i + 1] ?? 0);
      const known =
        letter === 'u'
          ? /^[0-9a-fA-F]{4}$/.test(this.#bytes.toString('latin1', i + 2, i + 6))
          : '"\\/bfnrt'.includes(letter);
      if (!known) throw new Stop('an unknown escape stands in a string', i);
      i += 1;
    }
    return end;
  }

  #scalar(at: number): number {
    let end = at;
    while (end < this.#bytes.length && !' \n\r\t,:[]{}"'.includes(String.fromCharCode(this.#bytes[end] ?? 0))) end += 1;
    const word = this.#bytes.toString('latin1', at, end);
    if (!/^(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)$/.test(word)) {
      throw new Stop('a value is missing or misspelled', at);
    }
    return end;
  }
}

/** The offset of the first byte that is not UTF-8, or -1: asks for ever shorter beginnings. */
function firstInvalidUtf8(bytes: Buffer): number {
  if (isUtf8(bytes)) return -1;
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (beginsValid(bytes, middle + 1)) low = middle + 1;
    else high = middle;
  }
  return Math.min(low, bytes.length - 1);
}

/** Whether the first `end` bytes are valid, or only cut in the middle of a character. */
function beginsValid(bytes: Buffer, end: number): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, end), { stream: true });
    return true;
  } catch {
    return false;
  }
}
