import type { Fact, FactType } from '../facts.ts';
import type { ExpressionNode } from '../node.ts';
import { withFact } from '../record-facts.ts';
import type { FactTree } from '../unable.ts';
import { numberPoints } from './points.ts';

/** Most sets of facts that are tried on expressions nobody looked into. */
const guessesMax = 300;

/**
 * The facts as they are, and with values for what the expressions read besides: those that stand in their texts, and the
 * usual ones of their types.
 */
export function* guesses(
  facts: FactTree,
  expressions: readonly ExpressionNode[],
  settled: ReadonlyMap<string, unknown>,
): Generator<FactTree> {
  yield facts;
  const text = expressions.map(({ expression }) => expression).join(' ');
  const read = new Map(expressions.flatMap(({ facts: own }) => own.map((fact) => [fact.name, fact] as const)));
  const free = [...read.values()].filter(({ name }) => !settled.has(name)).slice(0, 4);
  if (free.length === 0) return;
  const values = free.map((fact) => likely(fact, text));
  const all = values.reduce((product, list) => product * list.length, 1);
  for (let n = 0; n < Math.min(all, guessesMax); n++) {
    let rest = n;
    let tried = facts;
    for (const [i, { name }] of free.entries()) {
      const list = values[i] ?? [];
      tried = withFact(tried, name, list[rest % list.length]);
      rest = Math.floor(rest / list.length);
    }
    yield tried;
  }
}

function likely({ type }: Fact, text: string): readonly unknown[] {
  const texts = Array.from(text.matchAll(/"([^"\\]*)"|'([^'\\]*)'/g), (found) => found[1] ?? found[2] ?? '').slice(
    0,
    8,
  );
  const numbers = Array.from(text.matchAll(/(?<![\w.])\d+(?:\.\d+)?/g), ([digits]) => Number(digits)).slice(0, 8);
  const byType: Readonly<Record<FactType, readonly unknown[]>> = {
    string: ['other', ...texts, texts.join(' '), ''],
    number: [...numberPoints(numbers), 1e9],
    boolean: [true, false],
    time: ['2026-01-05T09:00:00Z', '2026-01-10T23:30:00Z'],
    strings: [[], texts, ...texts.map((one) => [one])],
    list: [[]],
    any: ['other', ...texts, ...numberPoints(numbers), true, []],
  };
  return byType[type];
}
