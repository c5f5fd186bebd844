import { hash_start, hashStep } from '../lexicon.ts';
import type { NormalisedText } from '../normalise.ts';
import { type View, ViewWriter } from './view.ts';

/** Each letter moved by `shift` places; other characters stay. `rot13` is its own inverse. */
export function caesar(text: string, shift: number): string {
  return mapLetters(text, (place) => (place + shift + 26) % 26);
}

/** The alphabet turned round: a for z. */
export function atbash(text: string): string {
  return mapLetters(text, (place) => 25 - place);
}

function mapLetters(text: string, move: (place: number) => number): string {
  const moved = Array.from({ length: 26 }, (_, place) => 0x61 + move(place));
  const parts: string[] = [];
  const units: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const lower = code | 0x20;
    const letter = code < 0x80 && lower >= 0x61 && lower <= 0x7a;
    units.push(letter ? ((moved[lower - 0x61] ?? 0) & 0x5f) | (code & 0x20) : code);
    if (units.length === 4096) parts.push(String.fromCharCode(...units.splice(0)));
  }
  return parts.join('') + String.fromCharCode(...units);
}

/** The same offsets for a text whose characters were replaced one by one. */
export function sameMap(length: number, before?: Int32Array): Int32Array {
  return before ?? Int32Array.from({ length: length + 1 }, (_, i) => i);
}

/** The text from its end to its beginning. */
export function reversed(text: string, before?: Int32Array): View {
  const writer = new ViewWriter();
  for (let i = text.length - 1; i >= 0; i--) writer.unit(text.charCodeAt(i), i);
  return writer.view('reversed', text.length, before);
}

const leet = new Uint16Array(128);
for (const [sign, letter] of Object.entries({
  '0': 'o',
  '1': 'i',
  '2': 'z',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '6': 'g',
  '7': 't',
  '8': 'b',
  '9': 'g',
  '@': 'a',
  $: 's',
  '!': 'i',
  '|': 'i',
  '+': 't',
}))
  leet[sign.charCodeAt(0)] = letter.charCodeAt(0);

/** `!`, `|` and `+` stand for letters only inside a word. */
function trims(code: number): boolean {
  return code === 0x21 || code === 0x7c || code === 0x2b;
}

/**
 * Digits and signs that stand for letters written as those letters, in words that have letters, and in all words of a text that
 * is `heavy` with them ("70" is a number elsewhere, there it is "to"). `1` stands for i or for
 * l: whichever makes a word the rules know, else i.
 */
export function unleet(text: NormalisedText, heavy: boolean, knows: (hash: number) => boolean): View {
  const writer = new ViewWriter();
  const part = (code: number): boolean => (code >= 0x61 && code <= 0x7a) || (leet[code] ?? 0) !== 0;
  for (let from = 0; from < text.length; ) {
    let to = from;
    let letters = 0;
    // Punctuation before a word is punctuation, too.
    while (!trims(text.codes[from] ?? 0) && to < text.length && part(text.codes[to] ?? 0)) {
      const code = text.codes[to] ?? 0;
      if (code >= 0x61 && code <= 0x7a) letters++;
      to++;
    }
    if (to === from) {
      writer.unit(text.codes[from] ?? 0, text.at[from] ?? 0);
      from++;
      continue;
    }
    // Punctuation at the end of a word is punctuation.
    let end = to;
    while (end > from && trims(text.codes[end - 1] ?? 0)) end--;
    const word = letters > 0 || heavy;
    let asI = hash_start;
    let asL = hash_start;
    for (let i = from; i < end; i++) {
      const code = text.codes[i] ?? 0;
      const stands = leet[code] ?? 0;
      asI = hashStep(asI, stands === 0 ? code : stands);
      asL = hashStep(asL, stands === 0 ? code : stands === 0x69 ? 0x6c : stands);
    }
    const one = !knows(asI) && knows(asL) ? 0x6c : 0x69;
    for (let i = from; i < to; i++) {
      const code = text.codes[i] ?? 0;
      const stands = word && i < end ? (leet[code] ?? 0) : 0;
      writer.unit(stands === 0 ? code : stands === 0x69 ? one : stands, text.at[i] ?? 0);
    }
    from = to;
  }
  return writer.view('leet', text.at[text.length] ?? 0);
}

/** Longest run of separated letters that is read as one. */
const apart_max = 4096;
/** Longest word looked for inside letters run together. */
const word_max = 18;

/**
 * Letters set apart by spaces, dots or dashes joined into words, and words run together separated: where the gaps do
 * not say where a word ends, the words the rules know decide (fewest letters left over). Linear: each place looks at
 * most 18 letters ahead.
 */
export function joined(text: NormalisedText, knows: (hash: number) => boolean): View | undefined {
  const writer = new ViewWriter();
  const letters = new Uint16Array(apart_max);
  const origins = new Int32Array(apart_max);
  const gaps = new Uint8Array(apart_max);
  const isLetter = (at: number): boolean => {
    const code = text.codes[at] ?? 0;
    return (code >= 0x61 && code <= 0x7a) || (code >= 0xc0 && code < 0x2000) || (code >= 0x30 && code <= 0x39);
  };
  for (let from = 0; from < text.length; ) {
    if (!isLetter(from)) {
      writer.unit(text.codes[from] ?? 0, text.at[from] ?? 0);
      from++;
      continue;
    }
    let count = 0;
    let to = from;
    let next = from;
    let tight = 0;
    let spaced = 0;
    // Single letters, each followed by at most three separators. A gap's class: 2 with white space, 1 without, plus its width.
    while (next < text.length && count < apart_max && isLetter(next) && !isLetter(next + 1)) {
      letters[count] = text.codes[next] ?? 0;
      origins[count] = next;
      to = next + 1;
      next = to;
      let space = 0;
      for (; next < text.length && next - to < 4 && !isLetter(next); next++)
        if ((text.codes[next] ?? 0) <= 0x20) space = 1;
      gaps[count++] = space * 8 + (next - to);
      if (space === 1) spaced++;
      else tight++;
    }
    if (count >= 4) {
      writer.changed = true;
      // Where most letters are held together by something else, white space ends a word; else a wider gap does.
      const bound = tight >= spaced ? 9 : 10;
      for (let first = 0; first < count; ) {
        let last = first;
        while (last < count - 1 && (gaps[last] ?? 0) < bound) last++;
        const whole = first > 0 || last < count - 1;
        if (whole && last - first < word_max) {
          writer.unit(0x20, text.at[origins[first] ?? 0] ?? 0);
          for (let i = first; i <= last; i++) writer.unit(letters[i] ?? 0, text.at[origins[i] ?? 0] ?? 0);
          writer.unit(0x20, text.at[(origins[last] ?? 0) + 1] ?? 0);
        } else segment(letters, origins, first, last + 1, text, writer, knows);
        first = last + 1;
      }
      from = to;
      continue;
    }
    to = from;
    while (to < text.length && to - from < apart_max && isLetter(to)) to++;
    if (to - from > word_max) {
      for (let i = from; i < to; i++) {
        letters[i - from] = text.codes[i] ?? 0;
        origins[i - from] = i;
      }
      writer.changed = true;
      segment(letters, origins, 0, to - from, text, writer, knows);
    } else for (let i = from; i < to; i++) writer.unit(text.codes[i] ?? 0, text.at[i] ?? 0);
    from = to;
  }
  return writer.changed ? writer.view('letters_apart', text.at[text.length] ?? 0) : undefined;
}

/** Cost of the best reading of the first i letters, and where its last word begins; scratch for `segment`. */
const cost = new Float64Array(apart_max + 1);
const back = new Int32Array(apart_max + 1);
const begins = new Uint8Array(apart_max + 1);

function segment(
  letters: Uint16Array,
  origins: Int32Array,
  first: number,
  end: number,
  text: NormalisedText,
  writer: ViewWriter,
  knows: (hash: number) => boolean,
): void {
  const count = end - first;
  cost.fill(Number.POSITIVE_INFINITY, 0, count + 1);
  begins.fill(0, 0, count + 1);
  cost[0] = 0;
  for (let from = 0; from < count; from++) {
    const so = cost[from] ?? 0;
    if (so + 1 < (cost[from + 1] ?? 0)) {
      cost[from + 1] = so + 1;
      back[from + 1] = from;
    }
    // A known word costs less than one letter left over, so fewer and longer words win.
    let hash = hashStep(hash_start, letters[first + from] ?? 0);
    for (let to = from + 2; to <= Math.min(count, from + word_max); to++) {
      hash = hashStep(hash, letters[first + to - 1] ?? 0);
      if (so + 0.3 >= (cost[to] ?? 0) || !knows(hash)) continue;
      cost[to] = so + 0.3;
      back[to] = from;
    }
  }
  for (let at = count; at > 0; at = back[at] ?? 0) {
    const from = back[at] ?? 0;
    if (at - from === 1) continue;
    begins[from] = 1;
    begins[at] = 1;
  }
  writer.unit(0x20, text.at[origins[first] ?? 0] ?? 0);
  for (let i = 0; i < count; i++) {
    const origin = text.at[origins[first + i] ?? 0] ?? 0;
    if (begins[i] === 1) writer.unit(0x20, origin);
    writer.unit(letters[first + i] ?? 0, origin);
  }
  writer.unit(0x20, text.at[(origins[end - 1] ?? 0) + 1] ?? 0);
}
