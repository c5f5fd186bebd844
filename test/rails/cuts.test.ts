import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileMatcher } from '../../src/rails/index.ts';
import { cutAt, fed, inUnits, released } from './support/feeding.ts';
import { type Sample, samplesOf, seeded } from './support/samples.ts';

const matcher = compileMatcher([
  { kind: 'rail', rail: 'pii' },
  { kind: 'rail', rail: 'secrets' },
]);
const samples = [...samplesOf('pii', 11), ...samplesOf('secrets', 12)];
const label = (sample: Sample): string => `${sample.type} ${sample.value.slice(0, 6)}`;
const around = (sample: Sample): string =>
  `Well, ${sample.before}${sample.value}${sample.after} ; so much for that 🙂.`;

/** The text as the inside of a JSON string, some of its characters written as escapes. */
function escaped(text: string, random: () => number): string {
  return [...text]
    .map((char) => {
      const plain = JSON.stringify(char).slice(1, -1);
      if (random() < 0.6) return plain;
      return inUnits(char)
        .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
        .join('');
    })
    .join('');
}

describe('nothing forbidden leaves, however a reply is cut', () => {
  it.each(samples.map((sample) => [label(sample), sample] as const))('%s in text', (_, sample) => {
    const text = around(sample);
    const whole = released(matcher, 'content', [text]);
    expect(whole).not.toContain(sample.value);
    expect(whole.startsWith('Well, ')).toBe(true);
    expect(whole.endsWith('so much for that 🙂.')).toBe(true);
    expect(fed(matcher, 'content', [text]).spans.some((span) => span.start <= text.indexOf(sample.value))).toBe(true);
    for (let cut = 1; cut < text.length; cut += 1) {
      expect(released(matcher, 'content', [text.slice(0, cut), text.slice(cut)])).toBe(whole);
    }
    expect(released(matcher, 'content', inUnits(text))).toBe(whole);
  });

  it.each(samples.map((sample) => [label(sample), sample] as const))('%s in tool arguments', (_, sample) => {
    const random = seeded(sample.value.length);
    const text = `{"n": 12, "k": ["${escaped(around(sample), random)}", true], "z": "end"}`;
    const whole = released(matcher, 'tool_arguments', [text]);
    const document = JSON.parse(whole) as { k: string[]; z: string };
    expect(document.k[0]).not.toContain(sample.value);
    expect(document.k[0]).toBe(released(matcher, 'content', [around(sample)]));
    for (let cut = 1; cut < text.length; cut += 3) {
      expect(released(matcher, 'tool_arguments', [text.slice(0, cut), text.slice(cut)])).toBe(whole);
    }
    expect(released(matcher, 'tool_arguments', inUnits(text))).toBe(whole);
  });

  it('any mixture of values, prose and near misses gives the same in any pieces', () => {
    const pieces = fc.array(
      fc.oneof(
        fc.constantFrom(...samples.map((sample) => sample.before + sample.value + sample.after)),
        fc.constantFrom(...samples.map((sample) => sample.value.slice(0, -2))),
        fc.constantFrom(
          ' ',
          '\n',
          ', ',
          '"',
          '@',
          '-',
          ' 12 ',
          '\u200b',
          '４',
          '🙂',
          '\ud83d',
          '\\n',
          'word ',
          '4111 ',
        ),
        fc.string({ unit: 'grapheme', maxLength: 4 }),
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(pieces, fc.array(fc.nat(2000), { maxLength: 30 }), (parts, cuts) => {
        const text = parts.join('');
        for (const channel of ['content', 'tool_arguments'] as const) {
          const whole = fed(matcher, channel, [text]);
          const cut = fed(matcher, channel, cutAt(text, cuts));
          expect(cut.decided).toBe(whole.decided);
          expect(cut.spans).toEqual(whole.spans);
          const left = released(matcher, channel, [text]);
          expect(released(matcher, channel, cutAt(text, cuts))).toBe(left);
          expect(released(matcher, channel, inUnits(text))).toBe(left);
        }
      }),
      { numRuns: 250 },
    );
  });
});
