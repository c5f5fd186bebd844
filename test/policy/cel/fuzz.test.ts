import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExpressionError, prepare } from '../../../src/policy/cel/expression.ts';
import { tokensOf } from '../../../src/policy/cel/lexer.ts';
import { evaluateExpression } from '../../../src/policy/eval.ts';
import { factsEnvironment } from '../../../src/policy/facts-environment.ts';
import { compileWhen } from '../../../src/policy/when.ts';
import { facts } from '../arbitrary.ts';
import { expressions } from './arbitrary.ts';
import { sections } from './suite.ts';

const environment = factsEnvironment('request', {});

/** Loads or is refused with a place inside its text; what loads computes to something. Anything else is thrown. */
function survives(text: string): void {
  try {
    prepare(text, environment).evaluate({});
  } catch (thrown) {
    if (!(thrown instanceof ExpressionError)) throw thrown;
    expect(thrown.faults.length).toBeGreaterThan(0);
    for (const { at, end, message } of thrown.faults) {
      expect(message).not.toBe('');
      expect(at).toBeGreaterThanOrEqual(0);
      expect(at).toBeLessThanOrEqual(text.length);
      expect(end).toBeGreaterThan(at);
    }
  }
}

function took_ms(work: () => void): number {
  const at = performance.now();
  work();
  return performance.now() - at;
}

/** Far beyond what any of it takes: what hangs takes for ever. */
const hang_ms = 15_000;

const corpus = sections.flatMap(({ cases }) => cases.map(({ expr }) => expr)).filter((expr) => expr.length < 300);
const signs = '(){}[]<>=!&|?:.,+-*/%"\'`\\$ \n0x1e9uUbBrR';

/** A text of the specification's suite with some characters cut out, doubled or put in. */
const mutated = fc
  .tuple(
    fc.constantFrom(...corpus),
    fc.array(fc.tuple(fc.nat(), fc.nat({ max: 8 }), fc.constantFrom(...signs, ...corpus.slice(0, 200))), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([text, edits]) =>
    edits.reduce((all, [at, length, put]) => {
      const place = at % (all.length + 1);
      return all.slice(0, place) + put + all.slice(place + length);
    }, text),
  );

describe('whatever text is given for an expression', () => {
  it('of random characters, is refused or computed', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), survives), { numRuns: 3_000 });
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...signs), { maxLength: 80 }).map((list) => list.join('')),
        survives,
      ),
      { numRuns: 5_000 },
    );
  });

  it('made from an expression by cutting and pasting, is refused or computed', () => {
    fc.assert(fc.property(mutated, survives), { numRuns: 5_000 });
    fc.assert(
      fc.property(mutated, (text) => {
        const evaluated = evaluateExpression(text, {}, { typed: true });
        expect('value' in evaluated || evaluated.error.message !== '').toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  it('is one thing with the white space and comments between its tokens', () => {
    fc.assert(
      fc.property(expressions.bool, fc.constantFrom(' ', '\n', '\t', ' // why\n'), (text, space) => {
        const spaced = tokensOf(text, false)
          .map((token) => text.slice(token.at, token.end))
          .join(space);
        expect(evaluateExpression(spaced, {}, { typed: true })).toEqual(evaluateExpression(text, {}, { typed: true }));
      }),
    );
  });

  it('never throws on facts, whatever they are', () => {
    const reads = fc.constantFrom(
      'team.tier.startsWith("f") || size(user.roles) > 1',
      'metadata.n + 1 > 2 ? rails.pii.found : llm.estimatedCost < 2',
      'user.roles.map(r, r + "x").exists(r, r.matches("^a.*x$"))',
      'metadata.n == [1] || metadata.n == {} || metadata.n in [1, "a"]',
      'rails.pii.types.all(t, t in ["card"]) && !(team.tier == "free")',
    );
    fc.assert(
      fc.property(reads, facts, (text, given) => {
        expect([0, 1, 2]).toContain(compileWhen(text, 'request', {}).test(given));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each<[string, string]>([
    ['100,000 brackets', '('.repeat(100_000)],
    ['10 MB of lists in lists', '['.repeat(10_000_000)],
    ['10 MB of a name', 'a'.repeat(10_000_000)],
    ['maps in maps', '{1:'.repeat(30_000)],
    ['calls in calls', 'f('.repeat(30_000)],
    ['conditionals in conditionals', 'a?'.repeat(30_000)],
    ['indexes in indexes', 'a['.repeat(30_000)],
    ['signs before signs', '!-'.repeat(40_000)],
    ['nots', `${'!'.repeat(90_000)}true`],
    ['a long chain of fields', `a${'.b'.repeat(40_000)}`],
    ['a long sum', `1${'+1'.repeat(40_000)}`],
    ['a text without an end', `"${'\\'.repeat(99_000)}`],
    ['a text of quotes', "'''".repeat(30_000)],
    ['digits', '9'.repeat(90_000)],
    ['a comment', `//${'/'.repeat(90_000)}`],
    ['an unclosed list', `[${'1,'.repeat(40_000)}`],
    ['macros in macros', `${'[1].map(x, '.repeat(150)}x${')'.repeat(150)}`],
    ['a message in a message', 'a{b:'.repeat(20_000)],
  ])('%s is answered with an error or a value in bounded time', (_name, text) => {
    expect(took_ms(() => survives(text))).toBeLessThan(hang_ms);
    expect(took_ms(() => evaluateExpression(text, {}, { typed: true }))).toBeLessThan(hang_ms);
  });

  it.each<[string, string]>([
    ['doubling a text', nest((rest) => `cel.bind(s, s + s, ${rest})`, 60, 'size(s)', 'cel.bind(s, "xxxxxxxx", ', ')')],
    ['doubling a list', nest((rest) => `cel.bind(s, s + s, ${rest})`, 60, 'size(s)', 'cel.bind(s, [1, 2], ', ')')],
    ['a list of itself twice', nest((rest) => `cel.bind(s, [s, s], ${rest})`, 60, 's == s', 'cel.bind(s, [1], ', ')')],
    [
      'showing a list of itself',
      nest((rest) => `cel.bind(s, [s, s], ${rest})`, 60, '"%s".format([s])', 'cel.bind(s, [1], ', ')'),
    ],
    ['giving a list of itself', nest((rest) => `cel.bind(s, [s, s], ${rest})`, 60, 's', 'cel.bind(s, [1], ', ')')],
    ['loops in loops', nest((rest) => `[1,2,3,4,5,6,7,8,9,10].map(x, ${rest})`, 12, '1', '', '')],
    ['loops over a made list', nest((rest) => `lists.range(100000).map(x, ${rest})`, 3, '1', '', '')],
    ['a pattern that kills backtrackers', `("${'a'.repeat(30_000)}!").matches("^(a+)+$")`],
    ['a pattern that repeats itself', '"a".matches("((a{100}){100}){100}")'],
    ['a pattern with a back reference', '"aa".matches("(a)\\\\1")'],
    ['replacing nothing with much', `"${'a'.repeat(40_000)}".replace("", "${'b'.repeat(40_000)}")`],
    ['joining', 'lists.range(100000).map(x, "aaaaaaaaaaaaaaaaaaaa").join("bbbbbbbbbbbbbbbbbbbb")'],
    ['formatting', '"%.999f".format([1.5])'],
    ['comparing sets', 'sets.equivalent(lists.range(100000), lists.range(100000))'],
    ['padding', `base64.decode("${'='.repeat(60_000)}x")`],
  ])('%s takes bounded time and memory', (_name, text) => {
    expect(took_ms(() => evaluateExpression(text, {}, { typed: true }))).toBeLessThan(hang_ms);
    expect(took_ms(() => evaluateExpression(text, {}))).toBeLessThan(hang_ms);
  });
});

function nest(around: (rest: string) => string, times: number, inner: string, before: string, after: string): string {
  let text = inner;
  for (let i = 0; i < times; i++) text = around(text);
  return before + text + after;
}
