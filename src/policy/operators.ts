import { RE2JS } from 're2js';
import { parseCidr } from './cidr.ts';
import type { Fact, FactType } from './facts.ts';
import type { Json, LeafOperator } from './policy.ts';
import { railOf, typeMisfit } from './rails.ts';

type ValueKind = 'scalar' | 'ordered' | 'text' | 'texts' | 'list' | 'pair' | 'expression' | 'cidr' | 'flag';

interface Operator {
  readonly types: readonly FactType[];
  readonly value: ValueKind;
}

const scalars: readonly FactType[] = ['string', 'number', 'boolean', 'time', 'any'];
const ordered: readonly FactType[] = ['string', 'number', 'time', 'any'];
const lists: readonly FactType[] = ['strings', 'any'];
const strings: readonly FactType[] = ['string', 'any'];

/** What each comparison compares, and with what. */
export const operators: Readonly<Record<LeafOperator, Operator>> = {
  eq: { types: scalars, value: 'scalar' },
  ne: { types: scalars, value: 'scalar' },
  gt: { types: ordered, value: 'ordered' },
  gte: { types: ordered, value: 'ordered' },
  lt: { types: ordered, value: 'ordered' },
  lte: { types: ordered, value: 'ordered' },
  between: { types: ordered, value: 'pair' },
  in: { types: [...scalars, 'strings'], value: 'list' },
  not_in: { types: [...scalars, 'strings'], value: 'list' },
  contains: { types: ['string', 'strings', 'any'], value: 'scalar' },
  not_contains: { types: ['string', 'strings', 'any'], value: 'scalar' },
  any: { types: lists, value: 'list' },
  all: { types: lists, value: 'list' },
  none: { types: lists, value: 'list' },
  matches: { types: strings, value: 'expression' },
  starts_with: { types: strings, value: 'text' },
  ends_with: { types: strings, value: 'text' },
  glob: { types: strings, value: 'texts' },
  cidr: { types: strings, value: 'cidr' },
  exists: { types: ['string', 'number', 'boolean', 'time', 'strings', 'list', 'any'], value: 'flag' },
};

export const leafOperators = Object.keys(operators) as readonly LeafOperator[];

/** Longest expression and longest list a comparison may have. */
export const valueLimits = { expression: 1_000, list: 10_000, text: 10_000 } as const;

const typeNames: Readonly<Record<FactType, string>> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  time: 'a time (RFC 3339)',
  strings: 'a list of texts',
  list: 'a list',
  any: 'of any type',
};

export function typeName(type: FactType): string {
  return typeNames[type];
}

/** Why an operator and a value (parameters put in) do not fit a fact; undefined where they do. */
export function misfit(operator: LeafOperator, fact: Fact, value: Json | undefined): string | undefined {
  const { types, value: kind } = operators[operator];
  if (!types.includes(fact.type)) {
    const usable = leafOperators.filter((name) => operators[name].types.includes(fact.type));
    return `${operator} does not work on ${fact.name}, which is ${typeName(fact.type)}; ${usable.join(', ')} do`;
  }
  if (kind === 'flag')
    return value === undefined || typeof value === 'boolean' ? undefined : 'exists takes true or false';
  if (value === undefined) return `${operator} needs a value`;
  if (kind === 'list') return listMisfit(operator, fact, value);
  if (kind === 'pair') {
    if (!Array.isArray(value) || value.length !== 2) return 'between takes a list of two: the lowest and the highest';
    return elementMisfit(operator, fact, value[0]) ?? elementMisfit(operator, fact, value[1]) ?? pairMisfit(value);
  }
  if (kind === 'cidr' || kind === 'texts') return textsMisfit(operator, kind, value);
  if (kind === 'expression') return expressionMisfit(value);
  if (kind === 'text') return typeof value === 'string' && value !== '' ? undefined : `${operator} takes a text`;
  if (kind === 'ordered' && typeof value === 'boolean') return `${operator} orders numbers, texts or times`;
  return elementMisfit(operator, fact, value);
}

function listMisfit(operator: LeafOperator, fact: Fact, value: Json): string | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > valueLimits.list) {
    return `${operator} takes a list of 1 to ${valueLimits.list} values`;
  }
  for (const item of value) {
    const fault = elementMisfit(operator, fact, item);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function elementMisfit(operator: LeafOperator, fact: Fact, value: Json | undefined): string | undefined {
  const type = fact.type === 'strings' ? 'string' : fact.type;
  const fits =
    type === 'any'
      ? typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      : type === 'time'
        ? timeOf(value) !== undefined
        : typeof value === type;
  if (!fits)
    return `${operator} on ${fact.name} takes ${type === 'any' ? 'a text, a number, true or false' : typeName(type)}`;
  if (typeof value === 'string' && value.length > valueLimits.text)
    return `a value is longer than ${valueLimits.text} characters`;
  const rail = fact.type === 'strings' ? railOf(fact.name) : undefined;
  return rail === undefined || typeof value !== 'string' ? undefined : typeMisfit(rail, value);
}

function pairMisfit([low, high]: readonly Json[]): string | undefined {
  if (typeof low !== typeof high) return 'between takes two values of one type';
  const [a, b] = [timeOf(low) ?? low, timeOf(high) ?? high];
  return a !== undefined && b !== undefined && a !== null && b !== null && a > b
    ? 'between takes the lowest first'
    : undefined;
}

function textsMisfit(operator: LeafOperator, kind: 'cidr' | 'texts', value: Json): string | undefined {
  const texts = Array.isArray(value) ? value : [value];
  if (texts.length === 0 || texts.length > valueLimits.list) return `${operator} takes a text or a list of texts`;
  for (const text of texts) {
    if (typeof text !== 'string' || text === '' || text.length > 200)
      return `${operator} takes a text of at most 200 characters, or a list of them`;
    if (kind === 'cidr' && parseCidr(text) === undefined)
      return `${text} is no network (such as 10.0.0.0/8 or 2001:db8::/32)`;
  }
  return undefined;
}

/** Why a text is no expression this engine takes: RE2 syntax, linear time, bounded length. */
export function expressionMisfit(value: Json | undefined): string | undefined {
  if (typeof value !== 'string' || value === '') return 'an expression must be a text';
  if (value.length > valueLimits.expression) return `an expression may have ${valueLimits.expression} characters`;
  try {
    expression(value);
    return undefined;
  } catch (thrown) {
    return `not an expression in RE2 syntax: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  }
}

/** A compiled expression. Throws where the text is none. */
export function expression(source: string): RE2JS {
  return RE2JS.compile(source);
}

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$|^\d{4}-\d\d-\d\d$/;

/** Unix milliseconds of an RFC 3339 text (or a date, at midnight UTC) or of a number of them; undefined for anything else. */
export function timeOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string' || !rfc3339.test(value)) return undefined;
  const time = Date.parse(value.replace(' ', 'T'));
  return Number.isNaN(time) ? undefined : time;
}
