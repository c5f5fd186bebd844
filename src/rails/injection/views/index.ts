import { atbash_bit, reversed_bit, spelling_bit } from '../automaton.ts';
import { normalise } from '../normalise.ts';
import { bases, decodeAscii85, decodeBase, decodeUu } from './base.ts';
import { decodeCharacterEscapes, decodeQuotedPrintable, decodeUrl } from './escapes.ts';
import { atbash, caesar, joined, reversed, sameMap, unleet } from './letters.ts';
import { decodeBraille, decodeMorse, decodeSpelling } from './symbols.ts';
import type { View } from './view.ts';

/** Names of all views a finding may carry beside `plain` and `normalised`. */
export const viewNames = [
  'base64',
  'base32',
  'hex',
  'binary',
  'ascii85',
  'uuencode',
  'url',
  'quoted_printable',
  'escapes',
  'morse',
  'spelling_alphabet',
  'braille',
  'rot13',
  'caesar',
  'atbash',
  'reversed',
  'leet',
  'letters_apart',
] as const;

/** What one look over a text says about encodings that may be in it. */
export interface Signs {
  /** A run of letters and digits that is no word: capitals or digits inside. */
  codeRun: boolean;
  /** Longest run of letters and digits, and of lower-case letters alone. */
  longest: number;
  longestLower: number;
  /** A word of 20 characters or more with several signs in it. */
  signedWord: boolean;
  /** A line without lower-case letters. */
  upperLine: boolean;
  digits: number;
  percents: number;
  equals: number;
  ampersands: number;
  backslashes: number;
  dotsAndDashes: number;
  braille: boolean;
  /** Tag characters, variation selectors, zero-width characters. */
  invisible: boolean;
}

const sign = {
  other: 0,
  lower: 1,
  upper: 2,
  digit: 3,
  percent: 4,
  equals: 5,
  ampersand: 6,
  backslash: 7,
  dash: 8,
  space: 9,
} as const;
const signs = new Uint8Array(128);
for (let code = 0x61; code <= 0x7a; code++) signs[code] = sign.lower;
for (let code = 0x41; code <= 0x5a; code++) signs[code] = sign.upper;
for (let code = 0x30; code <= 0x39; code++) signs[code] = sign.digit;
for (let code = 0; code <= 0x20; code++) signs[code] = sign.space;
signs[0x25] = sign.percent;
signs[0x3d] = sign.equals;
signs[0x26] = sign.ampersand;
signs[0x5c] = sign.backslash;
signs[0x2d] = sign.dash;
signs[0x2e] = sign.dash;

/** Looks a text over once for the signs of encodings; decoders run only where their sign is there. */
export function signsOf(text: string): Signs {
  const found: Signs = {
    codeRun: false,
    longest: 0,
    longestLower: 0,
    signedWord: false,
    upperLine: false,
    digits: 0,
    percents: 0,
    equals: 0,
    ampersands: 0,
    backslashes: 0,
    dotsAndDashes: 0,
    braille: false,
    invisible: false,
  };
  const { length } = text;
  let runFrom = 0;
  let odd = 0;
  let wordFrom = 0;
  let wordSigns = 0;
  let lineFrom = 0;
  let lineLower = false;
  let before: number = sign.space;
  for (let i = 0; i <= length; i++) {
    const code = i === length ? 0x0a : text.charCodeAt(i);
    const is = code < 128 ? (signs[code] ?? 0) : sign.other;
    if (is === sign.lower) {
      const from = i;
      while (i + 1 < length && (signs[text.charCodeAt(i + 1)] ?? 0) === sign.lower) i++;
      if (i - from >= found.longestLower) found.longestLower = i - from + 1;
      lineLower = true;
      before = is;
      continue;
    }
    if (is === sign.upper || is === sign.digit) {
      if (is === sign.digit) found.digits++;
      if (is === sign.digit || i > runFrom) odd++;
      before = is;
      continue;
    }
    const run = i - runFrom;
    if (run >= 8) {
      if (odd > 0) found.codeRun = true;
      if (run > found.longest) found.longest = run;
    }
    runFrom = i + 1;
    odd = 0;
    if (is === sign.space) {
      if (i - wordFrom >= 20 && wordSigns >= 4) found.signedWord = true;
      wordFrom = i + 1;
      wordSigns = 0;
      if (code === 0x0a) {
        if (!lineLower && i - lineFrom >= 9) found.upperLine = true;
        lineFrom = i + 1;
        lineLower = false;
      }
    } else if (is === sign.dash) {
      if (before === sign.dash || before === sign.space) found.dotsAndDashes++;
    } else {
      wordSigns++;
      if (is === sign.percent) found.percents++;
      else if (is === sign.equals) found.equals++;
      else if (is === sign.ampersand) found.ampersands++;
      else if (is === sign.backslash) found.backslashes++;
      else if (code >= 0x200b) {
        if (code >= 0x2800 && code <= 0x28ff) found.braille = true;
        else if (
          code <= 0x200f ||
          (code >= 0x2060 && code <= 0x2064) ||
          (code >= 0xfe00 && code <= 0xfe0f) ||
          code === 0xdb40
        )
          found.invisible = true;
      }
    }
    before = is;
  }
  return found;
}

/** Steps finding words in letters run together takes for each letter. */
const segmenting_steps = 12;

/** Views that decode pieces of a text in place. `map` leads the text's offsets back to the passage. */
export function* encodedViews(text: string, map: Int32Array | undefined, seen: Signs): Generator<View | undefined> {
  const [base64, base32, hex, binary] = bases;
  if (seen.codeRun && base64 !== undefined) yield decodeBase(base64, text, map);
  if (seen.longest >= 16 && base32 !== undefined) yield decodeBase(base32, text, map);
  if (seen.digits >= 6 && hex !== undefined) yield decodeBase(hex, text, map);
  if (seen.digits >= 24 && binary !== undefined) yield decodeBase(binary, text, map);
  if (seen.percents >= 3) yield decodeUrl(text, map);
  if (seen.equals >= 3) yield decodeQuotedPrintable(text, map);
  if (seen.ampersands >= 3 || seen.backslashes >= 3) yield decodeCharacterEscapes(text, map);
  if (seen.signedWord) yield decodeAscii85(text, map);
  if (seen.upperLine) yield decodeUu(text, map);
  if (seen.dotsAndDashes >= 8) yield decodeMorse(text, map);
  if (seen.braille) yield decodeBraille(text, map);
}

/** What reading the words told: what `lettersViews` goes by. */
export interface WordSigns {
  readonly ciphers: number;
  readonly count: number;
  readonly leetish: number;
  readonly single: number;
}

/** Views that read every letter differently: ciphers, letters apart, digits for letters, from the end. */
export function* letterViews(
  text: string,
  map: Int32Array | undefined,
  seen: Signs,
  words: WordSigns,
  knows: (hash: number) => boolean,
  work: { steps: number },
): Generator<View | undefined> {
  if (words.leetish > 1) yield unleet(normalise(text, map), words.leetish * 2 >= words.count, knows);
  if (words.single >= 4 || seen.longestLower >= 19) {
    work.steps += text.length * segmenting_steps;
    yield joined(normalise(text, map), knows);
  }
  if ((words.ciphers & (1 << spelling_bit)) !== 0) yield decodeSpelling(text, map);
  for (let shift = 1; shift < 26; shift++) {
    if ((words.ciphers & (1 << shift)) === 0) continue;
    // The tell-tale word was moved forward; move it back.
    yield { name: shift === 13 ? 'rot13' : 'caesar', text: caesar(text, -shift), map: sameMap(text.length, map) };
  }
  if ((words.ciphers & (1 << atbash_bit)) !== 0)
    yield { name: 'atbash', text: atbash(text), map: sameMap(text.length, map) };
  if ((words.ciphers & (1 << reversed_bit)) !== 0) yield reversed(text, map);
}
