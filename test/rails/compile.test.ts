import { describe, expect, it } from 'vitest';
import type { PatternRef } from '../../src/exchange/index.ts';
import { compileMatcher, PatternError, streamingTypes } from '../../src/rails/index.ts';
import { fed, released } from './support/feeding.ts';

const expression = (source: string): PatternRef => ({ kind: 'expression', id: 'mine', source });
const redacted = (source: string, text: string): string =>
  released(compileMatcher([expression(source)]), 'content', [text]);

describe('compileMatcher', () => {
  it.each([
    ['a(?=b)', 'a look ahead'],
    ['(a)\\1', 'a back reference'],
    ['a**', 'a doubled repetition'],
    ['[b-a]', 'a backward range'],
    ['(a', 'an open group'],
    ['a)', 'a stray bracket'],
    ['*a', 'nothing to repeat'],
    ['a{1001}', 'too many repetitions'],
    ['\\p{Klingon}', 'an unknown class'],
    ['a\\Kb', 'syntax of our own'],
    ['x*', 'a match of nothing'],
    ['\\b', 'a boundary alone'],
    ['a?|b', 'a choice of nothing'],
    [`${'a'.repeat(1001)}`, 'too long a source'],
    ['(?:[ab]{50}){900}', 'too large an automaton'],
  ])('refuses %s: %s', (source) => {
    expect(() => compileMatcher([expression(source)])).toThrow(PatternError);
  });

  it('refuses hostile repetitions at once', () => {
    expect(() => compileMatcher([expression('(?:(?:(?:){1000}){1000}){1000}a')])).not.toThrow(RangeError);
  });

  it('names the pattern it refuses', () => {
    expect(() => compileMatcher([expression('(')])).toThrow(/mine/);
    expect(() => compileMatcher([{ kind: 'rail', rail: 'pii', type: 'shoe_size' }])).toThrow(/pii\/shoe_size/);
    expect(() => compileMatcher([{ kind: 'rail', rail: 'injection' }])).toThrow(/cannot be followed/);
    expect(() => compileMatcher([{ kind: 'literal', id: 'none', text: '', ignoreCase: false }])).toThrow(/empty/);
  });

  it.each([
    ['(?i)straße', 'STRAßE straße', '<mine> <mine>'],
    ['(?i:k)elvin', '\u212aelvin kelvin', '<mine> <mine>'],
    ['\\p{Greek}+', 'αβγ abc Ω', '<mine> abc <mine>'],
    ['\\pN{2}', '12 ٣٤ a', '<mine> <mine> a'],
    ['[[:upper:]]{2}', 'ABc', '<mine>c'],
    ['\\x41\\x{1F642}', 'A🙂', '<mine>'],
    ['[^a]b', '🙂b', '<mine>'],
    ['\\Qa.b\\E', 'a.b axb', '<mine> axb'],
    ['(?P<n>a)(?<m>b)', 'ab', '<mine>'],
    ['(?s)a.b', 'a\nb', '<mine>'],
    ['a.b', 'a\nb', 'a\nb'],
    ['(?m)^b$', 'a\nb\nc', 'a\n<mine>\nc'],
    ['^b$', 'a\nb', 'a\nb'],
    ['\\Aab', 'abab', '<mine>ab'],
    ['ab\\z', 'abab', 'ab<mine>'],
    ['\\bcat\\b', 'cat concat cat_ cat', '<mine> concat cat_ <mine>'],
    ['a{2,3}?b', 'aab', '<mine>'],
    ['x{,2}', 'x{,2}', '<mine>'],
    ['\\Bb', 'ab b', 'a<mine> b'],
  ])('reads %s as RE2 does: %j becomes %j', (source, text, wanted) => {
    expect(redacted(source, text)).toBe(wanted);
  });

  it('ignores case by code point where asked, and reads over what cannot be seen', () => {
    const matcher = compileMatcher([{ kind: 'literal', id: 'name', text: 'Project Éclair', ignoreCase: true }]);
    expect(released(matcher, 'content', ['PROJECT ÉCLAIR, pro\u200bject\u00a0éclair, Project Eclair'])).toBe(
      '<name>, <name>, Project Eclair',
    );
    const exact = compileMatcher([{ kind: 'literal', id: 'name', text: 'Abc', ignoreCase: false }]);
    expect(released(exact, 'content', ['abc Abc'])).toBe('abc <name>');
  });

  it('names a span after its leftmost match and lists all that were merged', () => {
    const matcher = compileMatcher([
      { kind: 'literal', id: 'late', text: 'bcd', ignoreCase: false },
      { kind: 'literal', id: 'early', text: 'abc', ignoreCase: false },
      { kind: 'rail', rail: 'pii', type: 'email' },
      { kind: 'rail', rail: 'pii' },
    ]);
    const lane = fed(matcher, 'content', ['abcd x@y.org ']);
    expect(lane.spans).toMatchObject([
      { start: 0, end: 4, rail: 'literal', type: 'early', pattern: 1, merged: [1, 0] },
      { start: 5, end: 12, rail: 'pii', type: 'email', pattern: 2, merged: [2, 3] },
    ]);
  });

  it('follows every type a rail says it streams', () => {
    for (const rail of ['pii', 'secrets']) {
      expect(streamingTypes(rail).length).toBeGreaterThan(5);
      for (const type of streamingTypes(rail)) compileMatcher([{ kind: 'rail', rail, type }]);
    }
    expect(streamingTypes('injection')).toEqual([]);
    expect(streamingTypes('nothing')).toEqual([]);
  });

  it('releases everything at once where there are no patterns', () => {
    expect(fed(compileMatcher([]), 'content', ['anything 🙂']).decided).toBe(11);
  });
});
