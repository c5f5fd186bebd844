import type { Environment, Variable } from './cel/environment.ts';
import { ExpressionError, prepare } from './cel/expression.ts';
import { timestampOfMs } from './cel/time.ts';
import { plainOf, type TypedJson, typedOf, valueOfTyped } from './cel/typed-json.ts';
import { dyn } from './cel/types.ts';
import { factOf } from './facts.ts';
import { functionNames } from './functions/catalog.ts';
import { computedFunctions, expandFunction } from './functions/expand.ts';
import { reader } from './leaf.ts';
import { timeOf } from './operators.ts';
import { nearest } from './problem.ts';
import { Unable } from './unable.ts';

/** What became of an expression: its value as JSON, or why there is none. */
export type Evaluated = { readonly value: unknown } | { readonly error: { readonly message: string } };

/**
 * Computes a CEL expression on values given as JSON, by name. Never throws.
 *
 * Plainly, it computes as policies do: numbers are one kind, what is missing compares false. With `typed`, values are
 * `TypedJson` both ways, and the language is the standard's to the letter: 64-bit integers apart from floating-point
 * numbers, types are looked at when they meet, and what is missing is an error.
 */
export function evaluateExpression(
  text: string,
  bindings: { readonly [name: string]: unknown },
  options: { readonly typed?: boolean } = {},
): Evaluated {
  const typed = options.typed === true;
  const values = new Map<string, unknown>();
  for (const [name, given] of Object.entries(bindings)) {
    const value = typed ? valueOfTyped(given) : given;
    if (value instanceof Unable) return refused(`${name}: ${value.reason}`);
    values.set(name, value);
  }
  try {
    const result = prepare(text, environment(values, typed)).evaluate({});
    if (result === undefined) return refused('it reads something that is missing');
    const written: TypedJson | unknown = typed ? typedOf(result) : plainOf(result);
    return written instanceof Unable ? refused(written.reason) : { value: written };
  } catch (thrown) {
    if (thrown instanceof ExpressionError) return refused(thrown.message);
    // Values deeper than a call stack: nothing of it is kept.
    if (thrown instanceof RangeError) return refused('the value nests too deeply');
    throw thrown;
  }
}

// A policy's fact that was not given is missing, as it is to a rule; a time that was given as a text is a time.
function factIn(values: ReadonlyMap<string, unknown>, name: string): Variable | undefined {
  const fact = factOf(name);
  const root = name.split('.')[0] ?? '';
  if (fact === undefined || (values.has(root) && fact.type !== 'time')) return undefined;
  const given = reader(fact)({ [root]: values.get(root) });
  const time = fact.type === 'time' ? timeOf(given) : undefined;
  const value = time === undefined ? given : timestampOfMs(time);
  return { name, type: dyn, read: () => value };
}

function refused(message: string): Evaluated {
  return { error: { message } };
}

function environment(values: ReadonlyMap<string, unknown>, typed: boolean): Environment {
  return {
    dialect: typed ? 'standard' : 'policy',
    lenient: typed,
    ...(typed ? {} : { functions: computedFunctions, functionNames: functionNames(), expand: expandFunction }),
    variable: (name) =>
      values.has(name) ? { name, type: dyn, read: () => values.get(name) } : typed ? undefined : factIn(values, name),
    unknown: (name) => {
      const near = nearest(name, values.keys());
      return near === undefined ? {} : { suggestion: near };
    },
  };
}
