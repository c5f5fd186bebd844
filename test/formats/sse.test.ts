import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { rawOffset, SseFramer, type SseMessage, sseData } from '../../src/formats/sse.ts';
import { sseMessages } from '../support/well-formed.ts';

const line = fc.oneof(
  fc.constantFrom(
    '',
    '',
    ': comment',
    'data',
    'data:',
    'data: x',
    'data:y',
    'data:  two',
    'event: e',
    'event:e',
    'id: 1',
    'retry: 5',
    'dat: no',
    'datax: no',
  ),
  fc.string({ unit: 'grapheme', maxLength: 6 }).map((text) => `data: ${text.replaceAll(/[\r\n]/g, '')}`),
);
const stream = fc
  .array(fc.tuple(line, fc.constantFrom('\n', '\n', '\r\n', '\r')), { maxLength: 14 })
  .map((lines) => Buffer.from(lines.flat().join('')));

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
}

function framed(pieces: readonly Buffer[]): SseMessage[] {
  const framer = new SseFramer();
  return [...pieces.flatMap((piece) => framer.push(piece)), ...framer.end()];
}

function outline(messages: readonly SseMessage[]): unknown {
  return messages.map(({ raw, event, complete, ...rest }) => ({
    raw: raw.toString('base64'),
    event,
    complete,
    data: sseData({ raw, ...rest }).toString(),
  }));
}

describe('the framer of event streams', () => {
  test('gives the same messages for any chunking, and their bytes put together are the stream', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 8 }), (bytes, places) => {
        const whole = framed([bytes]);
        expect(outline(framed(cut(bytes, places)))).toEqual(outline(whole));
        expect(outline(framed(Array.from(bytes, (_byte, at) => bytes.subarray(at, at + 1))))).toEqual(outline(whole));
        expect(Buffer.concat(whole.map(({ raw }) => raw))).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  test('reads what a plain reader of the whole text reads', () => {
    fc.assert(
      fc.property(stream, (bytes) => {
        const whole = Buffer.concat([bytes, Buffer.from('\n\n')]);
        const ours = framed([whole]).filter(({ data }) => data.length > 0);
        expect(ours.map((message) => ({ event: message.event, data: sseData(message).toString() }))).toEqual(
          sseMessages(whole).map(({ event, data }) => ({ event, data })),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('skips a byte order mark at the start and keeps its bytes', () => {
    const bytes = Buffer.from('\ufeffdata: a\n\n');
    const [message] = framed([bytes]);
    expect(sseData(message!).toString()).toBe('a');
    expect(message!.raw).toEqual(bytes);
  });

  test('finds places of joined data in the raw bytes', () => {
    const [message] = framed([Buffer.from('event: e\r\ndata: ab\r\n: c\r\ndata:cd\r\n\r\n')]);
    const data = sseData(message!);
    expect(data.toString()).toBe('ab\ncd');
    for (const at of [0, 1, 3, 4]) expect(message!.raw[rawOffset(message!, at)]).toBe(data[at]);
    expect(() => rawOffset(message!, 99)).toThrow(RangeError);
  });

  test('a message ends with its blank line, without waiting for more bytes', () => {
    for (const text of ['data: a\n\n', 'data: a\r\n\r\n', 'data: a\r\r']) {
      expect(new SseFramer().push(Buffer.from(text))).toHaveLength(1);
    }
  });

  test('tells a message that the stream cut off', () => {
    expect(framed([Buffer.from('data: a\n\ndata: b')]).map(({ complete }) => complete)).toEqual([true, false]);
    expect(framed([Buffer.from('data: a\n\r')]).map(({ complete }) => complete)).toEqual([true]);
  });

  test('does not write over bytes it has handed out', () => {
    const framer = new SseFramer();
    const first = [...'data: one\n\nda'].flatMap((letter) => framer.push(Buffer.from(letter)));
    const before = first[0]!.raw.toString();
    for (const letter of 'ta: two\n\n'.repeat(50)) framer.push(Buffer.from(letter));
    expect(first[0]!.raw.toString()).toBe(before);
  });

  test('stops at a message over the limit and holds nothing of it', () => {
    const framer = new SseFramer({ messageBytesMax: 16 });
    expect(framer.push(Buffer.from('data: a\n\n'))).toHaveLength(1);
    expect(framer.push(Buffer.from(`data: ${'x'.repeat(20)}`))).toHaveLength(0);
    expect(framer.overflowed).toBe(true);
    expect(framer.push(Buffer.from('\n\n'))).toHaveLength(0);
    expect(framer.end()).toHaveLength(0);
  });

  test('looks at each byte of a long message a few times, however small its pieces', () => {
    const framer = new SseFramer();
    const pieces = 2000;
    const piece = Buffer.alloc(100, 'x');
    let looked = 0;
    const search = vi.spyOn(Buffer.prototype, 'indexOf').mockImplementation(function (this: Buffer, ...[value, from]) {
      looked += this.length - Number(from);
      return Uint8Array.prototype.indexOf.call(this, Number(value), Number(from));
    });
    framer.push(Buffer.from('data: '));
    for (let count = 0; count < pieces; count += 1) framer.push(Buffer.from(piece));
    search.mockRestore();
    expect(looked).toBeGreaterThan(0);
    expect(looked).toBeLessThan(4 * pieces * piece.length);
    expect(framer.push(Buffer.from('\n\n'))[0]?.raw).toHaveLength(6 + pieces * piece.length + 2);
  });
});
