import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunk_units, chunksOf, overlap_units } from '../../../src/rails/injection/chunks.ts';
import { inspect } from '../../../src/rails/injection/inspect.ts';
import { rules } from '../../../src/rails/injection/ruleset.ts';
import { attacks } from './sentences.ts';

const active = new Uint8Array(rules.length).fill(1);

/** Work in steps: characters read and slots visited, over all views. */
function steps(text: string): number {
  const run = inspect(text, { active, model: 'weighs' });
  for (;;) {
    const step = run.next();
    if (step.done === true) return step.value.steps;
  }
}

/** Text made to be slow: seeds that trigger rules, decoders and joins, repeated. */
const seed = fc.oneof(
  fc.constantFrom(...Object.values(attacks).flat()),
  fc.constantFrom(
    '<',
    '&',
    '&#',
    '\\u',
    '\\u{',
    '%',
    '%4',
    '=',
    '=\n',
    '<~',
    '~>',
    'aB3',
    'a b ',
    'i.g.',
    '.- ',
    '⠁',
    '\u200b\u200c',
    '\u{e0041}',
    '\ufe01\ufe02',
    'ﷺ',
    '忽略',
    '0',
    '01',
    '![',
    '](http',
    'rtabev ',
    'erongi ',
    'foxtrot ',
    'ignore the previous all ',
  ),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }),
);

describe('work', () => {
  it('grows no faster than the text: ten times the text, at most about ten times the steps', () => {
    fc.assert(
      fc.property(fc.array(seed, { minLength: 1, maxLength: 4 }), (seeds) => {
        const piece = seeds.join(' ').slice(0, 200);
        const base = piece.repeat(Math.ceil(1_000 / piece.length)).slice(0, 1_000);
        const small = steps(base);
        const large = steps(base.repeat(10));
        // A view may open only once there is more of a text (a longer run, one more telltale word), hence the allowance.
        expect(large).toBeLessThanOrEqual(10 * small + 10 * 1_000 * 40);
      }),
      { numRuns: 150 },
    );
  });

  it('is bounded for each character whatever the text', () => {
    fc.assert(
      fc.property(fc.array(seed, { minLength: 1, maxLength: 6 }), (seeds) => {
        const piece = seeds.join('');
        const text = piece.repeat(Math.ceil(4_000 / piece.length)).slice(0, 4_000);
        expect(steps(text)).toBeLessThan(4_000 * 2_000);
      }),
      { numRuns: 150 },
    );
  });
});

describe('pieces of a long text', () => {
  it('cover it, overlap and have a bounded size', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'a', 'a', 'a', ' ', '\n'), maxLength: 50 }),
        fc.integer({ min: 1, max: 90_000 }),
        (unit, length) => {
          const text = (unit === '' ? 'a' : unit).repeat(length).slice(0, length);
          let reached = 0;
          let last = -1;
          for (const { from, to } of chunksOf(text)) {
            expect(from).toBeGreaterThan(last);
            expect(from).toBeLessThanOrEqual(reached);
            if (reached > 0) expect(reached - from).toBeGreaterThanOrEqual(Math.min(overlap_units, reached));
            expect(to - from).toBeLessThanOrEqual(chunk_units);
            last = from;
            reached = to;
          }
          expect(reached).toBe(text.length);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('begin a run without spaces at a whole group of its code', () => {
    const starts = [...chunksOf(`intro ${'A'.repeat(60_000)}`)].map(({ from }) => from).slice(1);
    for (const start of starts) expect((start - 'intro '.length) % 24).toBe(0);
  });
});
