/** Kinds of a code point, as the published patterns tell them apart. Bits, since a mark is a letter to one rule and not to another. */
export const kind = {
  /** Upper and title case. */
  upper: 1,
  lower: 2,
  /** Letters without case, and marks: they pass for both. */
  caseless: 4,
  mark: 8,
  number: 16,
  space: 32,
  newline: 64,
  letter: 128,
} as const;

const pageSize = 256;
const pages: (Uint8Array | undefined)[] = new Array(0x110000 / pageSize);

/**
 * The kinds of a code point; 0 for what is none of them (punctuation, symbols, controls). White space is Unicode's, as
 * in the tokenisers' own engine: JavaScript's `\s` differs from it in U+0085 and U+FEFF.
 */
export function kindOf(codePoint: number): number {
  const page = pages[codePoint >>> 8] ?? readPage(codePoint >>> 8);
  return page[codePoint & 255] ?? 0;
}

const tests: readonly (readonly [RegExp, number])[] = [
  [/^[\p{Lu}\p{Lt}]$/u, kind.upper | kind.letter],
  [/^\p{Ll}$/u, kind.lower | kind.letter],
  [/^[\p{Lm}\p{Lo}]$/u, kind.caseless | kind.letter],
  [/^\p{M}$/u, kind.caseless | kind.mark],
  [/^\p{N}$/u, kind.number],
  [/^[\r\n]$/, kind.space | kind.newline],
  [/^\p{White_Space}$/u, kind.space],
];

/** Read when first met: all 1,114,112 at once would take a while, and most texts use few. */
function readPage(index: number): Uint8Array {
  const page = new Uint8Array(pageSize);
  for (let low = 0; low < pageSize; low += 1) {
    const character = String.fromCodePoint(index * pageSize + low);
    page[low] = tests.find(([pattern]) => pattern.test(character))?.[1] ?? 0;
  }
  pages[index] = page;
  return page;
}
