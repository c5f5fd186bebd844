import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detectorDefinition } from '../../src/rails/compile.ts';
import { detectorsOf } from '../../src/rails/detectors/index.ts';
import { compileMatcher } from '../../src/rails/index.ts';
import { Machine } from '../../src/rails/matcher/machine.ts';
import { PlainLane } from '../../src/rails/matcher/plain-lane.ts';
import { cutAt, released } from './support/feeding.ts';
import { samplesOf } from './support/samples.ts';

const everything = compileMatcher([
  { kind: 'rail', rail: 'pii' },
  { kind: 'rail', rail: 'secrets' },
]);
/** What a lane may hold at most, in UTF-16 units, of any text. */
const heldMost = 4096 + 512;

const prose =
  'The quick brown fox jumps over the lazy dog, and nobody asked why. Streams carry words in small pieces; each should ' +
  'pass as soon as it is written. In 2024 about 30 people said so (see page 12), but it was never proven: a claim is ' +
  "not a fact. Don't wait for the end of a sentence, nor for its middle.\n\n- first item\n- second item\n";

describe('what waits', () => {
  it('is nothing between plain words', () => {
    const lane = everything.lane({ channel: 'content' });
    let length = 0;
    for (const word of prose.split(/(?<=[ \n])(?=[A-Za-z])/)) {
      length += word.length;
      const decided = lane.feed(word);
      if (/[a-z,.;:)] $/.test(word)) expect(decided, word).toBe(length);
    }
  });

  it('is no plain word where e-mail addresses are not looked for', () => {
    const matcher = compileMatcher([
      { kind: 'rail', rail: 'pii', type: 'card' },
      { kind: 'rail', rail: 'pii', type: 'phone' },
      { kind: 'rail', rail: 'pii', type: 'us_ssn' },
      { kind: 'literal', id: 'name', text: 'Falcon', ignoreCase: true },
    ]);
    const lane = matcher.lane({ channel: 'content' });
    let length = 0;
    for (const unit of 'plain words wait here even when cut anywhere') {
      length += 1;
      expect(lane.feed(unit)).toBe(length);
    }
  });

  it('of a long run before an @ is what a local part can hold', () => {
    const lane = compileMatcher([{ kind: 'rail', rail: 'pii', type: 'email' }]).lane({ channel: 'content' });
    lane.feed('x'.repeat(50_000));
    expect(lane.decided).toBe(50_000 - 64);
    lane.feed('@mail.example.org ');
    expect(lane.spans).toMatchObject([{ start: 50_000 - 64, end: 50_017 }]);
  });

  it('of an unbounded key is nothing once it is one: the placeholder goes out, the rest is swallowed', () => {
    const matcher = compileMatcher([{ kind: 'expression', id: 'key', source: 'key-[a-z]{8,}' }]);
    const lane = matcher.lane({ channel: 'content' });
    expect(lane.feed('my key-abcdefg')).toBe(3);
    expect(lane.feed('h')).toBe(15);
    expect(lane.spans).toMatchObject([{ start: 3, end: 15, open: true }]);
    expect(lane.feed('i'.repeat(100_000))).toBe(100_015);
    expect(lane.feed(' done')).toBe(100_020);
    expect(lane.spans).toMatchObject([{ start: 3, end: 100_015, open: false }]);
  });

  it('past its cap is withheld, never released', () => {
    const matcher = compileMatcher([{ kind: 'expression', id: 'long', source: '<[^>]*>' }]);
    const text = `a <${'b'.repeat(20_000)}`;
    const lane = matcher.lane({ channel: 'content' });
    lane.feed(text);
    expect(text.length - lane.decided).toBeLessThanOrEqual(heldMost);
    expect(lane.spans).toMatchObject([{ start: 2, open: true }]);
    lane.feed('c> d');
    lane.finish();
    expect(lane.spans).toMatchObject([{ start: 2, end: text.length + 2, open: false }]);
  });

  it('stays bounded under floods of candidates', () => {
    const floods = [
      '4',
      '4 ',
      '4111 ',
      'a@',
      'a.',
      'sk-',
      'eyJ',
      '1.',
      '+1 ',
      ':a',
      'DE12 ',
      '\u200b4',
      '-----BEGIN ',
      '😀@',
      '0',
      '"\\u0034',
    ];
    for (const flood of floods) {
      for (const channel of ['content', 'tool_arguments'] as const) {
        const lane = everything.lane({ channel });
        const text = flood.repeat(Math.ceil(30_000 / flood.length));
        for (let i = 0; i < text.length; i += 1000) {
          lane.feed(text.slice(i, i + 1000));
          if (lane.unable !== undefined) break;
          expect(Math.min(i + 1000, text.length) - lane.decided, flood).toBeLessThanOrEqual(heldMost);
        }
      }
    }
  });

  it('is given up, and said so, in a lane with more matches than can be kept', () => {
    const lane = compileMatcher([{ kind: 'literal', id: 'x', text: 'x', ignoreCase: false }]).lane({
      channel: 'content',
    });
    lane.feed('x '.repeat(100_001));
    expect(lane.unable).toMatch(/matches/);
    const decided = lane.decided;
    expect(lane.feed('plain')).toBe(decided);
    expect(lane.finish()).toBe(decided);
  });
});

describe('the cache of the automaton', () => {
  it('changes nothing when it is too small for what is read', () => {
    const detectors = [...detectorsOf('pii')];
    const machineOf = (cells: number): Machine =>
      new Machine(
        detectors.map((detector, i) => detectorDefinition(detector, 'pii', [i])),
        Number.POSITIVE_INFINITY,
        cells,
      );
    const [large, small] = [machineOf(4_000_000), machineOf(900)];
    const values = samplesOf('pii', 3).map((sample) => sample.before + sample.value);
    const text = fc.array(fc.oneof(fc.constantFrom(...values), fc.constantFrom(' ', 'word', '12', '@', '.')), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(text, text, fc.array(fc.nat(200), { maxLength: 8 }), (parts, others, cuts) => {
        const wanted = new PlainLane(large);
        wanted.feed(parts.join(' '));
        const lanes = [new PlainLane(small), new PlainLane(small)];
        // Two lanes take turns, each emptying the cache under the other.
        const pieces = [cutAt(parts.join(' '), cuts), cutAt(others.join(' '), cuts)];
        for (let i = 0; i < Math.max(pieces[0]!.length, pieces[1]!.length); i += 1) {
          for (const [which, lane] of lanes.entries()) lane.feed(pieces[which]![i] ?? '');
        }
        expect(lanes[0]!.decided).toBe(wanted.decided);
        expect(lanes[0]!.spans).toEqual(wanted.spans);
      }),
      { numRuns: 60 },
    );
    expect(small.generation).toBeGreaterThan(0);
  });

  it('takes hostile expressions in a time that grows with the text alone', () => {
    const matcher = compileMatcher([
      { kind: 'expression', id: 'a', source: '(?:a|aa)+(?:a|aa)+b' },
      { kind: 'expression', id: 'b', source: '(?:[ab]*a[ab]{12}c)' },
    ]);
    const text = 'ab'.repeat(300);
    expect(released(matcher, 'content', [text])).toBe(released(matcher, 'content', cutAt(text, [7, 300])));
  });
});
