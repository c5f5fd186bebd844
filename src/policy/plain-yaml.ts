import type { Json } from './policy.ts';

/** A document as its value, and where its first character stands. */
export interface PlainDocument {
  readonly value: Json;
  readonly line: number;
  readonly column: number;
}

/** Thrown where a text leaves the plain part of the language: nothing is wrong with it, somebody else has to read it. */
const elsewhere = new Error('not plain');

/**
 * Reads the plain part of YAML, which is how policies are nearly always written: mappings and lists by indentation or in
 * brackets, plain and quoted texts on one line, numbers in their usual spelling, comments. It is many times as fast as
 * reading all of the language and keeping every place.
 *
 * Undefined for every text that holds anything else, and for every text with anything wrong in it: this reader never
 * reports a fault. What it does answer is what the whole language says of the text.
 */
export function readPlainYaml(
  text: string,
  limits: { readonly depth: number; readonly documents: number; readonly values: number },
): readonly PlainDocument[] | undefined {
  if (unusual.test(text)) return undefined;
  try {
    return new PlainReader(text, limits).documents();
  } catch (thrown) {
    if (thrown === elsewhere) return undefined;
    throw thrown;
  }
}

// Tabs, carriage returns, other controls, and characters some readers take for ends of lines.
const unusual = /[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;
const blockKey = /[A-Za-z_][\w./$-]*(?=:(?:[ \n]|$))/y;
const flowKey = /[A-Za-z_][\w./$-]*(?=: )/y;
const doubled = /"(?:[^"\\\n]|\\["\\nt/])*"/y;
const single = /'(?:[^'\n]|'')*'/y;
const marker = /---(?=\n|$)/y;
// Plain texts: what they may not begin with, and where they end. `: ` and ` #` mean something in them.
const blockText = /[^\s,[\]{}#&*!|>'"%@`?:-][^\n]*|-[^\s,[\]{}][^\n]*/y;
const flowText = /(?:[^\s,[\]{}#&*!|>'"%@`?:-]|-[^\s,[\]{}])(?:[^\n,[\]{}:#]|:(?=[\w/.-]))*/y;
const words = /^(?:[Tt]rue|TRUE|[Ff]alse|FALSE|[Nn]ull|NULL)$/;
const whole = /^(?:0|-?[1-9]\d{0,14})$/;
const decimal = /^-?(?:0|[1-9]\d{0,14})\.\d{1,15}$/;
const otherNumber =
  /^(?:0o[0-7]+|[-+]?[0-9]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)$/;

class PlainReader {
  readonly #text: string;
  readonly #limits: { readonly depth: number; readonly documents: number; readonly values: number };
  #at = 0;
  #line = 1;
  #lineStart = 0;
  #values = 0;

  constructor(text: string, limits: { readonly depth: number; readonly documents: number; readonly values: number }) {
    this.#text = text;
    this.#limits = limits;
  }

  documents(): readonly PlainDocument[] {
    const found: PlainDocument[] = [];
    this.#blank();
    if (this.#column() === 0 && this.#take(marker) !== undefined) this.#blank();
    for (;;) {
      if (this.#at >= this.#text.length || found.length >= this.#limits.documents) throw elsewhere;
      const column = this.#column();
      const place = { line: this.#line, column: column + 1 };
      const opens = this.#text[this.#at];
      const value = opens === '{' && column === 0 ? this.#flow(0, true) : this.#block(column, 0);
      if (opens === '{') this.#lineEnd();
      found.push({ value, ...place });
      this.#blank();
      if (this.#at >= this.#text.length) return found;
      if (this.#column() !== 0 || this.#take(marker) === undefined) throw elsewhere;
      this.#blank();
    }
  }

  /** The mapping or list whose entries stand in this column, from its first entry on. */
  #block(column: number, depth: number): Json {
    this.#count(depth);
    return this.#text[this.#at] === '-' ? this.#list(column, depth) : this.#mapping(column, depth);
  }

  #mapping(column: number, depth: number): Json {
    const object: Record<string, Json> = {};
    do {
      const key = this.#key(blockKey);
      if (Object.hasOwn(object, key)) throw elsewhere;
      this.#at++;
      object[key] = this.#entry(column, depth, true);
    } while (this.#next(column));
    return object;
  }

  #list(column: number, depth: number): Json {
    const items: Json[] = [];
    do {
      if (this.#text[this.#at] !== '-' || this.#text[this.#at + 1] !== ' ') {
        // What follows a list in the column of its key is the mapping's next key.
        if (items.length > 0 && this.#isKey()) return items;
        throw elsewhere;
      }
      if (this.#take(marker) !== undefined) throw elsewhere;
      this.#at++;
      this.#spaces();
      const inner = this.#column();
      if (this.#isKey()) items.push(this.#block(inner, depth + 1));
      else items.push(this.#entry(column, depth, false));
    } while (this.#next(column));
    return items;
  }

  /** What follows a key's colon or an item's dash: on the same line, or a block below. */
  #entry(column: number, depth: number, below: boolean): Json {
    this.#spaces();
    const { length } = this.#text;
    const first = this.#text[this.#at];
    if (this.#at >= length || first === '\n' || first === '#') {
      if (!below) throw elsewhere;
      this.#blank();
      if (this.#at >= length) throw elsewhere;
      const indent = this.#column();
      const list = this.#text[this.#at] === '-' && this.#text[this.#at + 1] === ' ';
      if (indent > column || (indent === column && list)) return this.#block(indent, depth + 1);
      throw elsewhere;
    }
    let value: Json;
    if (first === '{' || first === '[') value = this.#flow(depth + 1, false);
    else if (first === '"' || first === "'") {
      this.#count(depth + 1);
      value = this.#quoted();
    } else {
      this.#count(depth + 1);
      value = plainValue(this.#plainLine());
    }
    this.#lineEnd();
    return value;
  }

  /** A plain text to the end of its line or its comment. */
  #plainLine(): string {
    const line = this.#take(blockText) ?? fail();
    const comment = line.indexOf(' #');
    const kept = comment < 0 ? line : line.slice(0, comment);
    this.#at -= line.length - kept.length;
    const text = kept.trimEnd();
    if (text.includes(': ') || text.endsWith(':')) throw elsewhere;
    return text;
  }

  #flow(depth: number, lines: boolean): Json {
    this.#count(depth);
    const gap = () => (lines ? this.#lines() : this.#spaces());
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") return this.#quoted();
    if (first !== '{' && first !== '[') return plainValue((this.#take(flowText) ?? fail()).trimEnd());
    const close = first === '{' ? '}' : ']';
    const object: Record<string, Json> = {};
    const items: Json[] = [];
    this.#at++;
    gap();
    while (this.#text[this.#at] !== close) {
      if (close === '}') {
        const from = this.#at;
        const quote = this.#text[from] === '"' || this.#text[from] === "'";
        const key = quote ? this.#quoted() : this.#key(flowKey);
        if (this.#text[this.#at] !== ':' || this.#at - from > 200) throw elsewhere;
        if (key === '__proto__' || Object.hasOwn(object, key)) throw elsewhere;
        this.#at++;
        gap();
        object[key] = this.#flow(depth + 1, lines);
      } else items.push(this.#flow(depth + 1, lines));
      gap();
      if (this.#text[this.#at] === close) break;
      if (this.#text[this.#at] !== ',') throw elsewhere;
      this.#at++;
      gap();
      if (this.#text[this.#at] === close) throw elsewhere;
    }
    this.#at++;
    return close === '}' ? object : items;
  }

  #quoted(): string {
    if (this.#text[this.#at] === '"') {
      const raw = this.#take(doubled) ?? fail();
      return raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1);
    }
    const raw = this.#take(single) ?? fail();
    return raw.slice(1, -1).replaceAll("''", "'");
  }

  #key(shape: RegExp): string {
    const key = this.#take(shape) ?? fail();
    if (key.length > 200 || words.test(key) || key === '__proto__') throw elsewhere;
    return key;
  }

  #isKey(): boolean {
    blockKey.lastIndex = this.#at;
    return blockKey.test(this.#text);
  }

  /** Goes on to the next entry in this column; false where the block is over. */
  #next(column: number): boolean {
    this.#blank();
    if (this.#at >= this.#text.length) return false;
    const indent = this.#column();
    // Further in than the block: a text that goes on, or a slip.
    if (indent > column) throw elsewhere;
    if (indent < column) return false;
    if (column > 0) return true;
    marker.lastIndex = this.#at;
    return !marker.test(this.#text);
  }

  /** To the next line with something on it, at its first character. */
  #blank(): void {
    for (;;) {
      this.#spaces();
      const next = this.#text[this.#at];
      if (next === '#') {
        const end = this.#text.indexOf('\n', this.#at);
        this.#at = end < 0 ? this.#text.length : end;
      } else if (next === '\n') this.#newLine();
      else return;
    }
  }

  /** Nothing but a comment may follow on this line. */
  #lineEnd(): void {
    const from = this.#at;
    this.#spaces();
    const next = this.#text[this.#at];
    if (next === undefined || next === '\n' || (next === '#' && this.#at > from)) return;
    throw elsewhere;
  }

  #spaces(): void {
    while (this.#text.charCodeAt(this.#at) === 0x20) this.#at++;
  }

  #lines(): void {
    this.#spaces();
    while (this.#text[this.#at] === '\n') {
      this.#newLine();
      this.#spaces();
      if (this.#column() === 0 && /[-.#]/.test(this.#text[this.#at] ?? '')) throw elsewhere;
    }
  }

  #newLine(): void {
    this.#at++;
    this.#line++;
    this.#lineStart = this.#at;
  }

  #column(): number {
    return this.#at - this.#lineStart;
  }

  #take(shape: RegExp): string | undefined {
    shape.lastIndex = this.#at;
    const found = shape.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #count(depth: number): void {
    if (depth > this.#limits.depth || ++this.#values > this.#limits.values) throw elsewhere;
  }
}

function fail(): never {
  throw elsewhere;
}

function plainValue(text: string): Json {
  const code = text.charCodeAt(0);
  const letter = (code > 0x40 && code < 0x5b) || (code > 0x60 && code < 0x7b);
  if (letter) {
    if (!words.test(text)) return text;
    return text[0] === 'n' || text[0] === 'N' ? null : text[0] === 't' || text[0] === 'T';
  }
  if (whole.test(text) || decimal.test(text)) return Number(text);
  if (text === '~' || otherNumber.test(text)) throw elsewhere;
  return text;
}
