import type { Environment, Variable } from './cel/environment.ts';
import { timestampOfMs } from './cel/time.ts';
import { bool, type CelType, double, dyn, listOf, string, timestamp } from './cel/types.ts';
import { failed } from './cel/values.ts';
import { type Fact, type FactType, factNames, factOf, nearestFact } from './facts.ts';
import { functionNames } from './functions/catalog.ts';
import { computedFunctions, expandFunction } from './functions/expand.ts';
import { reader } from './leaf.ts';
import { timeOf, typeName } from './operators.ts';
import type { Json, Phase } from './policy.ts';
import { nearest } from './problem.ts';
import { clip } from './reader.ts';
import type { Params } from './template.ts';
import { Unable } from './unable.ts';

const types: Readonly<Record<FactType, CelType>> = {
  string,
  number: double,
  boolean: bool,
  time: timestamp,
  strings: listOf(string),
  list: listOf(dyn),
  any: dyn,
};

/** A fact as a variable of an expression. */
export interface FactVariable extends Variable {
  readonly fact: Fact;
}

export function isFactVariable(variable: Variable): variable is FactVariable {
  return 'fact' in variable;
}

/** What an expression in a rule of this phase may read: the facts by their names, and `params.<name>`. */
export function factsEnvironment(phase: Phase, params: Params): Environment {
  return {
    dialect: 'policy',
    variable: (name) => {
      if (name.startsWith('params.')) return paramVariable(name, params);
      const fact = factOf(name);
      if (fact === undefined || (phase === 'request' ? fact.ofReply : fact.ofRequest)) return undefined;
      return factVariable(fact);
    },
    unknown: (name) => unknownFact(name, params),
    functions: computedFunctions,
    functionNames: functionNames(),
    expand: expandFunction,
  };
}

const known = new Map<string, FactVariable>();

function factVariable(fact: Fact): FactVariable {
  const kept = known.get(fact.name);
  if (kept !== undefined) return kept;
  const variable = { name: fact.name, type: types[fact.type], read: readOf(fact), fact };
  if (!fact.open) known.set(fact.name, variable);
  return variable;
}

// A fact that is of another type than it should be cannot be told from one that could not be computed.
function readOf(fact: Fact): Variable['read'] {
  const read = reader(fact);
  const { type } = fact;
  if (type === 'any') return read;
  const wrong = failed(`is not ${typeName(type)}`);
  const odd = (value: unknown) =>
    value === undefined || value === null ? undefined : value instanceof Unable ? value : wrong;
  switch (type) {
    case 'time':
      return (facts) => {
        const value = read(facts);
        const time = timeOf(value);
        return time === undefined ? odd(value) : timestampOfMs(time);
      };
    case 'number':
      return (facts) => {
        const value = read(facts);
        return typeof value === 'number' && !Number.isNaN(value) ? value : odd(value);
      };
    case 'strings':
    case 'list':
      return (facts) => {
        const value = read(facts);
        return Array.isArray(value) ? value : odd(value);
      };
    default:
      return (facts) => {
        const value = read(facts);
        return typeof value === type ? value : odd(value);
      };
  }
}

function paramVariable(name: string, params: Params): Variable | undefined {
  const own = name.slice('params.'.length);
  if (!Object.hasOwn(params, own)) return undefined;
  const value = params[own] ?? null;
  return { name, type: typeOfJson(value), read: () => value, constant: { value } };
}

function typeOfJson(value: Json): CelType {
  if (typeof value === 'string') return string;
  if (typeof value === 'number') return double;
  if (typeof value === 'boolean') return bool;
  if (!Array.isArray(value)) return dyn;
  const [first] = value.map(typeOfJson);
  return listOf(first !== undefined && value.every((item: Json) => typeof item === typeof value[0]) ? first : dyn);
}

function unknownFact(name: string, params: Params): { readonly message?: string; readonly suggestion?: string } {
  if (name.startsWith('params.')) {
    const near = nearest(name.slice('params.'.length), Object.keys(params));
    return {
      message: `unknown parameter ${clip(name)}`,
      ...(near === undefined ? {} : { suggestion: `params.${near}` }),
    };
  }
  const fact = factOf(name);
  if (fact?.ofReply === true)
    return { message: `${fact.name} is known once there is a reply: use it in rules with on: response or on: settle` };
  if (fact?.ofRequest === true) return { message: `${fact.name} is of the request: use it in rules with on: request` };
  const member = factNames().find((one) => one.startsWith(`${name}.`));
  if (member !== undefined)
    return { message: `${clip(name)} is a group of facts: name one of them, such as ${member}` };
  if (name === 'metadata') return { message: 'name a member of metadata, such as metadata.department' };
  const near = nearestFact(name);
  return { message: `unknown fact ${clip(name)}`, ...(near === undefined ? {} : { suggestion: near }) };
}
