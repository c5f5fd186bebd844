import { textOf } from './bytes.ts';
import { type View, ViewWriter } from './view.ts';

/** Hidden characters that carry text of their own, and how much of it. */
export interface Hidden {
  readonly view: View;
  readonly type: 'tag_smuggling' | 'variation_smuggling' | 'zero_width_smuggling';
  /** Characters hidden. */
  readonly length: number;
}

/** Shortest hidden text that is told of: a flag of a region needs five tags and is exempt by its base. */
const hidden_min = 3;

/**
 * Text written in tag characters (U+E0020 to U+E007E), which most programs do not show and models read. The sequence
 * after a black flag emoji is the flag of a region and no smuggling.
 */
export function hiddenTags(text: string): Hidden | undefined {
  const writer = new ViewWriter();
  let length = 0;
  let flag = false;
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i) ?? 0;
    if (point === 0x1f3f4) flag = true;
    else if (point >= 0xe0000 && point <= 0xe007f) {
      if (!flag && point >= 0xe0020 && point < 0xe007f) {
        writer.unit(point - 0xe0000, i);
        length++;
      }
      if (point === 0xe007f) flag = false;
    } else flag = false;
    if (point > 0xffff) i++;
  }
  if (length < hidden_min) return undefined;
  return { view: writer.view('tags', text.length), type: 'tag_smuggling', length };
}

/** Bytes written in variation selectors (U+FE00 to U+FE0F, U+E0100 to U+E01EF), sixteen and 240 values. */
export function hiddenVariations(text: string): Hidden | undefined {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  let first = -1;
  let last = 0;
  let previous = false;
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i) ?? 0;
    const value =
      point >= 0xfe00 && point <= 0xfe0f ? point - 0xfe00 : point >= 0xe0100 && point <= 0xe01ef ? point - 0xe00f0 : -1;
    // One selector after a character is ordinary (emoji style, ideographic variants); two in a row select nothing.
    const selects = value === -1 ? false : previous || isSelector(text.codePointAt(i + (point > 0xffff ? 2 : 1)) ?? 0);
    if (selects) {
      if (first === -1) first = i;
      last = i;
      bytes[length++] = value;
    }
    previous = value !== -1;
    if (point > 0xffff) i++;
  }
  if (length < hidden_min) return undefined;
  const writer = new ViewWriter();
  const raw = bytes.subarray(0, length);
  const decoded = textOf(raw) ?? nibbles(raw);
  writer.decoded(decoded ?? '', first, last + 1);
  return { view: writer.view('variation_selectors', text.length), type: 'variation_smuggling', length };
}

function isSelector(point: number): boolean {
  return (point >= 0xfe00 && point <= 0xfe0f) || (point >= 0xe0100 && point <= 0xe01ef);
}

function nibbles(values: Uint8Array): string | undefined {
  if (values.some((value) => value > 15)) return undefined;
  return textOf(
    Uint8Array.from({ length: values.length >> 1 }, (_, i) => ((values[i * 2] ?? 0) << 4) | (values[i * 2 + 1] ?? 0)),
  );
}

/** Pairs of invisible characters used as the two binary digits. */
const bitPairs: readonly (readonly [number, number])[] = [
  [0x2062, 0x2064],
  [0x200b, 0x200c],
  [0x200c, 0x200d],
  [0x200b, 0x200d],
  [0x2063, 0x2064],
];

/** Bytes written bit by bit in two invisible characters. */
export function hiddenBits(text: string): Hidden | undefined {
  for (const [zero, one] of bitPairs) {
    for (const flip of [0, 1]) {
      const bytes = new Uint8Array((text.length >> 3) + 1);
      let bits = 0;
      let first = -1;
      let last = 0;
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i);
        if (code !== zero && code !== one) continue;
        if (first === -1) first = i;
        last = i;
        const bit = (code === one ? 1 : 0) ^ flip;
        bytes[bits >> 3] = (bytes[bits >> 3] ?? 0) | (bit << (7 - (bits & 7)));
        bits++;
      }
      if (bits < hidden_min * 8) continue;
      const decoded = textOf(bytes.subarray(0, bits >> 3));
      if (decoded === undefined) continue;
      const writer = new ViewWriter();
      writer.decoded(decoded, first, last + 1);
      return {
        view: writer.view('zero_width_bits', text.length),
        type: 'zero_width_smuggling',
        length: decoded.length,
      };
    }
  }
  return undefined;
}
