import { holds, parseAddress, parseCidr } from './cidr.ts';
import { type Fact, factPath } from './facts.ts';
import { glob } from './glob.ts';
import { expression, timeOf } from './operators.ts';
import type { Json, LeafOperator } from './policy.ts';
import { type FactTree, Unable } from './unable.ts';

/** Kleene's three values. UNABLE: the outcome hinges on a fact that is Unable, or of the wrong type. */
export type Outcome = 0 | 1 | 2;
export const FALSE = 0;
export const TRUE = 1;
export const UNABLE = 2;

export type Read = (facts: FactTree) => unknown;
export type Test = (facts: FactTree) => Outcome;

/** A function that reads a fact from a tree. An `Unable` on the way is the answer. */
export function reader(fact: Fact): Read {
  const parts = factPath(fact.name);
  if (fact.open) return openReader(parts);
  const [a = '', b = '', c] = parts;
  if (c === undefined) {
    return (facts) => {
      const group = facts[a] as FactTree | Unable | undefined | null;
      if (group === undefined || group === null || group instanceof Unable) return group;
      return group[b];
    };
  }
  return (facts) => {
    const group = facts[a] as FactTree | Unable | undefined | null;
    if (group === undefined || group === null || group instanceof Unable) return group;
    const member = group[b] as FactTree | Unable | undefined | null;
    if (member === undefined || member === null || member instanceof Unable) return member;
    return member[c];
  };
}

function openReader(parts: readonly string[]): Read {
  return (facts) => {
    let value: unknown = facts;
    for (const part of parts) {
      if (value instanceof Unable) return value;
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
      value = (value as FactTree)[part];
    }
    return value;
  };
}

// A value that did not pass as its type: missing is false, everything else leaves the comparison undecided.
function odd(value: unknown): Outcome {
  return value === undefined || value === null ? FALSE : UNABLE;
}

// What the caller sent has no type to be wrong in: it does not compare.
function oddAny(value: unknown): Outcome {
  return value instanceof Unable ? UNABLE : FALSE;
}

/** A comparison as a function. `value` is checked (`misfit`) and has its parameters put in. */
export function compileLeaf(operator: LeafOperator, fact: Fact, value: Json | undefined): Test {
  switch (operator) {
    case 'ne':
      return negated(compileLeaf('eq', fact, value));
    case 'not_in':
      return negated(compileLeaf('in', fact, value));
    case 'not_contains':
      return negated(compileLeaf('contains', fact, value));
    case 'none':
      return negated(compileLeaf('any', fact, value));
    case 'exists':
      return exists(reader(fact), value !== false);
    default:
      break;
  }
  const read = reader(fact);
  const holdsFor = predicate(operator, fact, value);
  const miss = fact.type === 'any' ? oddAny : odd;
  switch (fact.type) {
    case 'any':
      return (facts) => {
        const given = read(facts);
        if (given === undefined) return FALSE;
        return holdsFor(given) ? TRUE : miss(given);
      };
    case 'time':
      return (facts) => {
        const given = read(facts);
        const time = timeOf(given);
        return time === undefined ? miss(given) : holdsFor(time) ? TRUE : FALSE;
      };
    case 'number':
      return (facts) => {
        const given = read(facts);
        return typeof given === 'number' && !Number.isNaN(given) ? (holdsFor(given) ? TRUE : FALSE) : miss(given);
      };
    case 'strings':
    case 'list':
      return (facts) => {
        const given = read(facts);
        return Array.isArray(given) ? (holdsFor(given) ? TRUE : strayIn(given)) : miss(given);
      };
    default: {
      const type = fact.type;
      return (facts) => {
        const given = read(facts);
        return typeof given === type ? (holdsFor(given) ? TRUE : FALSE) : miss(given);
      };
    }
  }
}

// A list with an element that could not be computed may hold the value after all.
function strayIn(list: readonly unknown[]): Outcome {
  for (const item of list) if (item instanceof Unable) return UNABLE;
  return FALSE;
}

function negated(test: Test): Test {
  return (facts) => {
    const outcome = test(facts);
    return outcome === UNABLE ? UNABLE : outcome === TRUE ? FALSE : TRUE;
  };
}

function exists(read: Read, wanted: boolean): Test {
  return (facts) => {
    const given = read(facts);
    if (given instanceof Unable) return UNABLE;
    return (given !== undefined && given !== null) === wanted ? TRUE : FALSE;
  };
}

type Holds = (given: unknown) => boolean;

function predicate(operator: LeafOperator, fact: Fact, value: Json | undefined): Holds {
  const literal = fact.type === 'time' ? times(value) : value;
  switch (operator) {
    case 'eq':
      return (given) => given === literal;
    case 'gt':
      return compared(literal, (order) => order > 0);
    case 'gte':
      return compared(literal, (order) => order >= 0);
    case 'lt':
      return compared(literal, (order) => order < 0);
    case 'lte':
      return compared(literal, (order) => order <= 0);
    case 'between': {
      const [low, high] = literal as readonly Json[];
      const over = compared(low, (order) => order >= 0);
      const under = compared(high, (order) => order <= 0);
      return (given) => over(given) && under(given);
    }
    case 'in':
    case 'any':
      return oneOf(new Set(literal as readonly unknown[]), operator === 'in');
    case 'all': {
      const wanted = literal as readonly unknown[];
      return (given) => Array.isArray(given) && wanted.every((item) => given.includes(item));
    }
    case 'contains':
      return (given) =>
        typeof given === 'string'
          ? typeof literal === 'string' && given.includes(literal)
          : Array.isArray(given) && given.includes(literal);
    case 'starts_with':
      return (given) => typeof given === 'string' && given.startsWith(literal as string);
    case 'ends_with':
      return (given) => typeof given === 'string' && given.endsWith(literal as string);
    case 'matches': {
      const compiled = expression(literal as string);
      return (given) => typeof given === 'string' && compiled.test(given);
    }
    case 'glob': {
      const globs = (Array.isArray(literal) ? literal : [literal]).map((pattern) => glob(pattern as string));
      return (given) => typeof given === 'string' && globs.some((matches) => matches(given));
    }
    default: {
      const networks = (Array.isArray(literal) ? literal : [literal]).flatMap(
        (text) => parseCidr(text as string) ?? [],
      );
      return (given) => {
        const address = typeof given === 'string' ? parseAddress(given) : undefined;
        return address !== undefined && networks.some((network) => holds(network, address));
      };
    }
  }
}

function times(value: Json | undefined): unknown {
  return Array.isArray(value) ? value.map(timeOf) : timeOf(value);
}

function compared(literal: unknown, wanted: (order: number) => boolean): Holds {
  return (given) => {
    if (typeof given === 'number' && typeof literal === 'number') return wanted(given - literal);
    if (typeof given === 'string' && typeof literal === 'string')
      return wanted(given < literal ? -1 : given > literal ? 1 : 0);
    return false;
  };
}

// `in` takes a value or a list of them; `any` only a list.
function oneOf(values: ReadonlySet<unknown>, single: boolean): Holds {
  return (given) => (Array.isArray(given) ? given.some((item) => values.has(item)) : single && values.has(given));
}
