import type { Lexicon } from './lexicon.ts';
import { hash_start } from './lexicon.ts';
import type { NormalisedText } from './normalise.ts';

/** Words of a text as arrays side by side; reused from call to call, so nothing is allocated for a prompt. */
export interface Tokens {
  count: number;
  /** The lexicon's id of the word, -1 where the rules do not know it. */
  word: Int32Array;
  hash: Int32Array;
  /** Offsets in the normalised text. */
  from: Int32Array;
  to: Int32Array;
  /** 1 where a sentence, clause, line or quotation begins: the place of an imperative. */
  opens: Uint8Array;
  /** How the letters came about (`Fold`), summed. */
  how: Uint8Array;
  /** Words with digits (2 each) or signs (1 each) where letters would stand: "ign0re", "p@ss". */
  leetish: number;
  /** Most words of a single letter in a row. */
  single: number;
}

export function emptyTokens(size = 4096): Tokens {
  return {
    count: 0,
    word: new Int32Array(size),
    hash: new Int32Array(size),
    from: new Int32Array(size),
    to: new Int32Array(size),
    opens: new Uint8Array(size),
    how: new Uint8Array(size),
    leetish: 0,
    single: 0,
  };
}

/** Terms of writing systems without spaces, and marks made of punctuation, found by walking a tree of code units. */
export interface UnitTree {
  readonly next: Map<number, UnitTree>;
  word: number;
}

export interface Vocabulary {
  readonly lexicon: Lexicon;
  /** Terms in Chinese, Japanese and Korean. */
  readonly terms: UnitTree;
  /** Chat-template tokens, markdown image openings and other marks, lower case. */
  readonly marks: UnitTree;
}

const kind = { gap: 0, letter: 1, digit: 2, apostrophe: 3, mark: 4, stop: 5 } as const;

const kinds = new Uint8Array(128).fill(kind.stop);
for (const space of [0x20, 0x09, 0x5f, 0x2f, 0x5c, 0x2d]) kinds[space] = kind.gap;
for (let code = 0x61; code <= 0x7a; code++) kinds[code] = kind.letter;
for (let code = 0x30; code <= 0x39; code++) kinds[code] = kind.digit;
for (const code of [0x27, 0x60]) kinds[code] = kind.apostrophe;
for (const code of '<[#!](={|') kinds[code.charCodeAt(0)] = kind.mark;

/** Whether a code unit may begin a mark made of punctuation. */
export function isMark(code: number): boolean {
  return kinds[code] === kind.mark;
}

function kindOf(code: number): number {
  if (code < 0x80) return kinds[code] ?? kind.stop;
  if (code === 0x2019 || code === 0x2018 || code === 0x2bc) return kind.apostrophe;
  if (code < 0xc0) return code === 0xaa || code === 0xb5 || code === 0xba ? kind.letter : kind.stop;
  if (code >= 0x2000 && code < 0x2c00) return kind.stop;
  if (code >= 0xd800 && code < 0xf900) return kind.stop;
  if (code >= 0xfe10 && code < 0xfe70) return kind.stop;
  return kind.letter;
}

/** Whether a code unit belongs to writing without spaces between words (Korean counts: its particles stick). */
export function isUnspaced(code: number): boolean {
  return (code >= 0x3001 && code <= 0x9fff) || (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff);
}

/** Longest term of the tree that starts at `from`; the end of it, or `from` where there is none. Terms are short. */
function longest(tree: UnitTree, text: NormalisedText, from: number, found: { word: number }): number {
  let node: UnitTree | undefined = tree;
  let end = from;
  for (let i = from; i < text.length; i++) {
    node = node.next.get(text.codes[i] ?? 0);
    if (node === undefined) break;
    if (node.word !== -1) {
      found.word = node.word;
      end = i + 1;
    }
  }
  return end;
}

function widen(tokens: Tokens): void {
  const size = tokens.word.length * 2;
  for (const name of ['word', 'hash', 'from', 'to'] as const) {
    const wider = new Int32Array(size);
    wider.set(tokens[name]);
    tokens[name] = wider;
  }
  for (const name of ['opens', 'how'] as const) {
    const wider = new Uint8Array(size);
    wider.set(tokens[name]);
    tokens[name] = wider;
  }
}

function push(tokens: Tokens, word: number, hash: number, from: number, to: number, opens: boolean, how: number): void {
  const at = tokens.count;
  if (at === tokens.word.length) widen(tokens);
  tokens.word[at] = word;
  tokens.hash[at] = hash;
  tokens.from[at] = from;
  tokens.to[at] = to;
  tokens.opens[at] = opens ? 1 : 0;
  tokens.how[at] = how;
  tokens.count = at + 1;
}

const found = { word: -1 };

/** Splits a normalised text into words, in one pass, into `tokens`. An apostrophe does not end a word and is left out. */
export function tokenise(text: NormalisedText, vocabulary: Vocabulary, tokens: Tokens): void {
  const { codes, length, how } = text;
  const { lexicon, terms, marks } = vocabulary;
  tokens.count = 0;
  tokens.leetish = 0;
  tokens.single = 0;
  let opens = true;
  let singles = 0;
  for (let i = 0; i < length; ) {
    const code = codes[i] ?? 0;
    const what = code < 0x80 ? (kinds[code] ?? 0) : kindOf(code);
    if (what === kind.letter && isUnspaced(code)) {
      found.word = -1;
      const to = Math.max(longest(terms, text, i, found), i + 1);
      push(tokens, found.word, code, i, to, opens, how === undefined ? 0 : (how[i] ?? 0));
      opens = code >= 0x3001 && code <= 0x303f;
      i = to;
      continue;
    }
    if (what === kind.letter || what === kind.digit) {
      const from = i;
      let hash = hash_start;
      let letters = 0;
      let digits = 0;
      let after = 0;
      let fold = 0;
      for (; i < length; i++) {
        const unit = codes[i] ?? 0;
        const is = unit < 0x80 ? (kinds[unit] ?? 0) : kindOf(unit);
        if (is === kind.letter) {
          if (unit >= 0x3001 && isUnspaced(unit)) break;
          letters++;
          if (digits > 0) after++;
        } else if (is === kind.digit) digits++;
        else if (is === kind.apostrophe) continue;
        else {
          if (
            (unit === 0x40 || unit === 0x24 || unit === 0x21 || unit === 0x7c) &&
            kindOf(codes[i + 1] ?? 0x20) === kind.letter
          )
            tokens.leetish++;
          break;
        }
        hash = Math.imul(hash ^ unit, 0x01000193);
        if (how !== undefined) fold |= how[i] ?? 0;
      }
      // "gpt4", "10am" and "3d" are spelled so; "ign0re" and "1gnore" are not.
      if (after > 3 || (after > 0 && letters > after)) tokens.leetish += 2;
      if (letters + digits === 1) {
        if (++singles > tokens.single) tokens.single = singles;
      } else singles = 0;
      push(tokens, lexicon.find(hash), hash, from, i, opens, fold);
      opens = false;
      continue;
    }
    if (what === kind.mark) {
      found.word = -1;
      const to = longest(marks, text, i, found);
      if (to > i) {
        push(tokens, found.word, code, i, to, opens, 0);
        opens = true;
        i = to;
        continue;
      }
    }
    if (what !== kind.gap && what !== kind.apostrophe) opens = true;
    if (code === 0x27 || code === 0x60 || code === 0x2018 || code === 0x2019) opens = true;
    i++;
  }
}
