import { type CharSet, setOfChars, unite } from './matcher/char-set.ts';
import { invisible, withFolds } from './matcher/fold.ts';

/**
 * Where a text could hold something: a cheap look that passes over plain prose. Stretches are `[from, to)`, in order,
 * apart from each other; each begins early enough for the context and the beginning of whatever its anchor is part of.
 */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

export interface Anchors {
  /** Whether there is any stretch: nearly always not, and told in half the time it takes `next` to find none. */
  readonly any: (text: string) => boolean;
  /** The first stretch with an anchor at `from` or later; undefined where only plain text is left. */
  readonly next: (text: string, from: number) => Stretch | undefined;
  /**
   * Every match has an anchor of its own, so context alone needs no reading on: the stretch of what it announces
   * begins before it again. Otherwise an anchor may stand in the context.
   */
  readonly inEveryMatch: boolean;
}

/** What announces a personal datum and the datum up to its first digit or `@` take no more than this, words apart. */
const piiReach = 48;
/** A word around that edge is read from its beginning, up to the longest local part of an address. */
const wordReach = 80;
const wordChars = new Uint8Array(128);
for (let unit = 33; unit < 127; unit += 1) wordChars[unit] = 1;

/**
 * Every personal datum by pattern has a digit or an `@`, however written. What cannot be seen counts too: any amount
 * of it may stand inside a datum.
 */
const piiUnit = anyFirstUnit(unite(withFolds(setOfChars('0123456789@')), invisible));

/** Finds any unit that one of these characters begins with. Compiled, it looks at three characters in the time of one. */
function anyFirstUnit(set: CharSet): RegExp {
  const units = new Set<string>();
  for (let i = 0; i + 1 < set.length; i += 2) {
    for (let point = set[i] ?? 0; point <= (set[i + 1] ?? -1); point += 1) {
      units.add(`\\u${String.fromCodePoint(point).charCodeAt(0).toString(16).padStart(4, '0')}`);
    }
  }
  return new RegExp(`[${[...units].join('')}]`, 'g');
}

function anyPiiAnchor(text: string): boolean {
  piiUnit.lastIndex = 0;
  return piiUnit.test(text);
}

function nextPiiAnchor(text: string, from: number): Stretch | undefined {
  piiUnit.lastIndex = from;
  if (!piiUnit.test(text)) return undefined;
  const to = piiUnit.lastIndex;
  const reach = to - 1 - piiReach;
  let first = Math.max(from, reach);
  const least = Math.max(from, reach - wordReach);
  while (first > least && (wordChars[text.charCodeAt(first - 1)] ?? 1) === 1) first -= 1;
  return { from: first, to };
}

/** No key, with what announces it, begins further before its first telling run. */
const secretReach = 80;
/** Runs shorter than this tell nothing: `ftp://` is the shortest that does. */
const runLeast = 6;
const keyLeast = 10;
const anythingLeast = 20;
const address = '://';

const plain = 0;
const letter = 1;
const upper = 2;
const other = 3;
const quote = 4;
const digit = 5;
const keyChars = new Uint8Array(128);
for (const char of 'abcdefghijklmnopqrstuvwxyz') keyChars[char.charCodeAt(0)] = letter;
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') keyChars[char.charCodeAt(0)] = upper;
for (const char of '0123456789') keyChars[char.charCodeAt(0)] = digit;
for (const char of '_-+/=.~:@') keyChars[char.charCodeAt(0)] = other;
keyChars[0x22] = quote;

function kindAt(text: string, index: number): number {
  return keyChars[text.charCodeAt(index)] ?? plain;
}

/**
 * Runs of key characters: ten or more that are no plain word (a capital or a sign within), twenty of anything, or the
 * beginning of an address. Looks at every sixth character first, since a run of six cannot lie between two of them.
 */
function nextSecretAnchor(text: string, from: number): Stretch | undefined {
  let probe = from + runLeast - 1;
  while (probe < text.length) {
    if (kindAt(text, probe) === plain) {
      probe += runLeast;
      continue;
    }
    let first = probe;
    while (first > from && kindAt(text, first - 1) !== plain) first -= 1;
    let last = probe + 1;
    while (last < text.length && kindAt(text, last) !== plain) last += 1;
    if (last - first >= runLeast && isTelling(text, first, last)) {
      return { from: Math.max(from, first - secretReach), to: last };
    }
    probe = last + runLeast;
  }
  return undefined;
}

function isTelling(text: string, first: number, last: number): boolean {
  if (last - first >= anythingLeast) return true;
  // The first and the last character (a capital, a full stop) do not make a word a key; a digit does.
  let telling = kindAt(text, first) === digit || kindAt(text, last - 1) === digit;
  for (let i = first + 1; i < last - 1 && !telling; i += 1) {
    const kind = kindAt(text, i);
    telling = kind === upper || kind === other || kind === digit;
  }
  if (!telling) return false;
  return last - first >= keyLeast || text.slice(first, last).includes(address);
}

/**
 * Looks for runs of ten, from the tenth character back: where one is plain, no run of ten goes over it, and the ten after
 * it are next. In a shorter run only the beginning of an address tells.
 */
function anySecretAnchor(text: string): boolean {
  let first = 0;
  let end = keyLeast - 1;
  while (end < text.length) {
    let at = end;
    while (at >= first && kindAt(text, at) !== plain) at -= 1;
    if (at >= first) {
      first = at + 1;
    } else {
      let last = end + 1;
      while (last < text.length && kindAt(text, last) !== plain) last += 1;
      if (isTelling(text, first, last)) return true;
      first = last + 1;
    }
    end = first + keyLeast - 1;
  }
  return text.includes(address) && nextSecretAnchor(text, 0) !== undefined;
}

export const piiAnchors: Anchors = { any: anyPiiAnchor, next: nextPiiAnchor, inEveryMatch: true };
export const secretAnchors: Anchors = { any: anySecretAnchor, next: nextSecretAnchor, inEveryMatch: false };

/** Of the rails whose patterns have anchors. */
export const anchorsOfRails = { pii: piiAnchors, secrets: secretAnchors };

/** The anchors of a rail's patterns; undefined where they have none and every text is to be read. */
export function anchorsOf(rail: string): Anchors | undefined {
  return Object.hasOwn(anchorsOfRails, rail) ? anchorsOfRails[rail as keyof typeof anchorsOfRails] : undefined;
}
