import { textOf } from './bytes.ts';
import { type View, ViewWriter } from './view.ts';

/** A positional encoding of bytes in letters: bits a digit, the digits' values, the shortest run worth reading. */
interface Base {
  readonly name: string;
  readonly bits: number;
  readonly values: Int8Array;
  readonly run_min: number;
  /** Whether a run of lower-case letters alone is a word and not worth decoding. */
  readonly wordy: boolean;
}

function valuesOf(...alphabets: readonly string[]): Int8Array {
  const values = new Int8Array(128).fill(-1);
  for (const alphabet of alphabets) for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;
  return values;
}

const upper = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const lower = upper.toLowerCase();
const digits = '0123456789';

/** The two spellings of base64, base32, hex and binary digits. */
export const bases: readonly Base[] = [
  {
    name: 'base64',
    bits: 6,
    values: valuesOf(`${upper}${lower}${digits}+/`, `${upper}${lower}${digits}-_`),
    run_min: 8,
    wordy: true,
  },
  { name: 'base32', bits: 5, values: valuesOf(`${upper}234567`, `${lower}234567`), run_min: 16, wordy: false },
  { name: 'hex', bits: 4, values: valuesOf(`${digits}ABCDEF`, `${digits}abcdef`), run_min: 8, wordy: true },
  { name: 'binary', bits: 1, values: valuesOf('01'), run_min: 24, wordy: false },
];

/** Between digits of one run: line breaks of wrapped base64; anything small for hex and binary ("69 67", "0x69, "). */
function gapAfter(text: string, at: number, base: Base): number {
  let to = at;
  if (base.bits >= 5) {
    while (text[to] === '\n' || text[to] === '\r') to++;
    return to;
  }
  for (; to < text.length && to - at < 4; to++) {
    const c = text.charCodeAt(to);
    if (c === 0x30 && (text.charCodeAt(to + 1) | 0x20) === 0x78 && base.bits === 4) {
      to += 1;
      continue;
    }
    if (c === 0x5c && (text.charCodeAt(to + 1) | 0x20) === 0x78) {
      to += 1;
      continue;
    }
    if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x2c && c !== 0x3a && c !== 0x2d) break;
  }
  return to;
}

/**
 * The text with every run in this encoding decoded in its place; undefined where no run decodes to text. Base64 and
 * base32 runs are read from their first digit, so a text must not be cut inside one.
 */
export function decodeBase(base: Base, text: string, before?: Int32Array): View | undefined {
  const writer = new ViewWriter();
  const bytes = new Uint8Array(text.length);
  let copied = 0;
  for (let from = 0; from < text.length; ) {
    if ((base.values[text.charCodeAt(from)] ?? -1) === -1) {
      from++;
      continue;
    }
    let bits = 0;
    let held = 0;
    let length = 0;
    let count = 0;
    let to = from;
    let lower = 0;
    for (let i = from; i < text.length; ) {
      const code = text.charCodeAt(i);
      const value = base.values[code] ?? -1;
      if (value !== -1) {
        if (code >= 0x61) lower++;
        held = ((held << base.bits) | value) & 0xffff;
        bits += base.bits;
        if (bits >= 8) {
          bits -= 8;
          bytes[length++] = (held >> bits) & 0xff;
        }
        count++;
        to = ++i;
        continue;
      }
      const next = gapAfter(text, i, base);
      if (next === i || (base.values[text.charCodeAt(next)] ?? -1) === -1) break;
      i = next;
    }
    if (count >= base.run_min && !(base.wordy && lower === count)) {
      const decoded = textOf(bytes.subarray(0, length));
      if (decoded !== undefined) {
        writer.copy(text, copied, from);
        writer.decoded(`\n${decoded}\n`, from, to);
        copied = to;
      }
    }
    from = to;
  }
  if (!writer.changed) return undefined;
  writer.copy(text, copied, text.length);
  return writer.view(base.name, text.length, before);
}

/** ASCII85 (with or without `<~ ~>`) in runs without spaces that are long enough. */
export function decodeAscii85(text: string, before?: Int32Array): View | undefined {
  const writer = new ViewWriter();
  let copied = 0;
  for (const [from, to] of runs(text)) {
    const open = text.startsWith('<~', from) ? 2 : 0;
    const close = text.startsWith('~>', to - 2) ? 2 : 0;
    const decoded = ascii85(text, from + open, to - close);
    if (decoded === undefined) continue;
    writer.copy(text, copied, from);
    writer.decoded(`\n${decoded}\n`, from, to);
    copied = to;
  }
  if (!writer.changed) return undefined;
  writer.copy(text, copied, text.length);
  return writer.view('ascii85', text.length, before);
}

function* runs(text: string): Generator<readonly [number, number]> {
  const to = text.length;
  for (let a = 0; a < to; ) {
    if (text.charCodeAt(a) <= 0x20) {
      a++;
      continue;
    }
    let b = a;
    while (b < to && text.charCodeAt(b) > 0x20) b++;
    if (b - a >= 20) yield [a, b];
    a = b;
  }
}

function ascii85(text: string, from: number, to: number): string | undefined {
  const bytes = new Uint8Array(to - from + 4);
  let length = 0;
  let value = 0;
  let count = 0;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20) continue;
    if (code < 0x21 || code > 0x75) return undefined;
    value = value * 85 + (code - 0x21);
    if (++count === 5) {
      for (let k = 3; k >= 0; k--) bytes[length++] = Math.floor(value / 2 ** (8 * k)) & 0xff;
      value = 0;
      count = 0;
    }
  }
  if (count > 1) {
    for (let k = count; k < 5; k++) value = value * 85 + 84;
    for (let k = 3; k > 4 - count; k--) bytes[length++] = Math.floor(value / 2 ** (8 * k)) & 0xff;
  }
  return textOf(bytes.subarray(0, length));
}

/** How many bytes a line of uuencoding holds, or 0 where the line is none. */
function uuSize(text: string, from: number, to: number): number {
  const size = (text.charCodeAt(from) - 0x20) & 0x3f;
  const room = to - from - 1;
  return size > 0 && room >= Math.ceil((size * 8) / 6) && room <= Math.ceil(size / 3) * 4 + 2 ? size : 0;
}

/** Runs of lines of uuencoding: a length, then six bits a character from the space on. */
export function decodeUu(text: string, before?: Int32Array): View | undefined {
  const writer = new ViewWriter();
  const bytes = new Uint8Array(text.length);
  let copied = 0;
  for (let from = 0; from < text.length; ) {
    let length = 0;
    let to = from;
    for (let line = from; line < text.length; ) {
      const newline = text.indexOf('\n', line);
      const end = newline === -1 ? text.length : newline;
      const size = uuSize(text, line, end);
      if (size === 0) {
        to = line === from ? end + 1 : line;
        break;
      }
      let held = 0;
      let bits = 0;
      for (let i = 0, got = 0; got < size; i++) {
        const code = line + 1 + i < end ? text.charCodeAt(line + 1 + i) : 0x20;
        held = ((held << 6) | ((code - 0x20) & 0x3f)) & 0xffff;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes[length++] = (held >> bits) & 0xff;
        got++;
      }
      line = end + 1;
      to = line;
    }
    const decoded = length >= 6 ? textOf(bytes.subarray(0, length)) : undefined;
    if (decoded !== undefined) {
      writer.copy(text, copied, from);
      copied = Math.min(to, text.length);
      writer.decoded(`\n${decoded}\n`, from, copied);
    }
    from = to;
  }
  if (!writer.changed) return undefined;
  writer.copy(text, copied, text.length);
  return writer.view('uuencode', text.length, before);
}
