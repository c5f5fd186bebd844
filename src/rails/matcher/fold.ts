import { type CharSet, contains, intersect, setOf, unite } from './char-set.ts';

/**
 * Ways of writing a plain character, code point by code point: full-width and small forms, digits of every script,
 * typographic dashes and spaces. A pattern that folds takes them all; offsets stay those of the text as written.
 */
interface FoldRange {
  readonly first: number;
  readonly last: number;
  readonly to: number;
}

/** Invisible characters a folding pattern reads over inside a match. */
export const invisible: CharSet = setOf([
  0xad, 0xad, 0x180e, 0x180e, 0x200b, 0x200f, 0x202a, 0x202e, 0x2060, 0x2064, 0xfe00, 0xfe0f, 0xfeff, 0xfeff,
]);

function decimalDigits(): FoldRange[] {
  const ranges: FoldRange[] = [];
  const digit = /^\p{Nd}$/u;
  // Unicode keeps every script's digits in runs of ten, zero first; none stand beyond the supplementary plane.
  for (let point = 0x80; point < 0x1ffff; point += 1) {
    if (!digit.test(String.fromCodePoint(point))) continue;
    ranges.push({ first: point, last: point + 9, to: 0x30 });
    point += 9;
  }
  return ranges;
}

const same = (first: number, last: number, to: string): FoldRange[] => {
  const ranges: FoldRange[] = [];
  for (let point = first; point <= last; point += 1) ranges.push({ first: point, last: point, to: to.charCodeAt(0) });
  return ranges;
};

const folds: readonly FoldRange[] = [
  ...decimalDigits(),
  { first: 0xff01, last: 0xff0f, to: 0x21 },
  { first: 0xff1a, last: 0xff5e, to: 0x3a },
  ...same(0x2010, 0x2015, '-'),
  ...same(0x2212, 0x2212, '-'),
  ...same(0xfe63, 0xfe63, '-'),
  ...same(0xa0, 0xa0, ' '),
  ...same(0x2000, 0x200a, ' '),
  ...same(0x202f, 0x202f, ' '),
  ...same(0x205f, 0x205f, ' '),
  ...same(0x3000, 0x3000, ' '),
  ...same(0x2024, 0x2024, '.'),
  ...same(0xfe52, 0xfe52, '.'),
  ...same(0xfe6b, 0xfe6b, '@'),
];

/** The set with every other way of writing its members. */
export function withFolds(set: CharSet): CharSet {
  const pairs: number[] = [...set];
  for (const { first, last, to } of folds) {
    const hit = intersect(set, [to, to + last - first]);
    for (let i = 0; i + 1 < hit.length; i += 2) pairs.push(first + (hit[i] ?? 0) - to, first + (hit[i + 1] ?? 0) - to);
  }
  return setOf(pairs);
}

const foldedTo = new Map<number, string>();
for (const { first, last, to } of folds) {
  for (let point = first; point <= last; point += 1) foldedTo.set(point, String.fromCharCode(to + point - first));
}

/** The text as a folding pattern read it: plain forms, nothing invisible. What a check is given. */
export function folded(text: string): string {
  let plain = true;
  for (let i = 0; i < text.length && plain; i += 1) plain = text.charCodeAt(i) < 0x80;
  if (plain) return text;
  let out = '';
  for (const char of text) {
    const point = char.codePointAt(0) ?? 0;
    if (!contains(invisible, point)) out += foldedTo.get(point) ?? char;
  }
  return out;
}

/** Letters RE2 folds together although lower and upper case do not lead from one to the other: K and S have three. */
const extraCase: readonly (readonly [number, number])[] = [
  [0x6b, 0x212a],
  [0x73, 0x17f],
  [0xe5, 0x212b],
  [0x3c9, 0x2126],
];

function caseVariants(point: number): number[] {
  const char = String.fromCodePoint(point);
  const all = new Set<number>([point]);
  for (const variant of [char.toLowerCase(), char.toUpperCase(), char.toUpperCase().toLowerCase()]) {
    const first = variant.codePointAt(0) ?? point;
    if (variant.length === String.fromCodePoint(first).length) all.add(first);
  }
  for (const [letter, other] of extraCase) {
    if (all.has(letter)) all.add(other);
  }
  return [...all];
}

/** Cased letters stand in few blocks; ranges beyond them fold onto themselves. */
const casedBlocks: CharSet = setOf([
  0x41, 0x5a, 0x61, 0x7a, 0xb5, 0x24f, 0x250, 0x2af, 0x370, 0x587, 0x10a0, 0x10ff, 0x13a0, 0x13fd, 0x1c80, 0x1cbf,
  0x1d00, 0x1fff, 0x2100, 0x218f, 0x24b6, 0x24e9, 0x2c00, 0x2d2f, 0xa640, 0xa7ff, 0xab30, 0xabbf, 0xff21, 0xff5a,
  0x10400, 0x104ff, 0x10570, 0x105bf, 0x10c80, 0x10cff, 0x118a0, 0x118df, 0x16e40, 0x16e7f, 0x1e900, 0x1e943,
]);

/** The set closed under simple case folding. */
export function withCases(set: CharSet): CharSet {
  const pairs: number[] = [];
  const cased = intersect(set, casedBlocks);
  for (let i = 0; i + 1 < cased.length; i += 2) {
    for (let point = cased[i] ?? 0; point <= (cased[i + 1] ?? -1); point += 1) {
      for (const variant of caseVariants(point)) pairs.push(variant, variant);
    }
  }
  return unite(set, setOf(pairs));
}
