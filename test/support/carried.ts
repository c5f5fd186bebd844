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

/** Thousands of cases: an `expect` for each check would take longer than what is checked. */
function must(law: string, holds: boolean, ...seen: readonly unknown[]): void {
  if (!holds) throw new Error(`${law}: ${seen.map((one) => JSON.stringify(one)).join(' instead of ')}`);
}

function same(law: string, seen: unknown, wanted: unknown): void {
  must(law, seen === wanted, seen, wanted);
}

/** Nothing of the value is in what the client got; everything else is. Throws what is wrong. */
export function expectRedacted(carrier: Carrier, load: Load, sides: Sides, { bytes, status }: Outcome): void {
  same('the reply comes', status, 200);
  must('the value is nowhere in the bytes', !holds(bytes.toString('utf8'), load.value), bytes.toString('utf8'));
  const own = sides.provider === sides.client;
  if (sides.stream) same('the stream ends well', wellFormed(sides.client, bytes, { provider: own }), 'end');
  const texts = clientTexts(sides.client, sides.stream, bytes);
  for (const [lane, text] of texts) must('the value is in no text', !holds(text, load.value), lane, text);
  const key = carrier.key[sides.client];
  if (key === undefined) return;
  const text = texts.get(key) ?? '';
  if (carrier.document !== undefined) same('the document', everything(text), everything(load.redacted));
  // Free text of a custom tool is a member of an object where the other format demands one.
  else if (key.includes('tool')) same('the input', everything(text), `input\n${load.redacted}`);
  else same('the text', text, load.redacted);
}

/**
 * The frames that went through: each is the provider's own bytes, or the same with another text and without what repeats
 * it. Returns the texts put together.
 */
export function expectUntouched(
  carrier: Carrier,
  pieces: readonly string[],
  bytes: Buffer,
  spell: (text: string) => string,
): string {
  const out = bytes.toString('utf8').split(/(?<=\n\n)/);
  const { head, tail } = carrier;
  same('no frame is lost or new', out.length, head.length + pieces.length + tail.length);
  same('the frames before', out.slice(0, head.length).join(''), head.join(''));
  same('the frames after', out.slice(head.length + pieces.length).join(''), tail.join(''));
  const [before = '', after = ''] = carrier.frame('\0', true).split('\0');
  let text = '';
  for (const [index, piece] of pieces.entries()) {
    const frame = out[head.length + index] ?? '';
    if (frame === carrier.frame(spell(piece), false)) {
      text += piece;
      continue;
    }
    must('only the text changed', frame.startsWith(before) && frame.endsWith(after), frame, carrier.frame('…', true));
    const left: unknown = JSON.parse(frame.slice(before.length, frame.length - after.length));
    must('a frame that kept its text keeps its bytes', left !== piece, frame);
    text += String(left);
  }
  return text;
}

/** A text in two pieces at each of these places. */
export function twoWays(text: string, places: Iterable<number>): string[][] {
  return [...places].map((place) => [text.slice(0, place), text.slice(place)]);
}

/** Places in and around a value: all of them, but of a long one only those near its ends. */
export function placesOf({ from, to, text }: Load, near = 24): number[] {
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
