import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LaneMatcher, Passage, PatternRef } from '../../src/exchange/index.ts';
import { compileMatcher, railByName } from '../../src/rails/index.ts';
import { heldMax } from '../../src/rails/matcher/cursor.ts';
import { cutAt } from './support/feeding.ts';
import { samplesOf } from './support/samples.ts';

const both: readonly PatternRef[] = [
  { kind: 'rail', rail: 'pii' },
  { kind: 'rail', rail: 'secrets' },
];
const matcher = compileMatcher(both);
const samples = [...samplesOf('pii', 31), ...samplesOf('secrets', 32)];
const filler = fc.constantFrom(
  ' ',
  '. ',
  '\n',
  'plain words that say nothing and go on for a while ',
  'caf\u00e9 \ud83d\ude42 ',
  'https://example.org/path ',
  'CamelCaseName ',
  '12 ',
  'phone: ',
  'password = ',
  'api_key ',
  'BEGIN PRIVATE KEY ',
  'DE IBAN ',
  'name.of.somebody',
  '\u200b',
  ' '.repeat(heldMax),
  'x'.repeat(90),
  'word '.repeat(900),
);
const part = fc.oneof(
  { weight: 3, arbitrary: filler },
  { weight: 1, arbitrary: fc.constantFrom(...samples).map((one) => one.before + one.value + one.after) },
  { weight: 1, arbitrary: fc.constantFrom(...samples).map((one) => one.before + one.value.slice(0, 5)) },
);
const text = fc.array(part, { maxLength: 10 }).map((parts) => parts.join(''));

function passageOf(said: string): Passage {
  return { text: said, channel: 'content', role: 'user', path: ['messages', 0, 'content'], message: 0 };
}

/** The spans after each piece, and at the end. */
function spansOf(lane: LaneMatcher, pieces: readonly string[]): unknown[] {
  const seen: unknown[] = [];
  for (const piece of pieces) {
    lane.feed(piece);
    seen.push(structuredClone(lane.spans), lane.unable);
  }
  seen.push(lane.finish(), structuredClone(lane.spans), lane.unable);
  return seen;
}

describe('a lane whose text nobody waits for', () => {
  it('has the spans a streamed one has, after every piece and at the end', () => {
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 2 }), (said, places) => {
        const pieces = cutAt(said, places);
        const whole = matcher.lane({ channel: 'content' }, true);
        expect(spansOf(whole, pieces)).toEqual(spansOf(matcher.lane({ channel: 'content' }), pieces));
        expect(whole.decided).toBe(said.length);
        expect(whole.feed('12345')).toBe(said.length);
      }),
      { numRuns: 400 },
    );
  });

  it.each([
    "lob = '1abcdefghijklm2'",
    'Authorization: Bearer 1abcdefghijklmnop',
    'Authorization: Bearer abcdefghijklmnop1',
    'linear => `abcdefghijklmn12`',
    'at dead:beef:cafe:babe:dead:beef:cafe:babe now',
    'at dead:beef:cafe:babe:dead:beef:cafe:bab1 now',
  ])('has those whose only sign stands at an edge: %s', (said) => {
    const whole = matcher.lane({ channel: 'content' }, true);
    expect(spansOf(whole, [said])).toEqual(spansOf(matcher.lane({ channel: 'content' }), [said]));
    const rails = ['pii', 'secrets'].map((name) => railByName(name)!.measure(passageOf(said)).outcome);
    expect(rails.includes('findings')).toBe(whole.spans.length > 0);
  });

  it('is decided at its end where nothing in it can match', () => {
    const lane = matcher.lane({ channel: 'content' }, true);
    expect(lane.feed('The quick brown fox jumps over the lazy dog and goes home.')).toBe(0);
    expect(lane.finish()).toBe(58);
    expect(lane.spans).toEqual([]);
    expect(lane.unable).toBeUndefined();
  });

  it.each<PatternRef>([
    { kind: 'literal', id: 'fox', text: 'quick brown', ignoreCase: false },
    { kind: 'expression', id: 'fox', source: 'qu[a-z]+ br[a-z]+' },
  ])('is read to its end beside patterns that may match anything: $kind', (own) => {
    const lane = compileMatcher([...both, own]).lane({ channel: 'content' }, true);
    lane.feed('The quick brown fox');
    lane.finish();
    expect(lane.spans).toMatchObject([{ start: 4, end: 15, type: 'fox' }]);
  });

  it('finds in tool arguments what a streamed one finds', () => {
    const pieces = ['{"to":"a\\u0040b.', 'org","card":4111111111111111}'];
    const whole = spansOf(matcher.lane({ channel: 'tool_arguments' }, true), pieces);
    expect(whole).toEqual(spansOf(matcher.lane({ channel: 'tool_arguments' }), pieces));
    expect(whole.at(-2)).toHaveLength(2);
  });
});
