import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Span } from '../../src/exchange/index.ts';
import { compileMatcher, redactText } from '../../src/rails/index.ts';
import { cutAt, fed, inUnits, mark, released } from './support/feeding.ts';
import { samplesOf } from './support/samples.ts';

const matcher = compileMatcher([
  { kind: 'rail', rail: 'pii' },
  { kind: 'literal', id: 'code', text: 'Ab7', ignoreCase: true },
  { kind: 'literal', id: 'number', text: '777', ignoreCase: false },
]);

/** A placeholder that would break JSON unless its caller escapes it, as callers must. */
const placeholder = (span: Span): string => `["${span.type}"]`;
const inJson = (span: Span): string => {
  const text = JSON.stringify(placeholder(span));
  return span.quote ? text : text.slice(1, -1);
};
const plainly = (text: string): string => {
  const redacted = redactText(text, matcher, { channel: 'content' }, placeholder);
  if (redacted.outcome !== 'redacted') throw new Error(redacted.reason);
  return redacted.text;
};

const value = fc.constantFrom(...samplesOf('pii', 5).map((sample) => sample.value), 'ab7', 'xAB7y', '777');
const words = fc
  .array(fc.oneof(value, fc.string({ unit: 'grapheme', maxLength: 5 }), fc.constantFrom('"', '\\', '\n', '@', '🙂')), {
    maxLength: 4,
  })
  .map((parts) => parts.join(''));
const number = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => JSON.stringify(x)),
  fc.constantFrom('4111111111111111', '-777', '1777e5', '77.7', '5105105105105100', '0'),
);
/** A document and what must become of it, both as JSON text: strings and whole numbers replaced where they match. */
const document: fc.Arbitrary<{ text: string; wanted: string }> = fc.letrec<{ node: { text: string; wanted: string } }>(
  (tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      fc.tuple(words, fc.infiniteStream(fc.boolean())).map(([text, flips]) => ({
        text: spelled(text, flips),
        wanted: JSON.stringify(plainly(text)),
      })),
      number.map((text) => ({ text, wanted: numberWanted(text) })),
      fc.constantFrom('true', 'false', 'null').map((text) => ({ text, wanted: text })),
      fc.array(tie('node'), { maxLength: 4 }).map((items) => ({
        text: `[${items.map((item) => item.text).join(' , ')}]`,
        wanted: `[${items.map((item) => item.wanted).join(',')}]`,
      })),
      fc.array(fc.tuple(words, tie('node')), { maxLength: 4 }).map((entries) => ({
        text: `{${entries.map(([key, item], i) => `${JSON.stringify(`${i}:${key}`)} : ${item.text}`).join(',\n')}}`,
        wanted: `{${entries.map(([key, item], i) => `${JSON.stringify(plainly(`${i}:${key}`))}:${item.wanted}`).join(',')}}`,
      })),
    ),
  }),
).node;

function spelled(text: string, flips: Iterator<boolean>): string {
  const inside = inUnits(text).map((unit) =>
    flips.next().value || unit < ' '
      ? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
      : unit === '"' || unit === '\\'
        ? `\\${unit}`
        : unit,
  );
  return `"${inside.join('')}"`;
}

function numberWanted(text: string): string {
  const redacted = redactText(text, matcher, { channel: 'content' }, mark);
  if (redacted.outcome !== 'redacted') throw new Error(redacted.reason);
  const first = redacted.spans[0];
  return first === undefined ? text : JSON.stringify(placeholder(first));
}

describe('tool arguments', () => {
  it('are matched within each scalar on what it says, and stay JSON', () => {
    fc.assert(
      fc.property(document, fc.array(fc.nat(500), { maxLength: 12 }), ({ text, wanted }, cuts) => {
        JSON.parse(text);
        const out = released(matcher, 'tool_arguments', cutAt(text, cuts), inJson);
        expect(JSON.parse(out)).toEqual(JSON.parse(wanted));
        expect(released(matcher, 'tool_arguments', inUnits(text), inJson)).toBe(out);
      }),
      { numRuns: 800 },
    );
  });

  it('that never were JSON are matched as plain text', () => {
    fc.assert(
      fc.property(words, (text) => {
        const broken = `hello ${text}`;
        expect(released(matcher, 'tool_arguments', [broken])).toBe(released(matcher, 'content', [broken]));
      }),
    );
  });

  it('that stop being JSON are plain text from there on', () => {
    expect(released(matcher, 'tool_arguments', ['{"a": 1} or mail a@b.org'])).toBe('{"a": 1} or mail <email>');
    expect(released(matcher, 'tool_arguments', ['{"a": 12ab7}'])).toBe('{"a": 12<code>}');
    expect(released(matcher, 'tool_arguments', ['{"a": 123abc@d.org}'])).toBe('{"a": <email>}');
    expect(released(matcher, 'tool_arguments', ['{"a": tru@b.org}'])).toBe('{"a": <email>}');
  });

  it('replace a number with a match as a whole, in quotes, and let others go when they can no longer match', () => {
    const quoted = (span: Span): string => (span.quote ? '"#"' : '#');
    expect(released(matcher, 'tool_arguments', ['{"a":177755,"b":[-777,78]}'], quoted)).toBe('{"a":"#","b":["#",78]}');
    const twelves = compileMatcher([{ kind: 'expression', id: 'twelve', source: '^12[0-9]*$' }]);
    expect(fed(twelves, 'tool_arguments', ['{"a":12']).decided).toBe(5);
    expect(fed(twelves, 'tool_arguments', ['{"a":13']).decided).toBe(7);
    expect(fed(twelves, 'tool_arguments', ['{"a":12}']).decided).toBe(8);
    expect(released(twelves, 'tool_arguments', ['{"a":12,"b":13,"c":129.5}'], quoted)).toBe(
      '{"a":"#","b":13,"c":129.5}',
    );
  });

  it('never join what two scalars say', () => {
    const text = '["a","b7"] {"Ab":"7"} ["77","7",77,7]';
    expect(released(matcher, 'tool_arguments', [text])).toBe(text);
  });

  it('hold an escape until it is whole, and take it whole', () => {
    const code = compileMatcher([{ kind: 'literal', id: 'code', text: 'Ab7', ignoreCase: true }]);
    const lane = code.lane({ channel: 'tool_arguments' });
    expect(lane.feed('"x\\u00')).toBe(2);
    expect(lane.feed('41b7!"')).toBe(12);
    expect(lane.spans).toMatchObject([{ start: 2, end: 10, type: 'code', quote: false }]);
  });

  it('with escapes that are none lose nothing', () => {
    const text = '{"a":"\\x41b7 \\u00zz \\u12", "b":"\nraw"}';
    expect(released(matcher, 'tool_arguments', [text], () => '')).toBe('{"a":"\\x41b7 \\u00zz \\u12", "b":"\nraw"}');
    expect(released(matcher, 'tool_arguments', ['"\\qAb7\\']), 'cut in an escape').toBe('"\\q<code>\\');
  });
});
