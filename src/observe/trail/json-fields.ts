import type { Lines } from '../../stores/index.ts';
import { writeDuration, writeJson, writeNumber } from './json-values.ts';

/** Words kept of each field that has few. A caller's own word (a model that does not exist) may be as long as a request. */
const words_max = 1024;
const word_characters_max = 256;

function bytesOf(text: string): Uint8Array {
  // A copy: what is kept for long must not hold a pool.
  return new Uint8Array(Buffer.from(text));
}

/** Texts that come again with most records (a model, a route), each made once together with what stands around it. */
export class Words {
  readonly #around: (word: string) => string;
  readonly #known = new Map<string, Uint8Array>();

  constructor(around: (word: string) => string) {
    this.#around = around;
  }

  of(word: string): Uint8Array {
    let bytes = this.#known.get(word);
    if (bytes !== undefined) return bytes;
    bytes = bytesOf(this.#around(word));
    if (word.length > word_characters_max) return bytes;
    if (this.#known.size >= words_max) this.#known.clear();
    this.#known.set(word, bytes);
    return bytes;
  }
}

/** Writes a field of an object with the comma and the name before it; nothing where it is undefined. */
type Field<T> = (lines: Lines, value: T | undefined) => void;

export function field<T>(name: string, write: (lines: Lines, value: T) => void): Field<T> {
  const opening = bytesOf(`,"${name}":`);
  return (lines, value) => {
    if (value === undefined) return;
    lines.put(opening);
    write(lines, value);
  };
}

export function word(name: string): Field<string> {
  const words = new Words((one) => `,"${name}":${JSON.stringify(one)}`);
  return (lines, value) => {
    if (value !== undefined) lines.put(words.of(value));
  };
}

export const text = (name: string) => field<string>(name, (lines, value) => lines.quoted(value));
export const number = (name: string) => field<number>(name, writeNumber);
export const duration = (name: string) => field<number>(name, writeDuration);
export const any = (name: string) => field<unknown>(name, writeJson);

export function flag(name: string): Field<boolean> {
  const yes = bytesOf(`,"${name}":true`);
  const no = bytesOf(`,"${name}":false`);
  return (lines, value) => {
    if (value !== undefined) lines.put(value ? yes : no);
  };
}

const comma = 0x2c;
export const braces = [0x7b, 0x7d] as const;
const brackets = [0x5b, 0x5d] as const;

/** Ends what began at `start` and has a comma before each of its parts: the first of them is the opening's place. */
export function close(lines: Lines, start: number, [open, end]: readonly [number, number]): void {
  if (lines.size === start) lines.byte(open);
  else lines.bytes[start] = open;
  lines.byte(end);
}

export function list<T>(write: (lines: Lines, value: T) => void): (lines: Lines, values: readonly T[]) => void {
  return (lines, values) => {
    const start = lines.size;
    for (const value of values) {
      lines.byte(comma);
      write(lines, value);
    }
    close(lines, start, brackets);
  };
}

/** What is frozen is the same for many calls (a decision's summary, a caller), and so are its bytes kept. */
export function once<T extends object>(write: (lines: Lines, value: T) => void): (lines: Lines, value: T) => void {
  const kept = new WeakMap<T, Uint8Array>();
  return (lines, value) => {
    const known = kept.get(value);
    if (known !== undefined) return lines.put(known);
    const start = lines.size;
    write(lines, value);
    if (Object.isFrozen(value)) kept.set(value, new Uint8Array(lines.bytes.subarray(start, lines.size)));
  };
}
