import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frameAt } from '../../src/stores/embedded/frames.ts';
import { frame } from '../support/frame.ts';

const hex = (value: number) => value.toString(16).padStart(8, '0');
const latin = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 1_200,
});

test('a frame says how long its lines are and what they sum up to, however long they are', () => {
  const whole = (text: string) => {
    const body = Buffer.from(text, 'latin1');
    const bytes = Buffer.from(frame(text));
    expect(bytes.toString('latin1')).toBe(`#${hex(body.length)} ${hex(crc32(body))}\n${text}`);
    expect(frameAt(bytes, 0)).toEqual({ text, end: bytes.length });
  };
  for (let length = 0; length < 1_100; length += 1) whole('r 0123456789 \xff'.repeat(100).slice(0, length));
  whole('x'.repeat(200_000));
  fc.assert(fc.property(latin, whole));
});

test('a frame that lost a bit is none', () => {
  fc.assert(
    fc.property(latin, fc.nat(), fc.nat(7), (text, place, bit) => {
      const bytes = Buffer.from(frame(text));
      const at = place % bytes.length;
      bytes[at] = bytes[at]! ^ (1 << bit);
      expect(frameAt(bytes, 0)).toBe(undefined);
    }),
  );
});
