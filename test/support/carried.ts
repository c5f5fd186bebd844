import { expect } from 'vitest';
import type { Carrier } from './carriers.ts';
import { clientTexts, everything } from './client-texts.ts';
import { type Forbidden, holds, sentence } from './forbidden.ts';
import type { Outcome, Sides } from './guarded.ts';
import { wellFormed } from './well-formed.ts';

/** What a carrier is given of a value, and what is to be left of it. */
export interface Load {
  readonly value: Forbidden;
  readonly text: string;
  readonly redacted: string;
  /** Where the value begins and ends in `text`, however it is spelled there. */
  readonly from: number;
  readonly to: number;
}

/** A sentence with the value, or the document around it. */
export function loadOf(carrier: Carrier, value: Forbidden): Load {
  const { document } = carrier;
  if (carrier.numbers) {
    const text = document?.(value.value) ?? '';
    const from = text.indexOf(value.value);
    return { value, text, redacted: document?.(`"[${value.type}]"`) ?? '', from, to: from + value.value.length };
  }
  const plain = sentence(value);
  if (document === undefined) {
    return { value, text: plain.text, redacted: plain.redacted, from: plain.at, to: plain.at + value.value.length };
  }
  const text = document(plain.text);
  const start = document(plain.text.slice(0, plain.at));
  // Where the two documents part is where the value begins in this spelling; the same from the end.
  let from = 0;
  while (text[from] === start[from]) from += 1;
  return { value, text, redacted: document(plain.redacted), from, to: text.length - (start.length - from) - 20 };
}

/** Nothing of the value is in what the client got; everything else is. Throws what is wrong. */
export function expectRedacted(carrier: Carrier, load: Load, sides: Sides, { bytes, status }: Outcome): void {
  expect(status).toBe(200);
  expect(holds(bytes.toString('utf8'), load.value)).toBe(false);
  if (sides.stream) expect(wellFormed(sides.client, bytes, { provider: sides.provider === sides.client })).toBe('end');
  const texts = clientTexts(sides.client, sides.stream, bytes);
  for (const [lane, text] of texts) expect([lane, holds(text, load.value)]).toEqual([lane, false]);
  const key = carrier.key[sides.client];
  if (key === undefined) return;
  const text = texts.get(key) ?? '';
  if (carrier.document !== undefined) expect(everything(text)).toBe(everything(load.redacted));
  // Free text of a custom tool is a member of an object where the other format demands one.
  else if (key.includes('tool')) expect(everything(text)).toBe(`input\n${load.redacted}`);
  else expect(text).toBe(load.redacted);
}

/**
 * The frames that went through: each is the provider's own bytes, or the same with another text and without what repeats
 * it. Returns the texts put together.
 */
export function expectUntouched(carrier: Carrier, pieces: readonly string[], bytes: Buffer, spell: (text: string) => string): string {
  const out = bytes.toString('utf8').split(/(?<=\n\n)/);
  const { head, tail } = carrier;
  expect(out.length).toBe(head.length + pieces.length + tail.length);
  expect(out.slice(0, head.length)).toEqual(head);
  expect(out.slice(head.length + pieces.length)).toEqual(tail);
  const [before = '', after = ''] = carrier.frame('\0', true).split('\0');
  let text = '';
  for (const [index, piece] of pieces.entries()) {
    const frame = out[head.length + index] ?? '';
    if (frame === carrier.frame(spell(piece), false)) {
      text += piece;
      continue;
    }
    expect(frame.startsWith(before)).toBe(true);
    expect(frame.endsWith(after)).toBe(true);
    const left: unknown = JSON.parse(frame.slice(before.length, frame.length - after.length));
    expect(left).not.toBe(piece);
    text += String(left);
  }
  return text;
}

/** A text in two pieces at each of these places. */
export function twoWays(text: string, places: Iterable<number>): string[][] {
  return [...places].map((place) => [text.slice(0, place), text.slice(place)]);
}

/** Places in and around a value: all of them, but of a long one only those near its ends. */
export function placesOf({ from, to, text }: Load, near = 40): number[] {
  const places: number[] = [];
  for (let place = Math.max(1, from - 1); place <= Math.min(text.length - 1, to + 1); place += 1) {
    if (place - from < near * 2 || to - place < near) places.push(place);
  }
  return places;
}

/** Pieces of these lengths, over and over. */
export function inPieces(text: string, lengths: readonly number[]): string[] {
  const pieces: string[] = [];
  for (let at = 0, turn = 0; at < text.length; turn += 1) {
    const length = lengths[turn % lengths.length] ?? 1;
    pieces.push(text.slice(at, at + length));
    at += length;
  }
  return pieces;
}
