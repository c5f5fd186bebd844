import type { CallNode, CelNode } from './cel/ast.ts';
import type { Expression } from './cel/expression.ts';
import { parseTimestamp } from './cel/time.ts';
import { Timestamp } from './cel/values.ts';
import type { Fact } from './facts.ts';
import { isFactVariable } from './facts-environment.ts';
import { misfit } from './operators.ts';
import type { Json, LeafOperator } from './policy.ts';
import { canonicalTypes } from './rails.ts';
import type { Params } from './template.ts';

/** A part of an expression that says what a comparison of a condition says. */
export interface Comparison {
  readonly operator: LeafOperator;
  readonly fact: Fact;
  readonly value: Json | undefined;
  /** Why the value does not fit the fact. */
  readonly fault: string | undefined;
}

const orders: Readonly<Record<string, readonly [LeafOperator, LeafOperator]>> = {
  '_==_': ['eq', 'eq'],
  '_!=_': ['ne', 'ne'],
  '_<_': ['lt', 'gt'],
  '_<=_': ['lte', 'gte'],
  '_>_': ['gt', 'lt'],
  '_>=_': ['gte', 'lte'],
};
const texts: Readonly<Record<string, LeafOperator>> = {
  startsWith: 'starts_with',
  endsWith: 'ends_with',
  contains: 'contains',
  matches: 'matches',
};

/** The comparison a part of an expression is, undefined where it is more than one. */
export function comparisonIn(node: CelNode, expression: Expression, params: Params): Comparison | undefined {
  const fact = factAt(node, expression);
  if (fact !== undefined) {
    if (node.kind === 'select' && node.test) return found('exists', fact, undefined);
    return fact.type === 'boolean' ? found('eq', fact, true) : undefined;
  }
  if (node.kind === 'loop') return anyOf(node, expression, params);
  return node.kind === 'call' ? called(node, expression, params) : undefined;
}

function found(operator: LeafOperator, fact: Fact, given: Json | undefined): Comparison {
  const value = given === undefined ? undefined : canonicalTypes(fact.name, given);
  return { operator, fact, value, fault: misfit(operator, fact, value) };
}

function factAt(node: CelNode, { checked }: Expression): Fact | undefined {
  const reference = checked.references.get(node);
  const whole = node.kind !== 'select' || !node.optional;
  return whole && reference?.kind === 'variable' && isFactVariable(reference.variable)
    ? reference.variable.fact
    : undefined;
}

function called(node: CallNode, expression: Expression, params: Params): Comparison | undefined {
  const { name, target, args } = node;
  const [a, b] = args;
  if (target !== undefined) {
    const fact = factAt(target, expression);
    const operator = Object.hasOwn(texts, name) ? texts[name] : undefined;
    const value = a === undefined ? undefined : literalOf(a, expression, params);
    if (fact?.type !== 'string' || operator === undefined || typeof value !== 'string' || value === '')
      return undefined;
    return args.length === 1 ? found(operator, fact, value) : undefined;
  }
  if (a === undefined || b === undefined || args.length !== 2) return undefined;
  if (name === '@in') return within(a, b, expression, params);
  const pair = Object.hasOwn(orders, name) ? orders[name] : undefined;
  if (pair === undefined) return undefined;
  const [left, right] = [factAt(a, expression), factAt(b, expression)];
  if (left !== undefined && right === undefined) return compared(pair[0], left, b, expression, params);
  return left === undefined && right !== undefined ? compared(pair[1], right, a, expression, params) : undefined;
}

function compared(
  operator: LeafOperator,
  fact: Fact,
  node: CelNode,
  expression: Expression,
  params: Params,
): Comparison | undefined {
  const value = literalOf(node, expression, params);
  // Equality with a list, an order of booleans: what conditions do not have stays an expression.
  const scalar = fact.type === 'string' || fact.type === 'number' || fact.type === 'time' || fact.type === 'any';
  const fits = typeof value === 'string' || typeof value === 'number';
  if (operator === 'eq' || operator === 'ne')
    return (scalar || fact.type === 'boolean') && (fits || typeof value === 'boolean')
      ? found(operator, fact, value)
      : undefined;
  return scalar && fits ? found(operator, fact, value) : undefined;
}

function within(a: CelNode, b: CelNode, expression: Expression, params: Params): Comparison | undefined {
  const [value, list] = [factAt(a, expression), factAt(b, expression)];
  if (list?.type === 'strings') {
    const wanted = literalOf(a, expression, params);
    return typeof wanted === 'string' ? found('contains', list, wanted) : undefined;
  }
  const choices = literalOf(b, expression, params);
  const scalar = value?.type === 'string' || value?.type === 'number' || value?.type === 'boolean';
  return value !== undefined && scalar && Array.isArray(choices) && choices.length > 0
    ? found('in', value, choices)
    : undefined;
}

/** `facts.exists(x, x in ["a", "b"])`, and `x == "a"`: a list of texts that shares one. */
function anyOf(node: CelNode & { kind: 'loop' }, expression: Expression, params: Params): Comparison | undefined {
  const fact = factAt(node.range, expression);
  const { body } = node;
  const [a, b] = body.kind === 'call' && body.target === undefined ? body.args : [];
  if (node.macro !== 'exists' || node.variables.length !== 1 || fact?.type !== 'strings' || body.kind !== 'call')
    return undefined;
  if (a?.kind !== 'ident' || b === undefined || expression.checked.references.get(a)?.kind !== 'local')
    return undefined;
  const value = literalOf(b, expression, params);
  if (body.name === '_==_' && typeof value === 'string') return found('any', fact, [value]);
  const list = body.name === '@in' && Array.isArray(value) && value.length > 0 ? value : undefined;
  return list?.every((item) => typeof item === 'string') === true && a.name === node.variables[0]
    ? found('any', fact, list)
    : undefined;
}

/** A value that stands in the expression: a literal, a parameter, a list of them, a time to the millisecond. */
function literalOf(node: CelNode, expression: Expression, params: Params): Json | undefined {
  if (node.kind === 'literal') {
    if (typeof node.value === 'bigint') return Number(node.value);
    return node.value instanceof Uint8Array || node.value === null ? undefined : node.value;
  }
  if (node.kind === 'list') {
    const items = node.items.flatMap(({ value, optional }) =>
      optional ? [] : (literalOf(value, expression, params) ?? []),
    );
    return items.length === node.items.length && items.every((item) => typeof item !== 'object') ? items : undefined;
  }
  const reference = expression.checked.references.get(node);
  if (reference?.kind === 'variable' && reference.variable.constant !== undefined)
    return params[reference.variable.name.slice('params.'.length)];
  const [text] = node.kind === 'call' && node.name === 'timestamp' && node.target === undefined ? node.args : [];
  if (text?.kind !== 'literal' || typeof text.value !== 'string') return undefined;
  const time = parseTimestamp(text.value);
  return time instanceof Timestamp && time.nanos % 1_000_000n === 0n ? text.value : undefined;
}
