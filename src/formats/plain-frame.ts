import { Failure, type Frame } from '../exchange/index.ts';
import { isObject, type JsonObject, unambiguous } from './json/index.ts';
import type { Said } from './said.ts';
import { type Repeats, WireFrame } from './wire-frame.ts';

const nothing = Buffer.alloc(0);

/** A whole plain reply as one frame, from what a format says of its document. A body nobody can read is an error, and stays here. */
export function plainFrameOf(
  body: Buffer,
  said: (document: JsonObject, body: Buffer) => Said,
  repeats: Repeats,
): Frame {
  const read = unambiguous(body);
  if (!read.ok || !isObject(read.value)) {
    const why = read.ok ? 'it is no object' : read.problem;
    const failure = new Failure('upstream_error', `The provider sent a reply that cannot be read: ${why}.`);
    return WireFrame.bare(nothing, [{ type: 'error', failure }]);
  }
  const whole = said(read.value, body);
  if (whole.secret) return WireFrame.bare(nothing, whole.events);
  return WireFrame.of(body, whole, [{ start: 0, end: body.length }], repeats);
}
