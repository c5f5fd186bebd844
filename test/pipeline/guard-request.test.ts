import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Channel } from '../../src/exchange/index.ts';
import { compileMatcher, railByName } from '../../src/rails/index.ts';
import { samplesOf } from '../rails/support/samples.ts';

/**
 * Of a request, only passages with findings are redacted, and what finds them takes short cuts over plain prose. Whatever
 * the matcher would redact must therefore be found.
 */
describe.each(['pii', 'secrets'] as const)(
  'in a request, the rail %s finds something wherever the matcher would redact',
  (name) => {
    const rail = railByName(name)!;
    const matcher = compileMatcher([{ kind: 'rail', rail: name }]);

    function bothFind(text: string, channel: Channel): [boolean, boolean] {
      const measured = rail.measure({ text, role: 'user', channel, path: [], message: 0 });
      const lane = matcher.lane({ channel });
      lane.feed(text);
      lane.finish();
      return [measured.outcome !== 'clear', lane.spans.length > 0];
    }

    const samples = [1, 2, 3, 4].flatMap((seed) => samplesOf(name, seed));

    test('every type, alone and in the middle of long prose', () => {
      const prose =
        'It was a dark and stormy night; the rain fell in torrents, except at occasional intervals. '.repeat(8);
      let seen = 0;
      for (const { before, value, after } of samples) {
        for (const text of [`${before}${value}${after}`, `${prose}${before}${value}${after} ${prose}`]) {
          for (const [given, channel] of [
            [text, 'content'],
            [JSON.stringify({ note: text }), 'tool_arguments'],
          ] as const) {
            const [measured, matched] = bothFind(given, channel);
            expect([given, measured]).toEqual([given, matched]);
            if (matched) seen += 1;
          }
        }
      }
      // A made-up sample may fail the check of its own type.
      expect(seen).toBeGreaterThan(samples.length * 3.6);
    });

    test('any mixture of values, pieces of values and prose', () => {
      const value = fc.constantFrom(...samples).map((one) => one.before + one.value + one.after);
      const piece = fc.tuple(value, fc.nat(40), fc.nat(40)).map(([text, from, to]) => text.slice(from, from + to));
      const word = fc.constantFrom(
        'and ',
        ' ',
        '. ',
        'key',
        '=',
        '"',
        ': ',
        '\n',
        'the quick brown fox ',
        'é',
        '@',
        '-',
        '1',
      );
      const text = fc.array(fc.oneof(value, piece, piece, word, word), { minLength: 1, maxLength: 10 });
      fc.assert(
        fc.property(text, fc.constantFrom<Channel>('content', 'other'), (parts, channel) => {
          const [measured, matched] = bothFind(parts.join(''), channel);
          if (matched) expect(measured).toBe(true);
        }),
        { numRuns: 400 },
      );
    });
  },
);
