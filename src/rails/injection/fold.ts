import { plainLatin } from './confusables.ts';

/**
 * One code point, folded: compatibility decomposition without combining marks, recomposed, lower case. A fold for each
 * code point (not for the text as a whole) keeps an exact map back to the source and works on any cut of the text.
 */

/** Taken out wherever they stand: they are invisible and split words. */
const invisible = /^[\p{Default_Ignorable_Code_Point}\p{Cf}]$/u;
const mark = /\p{M}/gu;
const letter = /^[a-z0-9]$/;

/** How a code point came to its folded form; bits, so that a word can carry the sum of its letters. */
export const Fold = {
  none: 0,
  /** Zero-width, bidirectional control, soft hyphen: gone. */
  invisible: 1,
  /** A combining mark: gone. */
  mark: 2,
  /** Full-width, mathematical, enclosed: written as the plain letter. */
  compatibility: 4,
  /** A look-alike of another script in a word with Latin letters. */
  lookAlike: 8,
} as const;

export interface FoldedPoint {
  readonly text: string;
  readonly how: number;
}

const remembered = new Map<number, FoldedPoint>();
/** Bounds the memo under a flood of distinct code points; a text uses few. */
const remembered_max = 8192;

function once(text: string): string {
  const plain = text.normalize('NFKD').replace(mark, '').normalize('NFC').toLowerCase();
  const latin = plain.length === 1 ? plainLatin(plain.charCodeAt(0)) : 0;
  return latin === 0 ? plain : String.fromCharCode(latin);
}

function compute(point: number): FoldedPoint {
  if (point >= 0xd800 && point <= 0xdfff) return { text: '\ufffd', how: Fold.none };
  // Regional indicators: letters in boxes, one for each letter.
  if (point >= 0x1f1e6 && point <= 0x1f1ff)
    return { text: String.fromCharCode(point - 0x1f1e6 + 0x61), how: Fold.compatibility };
  const source = String.fromCodePoint(point);
  if (invisible.test(source)) return { text: '', how: Fold.invisible };
  // Folding what was folded must change nothing, so repeat until it does (a few code points need two rounds).
  let text = once(source);
  for (let next = once(text); next !== text; next = once(text)) text = next;
  if (text === '') return { text, how: Fold.mark };
  const disguised = point >= 0x250 && text.charCodeAt(0) < 0x80 && letter.test(text.charAt(0));
  return { text, how: disguised ? Fold.compatibility : Fold.none };
}

/** The folded form of a code point; a lone surrogate becomes U+FFFD. */
export function foldPoint(point: number): FoldedPoint {
  const known = remembered.get(point);
  if (known !== undefined) return known;
  const folded = compute(point);
  if (remembered.size >= remembered_max) remembered.clear();
  remembered.set(point, folded);
  return folded;
}
