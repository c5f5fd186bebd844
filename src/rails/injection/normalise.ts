import { latinLookAlike } from './confusables.ts';
import { Fold, foldPoint } from './fold.ts';

/** A text as the rules read it, with the way back to the source. */
export interface NormalisedText {
  /** Lower case, compatibility forms written plainly, no marks, nothing invisible, look-alikes as Latin letters. */
  readonly codes: Uint16Array;
  /** For each code unit of `codes`, the offset in the source it came from; one more entry holds the source's length. */
  readonly at: Int32Array;
  readonly length: number;
  /** Per code unit how it came about (`Fold`); absent where the source is plain ASCII. */
  readonly how: Uint8Array | undefined;
  /** The normalised text as a string; built when asked. */
  readonly text: string;
}

class Normalised implements NormalisedText {
  readonly codes: Uint16Array;
  readonly at: Int32Array;
  readonly length: number;
  readonly how: Uint8Array | undefined;

  constructor(codes: Uint16Array, at: Int32Array, length: number, how: Uint8Array | undefined) {
    this.codes = codes;
    this.at = at;
    this.length = length;
    this.how = how;
  }

  get text(): string {
    let text = '';
    // 8,192 arguments at a time: `apply` has a limit on its arguments.
    for (let from = 0; from < this.length; from += 8192)
      text += String.fromCharCode(...this.codes.subarray(from, Math.min(from + 8192, this.length)));
    return text;
  }
}

function isLatin(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0xc0 && code <= 0x24f);
}

function isWordUnit(code: number): boolean {
  return isLatin(code) || (code >= 0x30 && code <= 0x39) || (code >= 0x250 && code < 0x2000 && code !== 0x37e);
}

/**
 * Writes look-alikes as the Latin letters they imitate: in words that mix them with Latin letters, and, once a text has
 * such a word, also in words made of look-alikes alone. Text honestly in another script is left as it is.
 */
function unmaskLookAlikes(codes: Uint16Array, length: number, how: Uint8Array): void {
  for (const wholeWords of [false, true]) {
    let mixed = false;
    for (let from = 0; from < length; from++) {
      if (!isWordUnit(codes[from] ?? 0)) continue;
      let latins = 0;
      let alike = 0;
      let others = 0;
      let to = from;
      for (; to < length && isWordUnit(codes[to] ?? 0); to++) {
        const code = codes[to] ?? 0;
        if (latinLookAlike(code) !== 0) alike++;
        else if (isLatin(code)) latins++;
        else if (code >= 0x250) others++;
      }
      if (latins > 0 && (alike > 0 || others > 0)) mixed = true;
      if (alike > 0 && (wholeWords ? others === 0 : latins > 0)) {
        for (let i = from; i < to; i++) {
          const plain = latinLookAlike(codes[i] ?? 0);
          if (plain === 0) continue;
          codes[i] = plain;
          how[i] = (how[i] ?? 0) | Fold.lookAlike;
        }
      }
      from = to;
    }
    if (!mixed) return;
  }
}

/** Folds a text that has more than ASCII in it. Work and memory are linear: a code point unfolds to at most 18 units. */
function normaliseUnicode(source: string, map: Int32Array | undefined): NormalisedText {
  let codes = new Uint16Array(source.length + 32);
  let at = new Int32Array(source.length + 33);
  let how = new Uint8Array(source.length + 32);
  let length = 0;
  let pending = Fold.none as number;
  let marks = 0;
  let alien = false;
  for (let i = 0; i < source.length; ) {
    const point = source.codePointAt(i) ?? 0;
    const origin = map === undefined ? i : (map[i] ?? 0);
    i += point > 0xffff ? 2 : 1;
    if (point < 0x80) {
      if (length === codes.length) [codes, at, how] = grow(codes, at, how);
      codes[length] = point >= 0x41 && point <= 0x5a ? point + 0x20 : point;
      at[length] = origin;
      how[length] = pending;
      pending = Fold.none;
      marks = 0;
      length++;
      continue;
    }
    const folded = foldPoint(point);
    if (folded.text === '') {
      // One accent on a letter is how decomposed French looks; two, or a stroke across it, are a disguise.
      if (folded.how === Fold.invisible || ++marks > 1 || (point >= 0x334 && point <= 0x338)) pending |= folded.how;
      continue;
    }
    for (let k = 0; k < folded.text.length; k++) {
      if (length === codes.length) [codes, at, how] = grow(codes, at, how);
      const code = folded.text.charCodeAt(k);
      if (code >= 0x370) alien = true;
      codes[length] = code;
      at[length] = origin;
      how[length] = folded.how | pending;
      length++;
    }
    pending = Fold.none;
    marks = 0;
  }
  if (length === at.length) [codes, at, how] = grow(codes, at, how);
  at[length] = map === undefined ? source.length : (map[source.length] ?? 0);
  if (alien) unmaskLookAlikes(codes, length, how);
  return new Normalised(codes, at, length, how);
}

function grow(
  codes: Uint16Array,
  at: Int32Array,
  how: Uint8Array,
): [Uint16Array<ArrayBuffer>, Int32Array<ArrayBuffer>, Uint8Array<ArrayBuffer>] {
  const size = codes.length * 2;
  const wider: [Uint16Array<ArrayBuffer>, Int32Array<ArrayBuffer>, Uint8Array<ArrayBuffer>] = [
    new Uint16Array(size),
    new Int32Array(size + 1),
    new Uint8Array(size),
  ];
  wider[0].set(codes);
  wider[1].set(at);
  wider[2].set(how);
  return wider;
}

/** Scratch for `normaliseBriefly`. */
const briefCodes = new Uint16Array(32_768);
const identity = Int32Array.from({ length: 32_769 }, (_, i) => i);

function ascii(source: string, codes: Uint16Array): boolean {
  for (let i = 0; i < source.length; i++) {
    const code = source.charCodeAt(i);
    if (code >= 0x80) return false;
    codes[i] = code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
  }
  return true;
}

/**
 * Writes a text plainly: lower case, compatibility forms (full-width, mathematical, enclosed) as plain letters, no
 * combining marks, no invisible characters, look-alikes of other scripts as Latin letters where they hide in Latin
 * words. Doing it twice changes nothing. `map`, where given, says for each unit of `source` (and its end) where it stood
 * in an earlier source, so that offsets lead all the way back.
 */
export function normalise(source: string, map?: Int32Array): NormalisedText {
  const codes = new Uint16Array(source.length);
  if (!ascii(source, codes)) return normaliseUnicode(source, map);
  const at = map ?? Int32Array.from({ length: source.length + 1 }, (_, i) => i);
  return new Normalised(codes, at, source.length, undefined);
}

/** The same without allocating for plain ASCII: the answer is valid until the next call. */
export function normaliseBriefly(source: string, map?: Int32Array): NormalisedText {
  if (source.length > briefCodes.length) return normalise(source, map);
  if (!ascii(source, briefCodes)) return normaliseUnicode(source, map);
  return new Normalised(briefCodes, map ?? identity, source.length, undefined);
}
