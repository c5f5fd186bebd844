import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Frame } from '../../src/exchange/index.ts';
import { wellFormed, wellFormedEvents } from '../support/well-formed.ts';
import { described, framesOf, names, type Recording, recordings, rendered, streamBytes } from './recording.ts';

const all = recordings();
if (process.env.UPDATE_GOLDEN === '1') for (const one of all) writeFileSync(one.file, rendered(one));

function outline(frames: readonly Frame[]): string {
  return frames.map((frame) => described(frame) + frame.raw.toString('base64')).join('\n');
}

/** What a client must be given: all the provider sent, up to where the reply broke or ended. */
function passed(frames: readonly Frame[]): Buffer {
  return Buffer.concat(frames.map((frame) => frame.raw));
}

describe.each(all.map((one) => [one.name, one] as const))('%s', (_, recording: Recording) => {
  test('is read and translated as the file says', () => {
    expect(rendered(recording)).toBe(readFileSync(recording.file, 'utf8'));
  });

  const whole = framesOf(recording, [recording.provider]);

  test('its events keep the grammar of events', () => {
    wellFormedEvents(whole.flatMap((frame) => frame.events));
  });

  if (recording.plain) return;

  test('gives the same frames for every cut in two and byte by byte', () => {
    const expected = outline(whole);
    const { provider } = recording;
    for (let at = 1; at < provider.length; at += 1) {
      const frames = framesOf(recording, [provider.subarray(0, at), provider.subarray(at)]);
      if (outline(frames) !== expected) expect.fail(`cut at ${at} gives other frames`);
    }
    const bytes = Array.from(provider, (_byte, at) => provider.subarray(at, at + 1));
    expect(outline(framesOf(recording, bytes))).toBe(expected);
  });

  test('goes through byte for byte', () => {
    const bytes = passed(whole);
    expect(recording.provider.subarray(0, bytes.length)).toEqual(bytes);
    const broken = whole.some((frame) => frame.events.some((event) => event.type === 'error'));
    if (!broken) expect(bytes.length).toBe(recording.provider.length);
  });

  test('keeps the grammar of the other formats when translated', () => {
    const broken = whole.some((frame) => frame.events.some((event) => event.type === 'error'));
    for (const name of names) expect(wellFormed(name, streamBytes(name, whole))).toBe(broken ? 'error' : 'end');
  });
});
