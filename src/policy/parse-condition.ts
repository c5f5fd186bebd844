import { ExpressionError } from './cel/expression.ts';
import { factOf, nearestFact } from './facts.ts';
import { callOperators, callText, functionMisfit } from './function-condition.ts';
import { functionOf } from './functions/catalog.ts';
import { leafOperators, misfit } from './operators.ts';
import type { Combinator, Condition, Json, LeafOperator, Phase } from './policy.ts';
import { nearest } from './problem.ts';
import { canonicalTypes } from './rails.ts';
import { clip, defined, isObject, type JsonObject, type Reader } from './reader.ts';
import type { Path } from './source.ts';
import { type Params, withParams } from './template.ts';
import { compileWhen } from './when.ts';

export const conditionLimits = { depth: 32, leaves: 1_000 } as const;

const combinators: readonly Combinator[] = ['and', 'or', 'not'];
const operatorNames: readonly string[] = [...leafOperators, ...combinators];

/** Names the published language gave to operators, in lower case. */
const operatorAliases: Readonly<Record<string, string>> = {
  equals: 'eq',
  not_equals: 'ne',
  greater_than: 'gt',
  greater_than_or_equal: 'gte',
  less_than: 'lt',
  less_than_or_equal: 'lte',
};

interface Scope {
  readonly reader: Reader;
  readonly phase: Phase;
  readonly params: Params;
  leaves: number;
}

/** Reads a condition; a part that is wrong is reported and left out, the rest is still read. */
export function readCondition(
  value: Json,
  path: Path,
  reader: Reader,
  phase: Phase,
  params: Params,
): Condition | undefined {
  return read(value, path, { reader, phase, params, leaves: 0 }, 0);
}

function read(value: Json, path: Path, scope: Scope, depth: number): Condition | undefined {
  const { reader } = scope;
  if (depth > conditionLimits.depth) {
    reader.fault(path, `conditions nest deeper than ${conditionLimits.depth}`);
    return undefined;
  }
  const given = reader.object(value, path, ['operator', 'field', 'value', 'conditions', 'function', 'args'], ['when']);
  if (!isObject(value)) return undefined;
  if ('function' in value) return call(given, path, scope);
  if ('args' in value) reader.fault([...path, 'args'], 'args are for a function', undefined, 'key');
  const operator = readOperator(given, path, reader);
  if (operator === undefined) return undefined;
  const quantifier = operator === 'any' || operator === 'all' || operator === 'none';
  if (quantifier && given.field === undefined && given.conditions !== undefined) {
    const all = combination(operator === 'all' ? 'and' : 'or', given, path, scope, depth);
    return all === undefined || operator !== 'none' ? all : { operator: 'not', conditions: [all] };
  }
  if (operator === 'and' || operator === 'or' || operator === 'not')
    return combination(operator, given, path, scope, depth);
  return leaf(operator, given, path, scope);
}

function readOperator(given: JsonObject, path: Path, reader: Reader): LeafOperator | Combinator | undefined {
  const raw = given.operator;
  if (typeof raw !== 'string') {
    reader.fault(path, raw === undefined ? 'a condition needs an operator' : 'operator must be a text');
    return undefined;
  }
  const lower = raw.toLowerCase();
  const name = Object.hasOwn(operatorAliases, lower) ? operatorAliases[lower] : lower;
  if (name !== undefined && operatorNames.includes(name)) return name as LeafOperator | Combinator;
  reader.fault([...path, 'operator'], `unknown operator ${clip(raw)}`, nearest(raw, operatorNames));
  return undefined;
}

function combination(
  operator: Combinator,
  given: JsonObject,
  path: Path,
  scope: Scope,
  depth: number,
): Condition | undefined {
  const { reader } = scope;
  for (const key of ['field', 'value']) {
    if (given[key] !== undefined)
      reader.fault([...path, key], `${operator} takes conditions, not a ${key}`, undefined, 'key');
  }
  const list = isObject(given.conditions) && operator === 'not' ? [given.conditions] : given.conditions;
  if (!Array.isArray(list) || list.length === 0) {
    reader.fault(path, `${operator} needs a list of conditions`);
    return undefined;
  }
  if (operator === 'not' && list.length !== 1) {
    reader.fault([...path, 'conditions'], 'not takes exactly one condition');
    return undefined;
  }
  const conditions = list.flatMap((item: Json, i) => read(item, [...path, 'conditions', i], scope, depth + 1) ?? []);
  return conditions.length === list.length ? { operator, conditions } : undefined;
}

function call(given: JsonObject, path: Path, scope: Scope): Condition | undefined {
  const { reader, phase, params } = scope;
  const before = reader.problems.length;
  for (const key of ['field', 'conditions'])
    if (given[key] !== undefined) reader.fault([...path, key], `a function takes args, not ${key}`, undefined, 'key');
  const name = reader.text(given.function, [...path, 'function'], { max: 100 });
  const fault = name === undefined ? undefined : functionMisfit(name);
  if (fault !== undefined) reader.fault([...path, 'function'], fault.message, fault.suggestion);
  const { args } = given;
  if (args !== undefined && !Array.isArray(args)) reader.fault([...path, 'args'], 'args must be a list');
  const operator = given.operator === undefined ? undefined : readOperator(given, path, reader);
  if (operator !== undefined && !callOperators.includes(operator as LeafOperator))
    reader.fault(
      [...path, 'operator'],
      `${operator} does not compare a function's value; ${callOperators.join(', ')} do`,
    );
  if ((operator === undefined) !== (given.value === undefined))
    reader.fault(path, "a function's value is compared with operator and value, or is true or false by itself");
  if (reader.problems.length > before || name === undefined) return undefined;
  const whole = defined({
    function: functionOf(name)?.name ?? name,
    args: args as readonly Json[] | undefined,
    operator: operator as LeafOperator | undefined,
    value: given.value,
  });
  try {
    compileWhen(callText(whole), phase, params);
    return whole;
  } catch (thrown) {
    if (!(thrown instanceof ExpressionError)) throw thrown;
    for (const { message, suggestion } of thrown.faults) reader.fault([...path, 'function'], message, suggestion);
    return undefined;
  }
}

function leaf(operator: LeafOperator, given: JsonObject, path: Path, scope: Scope): Condition | undefined {
  const { reader, phase, params } = scope;
  scope.leaves++;
  if (scope.leaves > conditionLimits.leaves) {
    if (scope.leaves === conditionLimits.leaves + 1)
      reader.fault(path, `a condition has more than ${conditionLimits.leaves} comparisons`);
    return undefined;
  }
  if (given.conditions !== undefined)
    reader.fault([...path, 'conditions'], `${operator} takes no conditions`, undefined, 'key');
  const field = given.field;
  if (typeof field !== 'string') {
    reader.fault(path, `${operator} needs a field`);
    return undefined;
  }
  const fact = readFact(field, [...path, 'field'], reader, phase);
  if (fact === undefined) return undefined;
  const value = given.value === undefined ? undefined : canonicalTypes(fact.name, given.value);
  const fault = misfit(operator, fact, value === undefined ? undefined : withParams(value, params));
  if (fault !== undefined) {
    reader.fault([...path, 'value'], fault);
    return undefined;
  }
  return value === undefined ? { operator, field: fact.name } : { operator, field: fact.name, value };
}

/** The fact a field names in this phase, or a problem. */
export function readFact(field: string, path: Path, reader: Reader, phase: Phase) {
  const fact = factOf(field);
  if (fact === undefined) reader.fault(path, `unknown fact ${clip(field)}`, nearestFact(field));
  else if (fact.ofReply && phase === 'request') {
    reader.fault(path, `${fact.name} is known once there is a reply: use it in rules with on: response or on: settle`);
  } else if (fact.ofRequest && phase !== 'request')
    reader.fault(path, `${fact.name} is of the request: use it in rules with on: request`);
  else return fact;
  return undefined;
}
