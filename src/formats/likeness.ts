import { isUtf8 } from 'node:buffer';
import type { JsonPath, Lane } from '../exchange/index.ts';
import { findSpans } from './json/index.ts';
import { Said } from './said.ts';

const quote = 0x22;
const backslash = 0x5c;

/** Documents in a row that were not like the one before: then the stream is none of deltas, and nobody looks any more. */
const misses_max = 16;

/** A document as the bytes around its texts: `parts` are one more than the texts between them. */
interface Form {
  readonly parts: readonly Buffer[];
  /** Which of the texts is said; the others are padding. */
  readonly said: number;
  readonly event: string;
  readonly lane: Lane;
  /** Shared by all documents of the form, as are their choices. */
  readonly paths: JsonPath[];
  readonly choices: number[];
}

/**
 * Knows the document of a stream that is the one before with another text, as nearly all deltas are: it is as well formed
 * as that one, and says the same but for the text, so it is not parsed (3 us a delta). What differs in anything else is
 * for the parser.
 */
export class Likeness {
  readonly #padding: readonly JsonPath[];
  #form: Form | undefined;
  #misses = 0;

  /** `padding`: members that hold a text nobody reads. */
  constructor(padding: readonly JsonPath[] = []) {
    this.#padding = padding;
  }

  /** What the document says, where it is like the one before. */
  said(data: Buffer, event: string): Said | undefined {
    const form = this.#form;
    if (form === undefined || form.event !== event) return undefined;
    const text = textIn(form, data);
    if (text === undefined || text === '') return undefined;
    this.#misses = 0;
    return new Said(data, [{ type: 'text', lane: form.lane, text }], form.paths, form.choices);
  }

  /** A document that was parsed; `alone` where all it says is its text, whatever that is. */
  parsed(data: Buffer, event: string, said: Said, alone: boolean): void {
    this.#form = undefined;
    if (this.#misses >= misses_max) return;
    this.#misses += 1;
    const [only, second] = said.events;
    const [path] = said.paths;
    if (!alone || second !== undefined || only?.type !== 'text' || path === undefined) return;
    const spans = findSpans(data, [path, ...this.#padding]);
    const [own] = spans;
    const texts = spans.filter((span) => span !== undefined).sort((a, b) => a.start - b.start);
    if (own === undefined || texts.some(({ start }) => data[start] !== quote)) return;
    const parts: Buffer[] = [];
    let from = 0;
    for (const { start, end } of texts) {
      parts.push(Buffer.from(data.subarray(from, start + 1)));
      from = end - 1;
    }
    parts.push(Buffer.from(data.subarray(from)));
    this.#form = { parts, said: texts.indexOf(own), event, lane: only.lane, paths: said.paths, choices: said.choices };
  }
}

/** The text of a document of this form; undefined where it has another, or a text that is not plain. */
function textIn({ parts, said }: Form, data: Buffer): string | undefined {
  let at = 0;
  let text: string | undefined;
  for (let index = 0; index < parts.length; index += 1) {
    const part = parts[index];
    if (part === undefined || !stands(part, data, at)) return undefined;
    at += part.length;
    if (index === parts.length - 1) break;
    const end = endOfText(data, at);
    if (end === -1) return undefined;
    if (index === said) text = spelled(data, at, end);
    else if (spelled(data, at, end) === undefined) return undefined;
    at = end;
  }
  return at === data.length ? text : undefined;
}

function stands(part: Buffer, data: Buffer, at: number): boolean {
  const end = at + part.length;
  return end <= data.length && data.compare(part, 0, part.length, at, end) === 0;
}

/** Where the string that is open at `at` closes; -1 where nobody can tell at a glance. */
function endOfText(data: Buffer, at: number): number {
  for (let i = at; i < data.length; i += 1) {
    const byte = data[i] ?? 0;
    if (byte === quote) return i;
    if (byte === backslash) i += 1;
    else if (byte < 0x20) return -1;
  }
  return -1;
}

/** The text between two quotes; undefined where JSON has no such string. */
function spelled(data: Buffer, start: number, end: number): string | undefined {
  let ascii = true;
  let escaped = false;
  for (let i = start; i < end; i += 1) {
    const byte = data[i] ?? 0;
    if (byte >= 0x80) ascii = false;
    else if (byte === backslash) escaped = true;
  }
  if (!ascii && !isUtf8(data.subarray(start, end))) return undefined;
  if (!escaped) return data.toString(ascii ? 'latin1' : 'utf8', start, end);
  try {
    return JSON.parse(data.toString('utf8', start - 1, end + 1));
  } catch {
    return undefined;
  }
}
