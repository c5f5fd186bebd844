import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PatternRef } from '../../src/exchange/index.ts';
import { compileMatcher } from '../../src/rails/index.ts';
import { canBeEmpty } from '../../src/rails/matcher/ast.ts';
import { readPattern } from '../../src/rails/matcher/syntax.ts';
import { cutAt, fed, inUnits } from './support/feeding.ts';
import { distance, textsOver, undecidable, verdict } from './support/oracle.ts';

/** Small expressions over a, b and a dash; boundaries only at their ends, where they can be satisfied. */
const core = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('a', 'b', '-', '.', '[ab]', '[^a]', 'ab'),
    fc.tuple(tie('node'), tie('node')).map(([x, y]) => `${x}${y}`),
    fc.tuple(tie('node'), tie('node')).map(([x, y]) => `(?:${x}|${y})`),
    fc.tuple(tie('node'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}')).map(([x, q]) => `(?:${x})${q}`),
  ),
})).node;
const expression = fc
  .tuple(fc.constantFrom('', '', '\\b', '^'), core, fc.constantFrom('', '', '\\b', '$'))
  .map((parts) => parts.join(''))
  .filter((source) => source.length < 40 && !canBeEmpty(tree(source)));
const text = fc.string({ unit: fc.constantFrom('a', 'b', '-', 'a', 'b', '\n'), maxLength: 9 });

function tree(source: string) {
  return readPattern(source, { fold: false, ignoreCase: false, own: false });
}
function refs(sources: readonly string[]): PatternRef[] {
  return sources.map((source, index) => ({ kind: 'expression', id: `e${index}`, source }));
}
function shown(length: number, spans: readonly { start: number; end: number }[]): string {
  const out = Array.from({ length }, () => '.');
  for (const span of spans) {
    out.fill('x', span.start, span.end);
    out[span.start] = 'P';
  }
  return out.join('');
}

describe('the matcher, against trying everything', () => {
  it('withholds exactly what lies in a match of some pattern, overlaps as one span', () => {
    fc.assert(
      fc.property(fc.array(expression, { minLength: 1, maxLength: 3 }), text, (sources, input) => {
        const lane = fed(compileMatcher(refs(sources)), 'content', [input]);
        lane.finish();
        expect(shown(input.length, lane.spans)).toBe(verdict(sources.map(tree), input));
      }),
      { numRuns: 1000 },
    );
  });

  it('has decided after every prefix exactly what no continuation can change', () => {
    const continuations = textsOver('abc-\n', 4);
    // Whatever can still happen to these shows within four characters.
    const short = expression.filter((source) => distance(tree(source)) <= 4);
    fc.assert(
      fc.property(fc.array(short, { minLength: 1, maxLength: 2 }), text, (sources, input) => {
        const matcher = compileMatcher(refs(sources));
        const decided = fed(matcher, 'content', [input]).decided;
        const trees = sources.map(tree);
        const certain = undecidable(trees, input, continuations);
        if (sources.some((source) => /(?:\\b|\$)$/.test(source))) {
          // A match that only waits for its end may be certain before it is one; what leaves never waits.
          expect(decided).toBeLessThanOrEqual(certain);
          if (decided < certain) expect(verdict(trees, input)[decided]).not.toBe('.');
        } else expect(decided).toBe(certain);
      }),
      { numRuns: 120 },
    );
  });

  it('finds and decides the same however the text is cut', () => {
    fc.assert(
      fc.property(
        fc.array(expression, { minLength: 1, maxLength: 3 }),
        text,
        fc.array(fc.nat(20)),
        (sources, input, cuts) => {
          const matcher = compileMatcher(refs(sources));
          const whole = fed(matcher, 'content', [input]);
          for (const pieces of [inUnits(input), cutAt(input, cuts)]) {
            const cut = fed(matcher, 'content', pieces);
            expect(cut.decided).toBe(whole.decided);
            expect(cut.spans).toEqual(whole.spans);
            cut.finish();
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('never changes its mind: what was decided of a prefix stands in the end', () => {
    fc.assert(
      fc.property(fc.array(expression, { minLength: 1, maxLength: 3 }), text, (sources, input) => {
        const lane = compileMatcher(refs(sources)).lane({ channel: 'content' });
        const early: { decided: number; start: number; pattern: number }[] = [];
        const seen = new Map<number, string>();
        let before = 0;
        for (const unit of inUnits(input)) {
          const decided = lane.feed(unit);
          expect(decided).toBeGreaterThanOrEqual(before);
          before = decided;
          for (const span of lane.spans) if (span.start < decided) seen.set(span.start, `${span.type} ${span.pattern}`);
          early.push({ decided, start: lane.spans.at(-1)?.start ?? -1, pattern: 0 });
        }
        expect(lane.finish()).toBe(input.length);
        for (const [start, name] of seen) {
          const span = lane.spans.find((one) => one.start === start);
          expect(span && `${span.type} ${span.pattern}`).toBe(name);
        }
        expect(lane.spans.every((span) => !span.open)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
