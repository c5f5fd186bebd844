/** A set of code points: pairs of first and last (inclusive), ascending, disjoint and not touching. */
export type CharSet = readonly number[];

export const lastCodePoint = 0x10ffff;
export const everything: CharSet = [0, lastCodePoint];

/** Any pairs, in any order and overlapping, as a set. */
export function setOf(pairs: readonly number[]): CharSet {
  const ranges: [number, number][] = [];
  for (let i = 0; i + 1 < pairs.length; i += 2) ranges.push([pairs[i] ?? 0, pairs[i + 1] ?? 0]);
  ranges.sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [first, last] of ranges) {
    const top = out.length - 1;
    const before = out[top];
    if (before !== undefined && first <= before + 1) out[top] = Math.max(before, last);
    else out.push(first, last);
  }
  return out;
}

export function setOfChars(text: string): CharSet {
  const pairs: number[] = [];
  for (const char of text) pairs.push(char.codePointAt(0) ?? 0, char.codePointAt(0) ?? 0);
  return setOf(pairs);
}

export function unite(...sets: readonly CharSet[]): CharSet {
  return setOf(sets.flat());
}

export function negate(set: CharSet): CharSet {
  const out: number[] = [];
  let from = 0;
  for (let i = 0; i < set.length; i += 2) {
    const first = set[i] ?? 0;
    if (first > from) out.push(from, first - 1);
    from = (set[i + 1] ?? 0) + 1;
  }
  if (from <= lastCodePoint) out.push(from, lastCodePoint);
  return out;
}

export function contains(set: CharSet, point: number): boolean {
  let low = 0;
  let high = set.length >>> 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (point < (set[2 * middle] ?? 0)) high = middle;
    else if (point > (set[2 * middle + 1] ?? 0)) low = middle + 1;
    else return true;
  }
  return false;
}

export function intersect(a: CharSet, b: CharSet): CharSet {
  const out: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const first = Math.max(a[i] ?? 0, b[j] ?? 0);
    const last = Math.min(a[i + 1] ?? 0, b[j + 1] ?? 0);
    if (first <= last) out.push(first, last);
    if ((a[i + 1] ?? 0) < (b[j + 1] ?? 0)) i += 2;
    else j += 2;
  }
  return out;
}

export const digits: CharSet = [0x30, 0x39];
export const wordChars: CharSet = setOf([0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a]);
