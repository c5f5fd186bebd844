import { isBranch, isExpression, type LeafNode, type Node } from './node.ts';
import type { Json, LeafOperator } from './policy.ts';

const verbs: Readonly<Record<Exclude<LeafOperator, 'exists' | 'between'>, readonly [is: string, isNot: string]>> = {
  eq: ['is', 'is not'],
  ne: ['is not', 'is'],
  gt: ['is over', 'is not over'],
  gte: ['is at least', 'is below'],
  lt: ['is below', 'is at least'],
  lte: ['is at most', 'is over'],
  in: ['is one of', 'is none of'],
  not_in: ['is none of', 'is one of'],
  contains: ['contains', 'does not contain'],
  not_contains: ['does not contain', 'contains'],
  any: ['has one of', 'has none of'],
  all: ['has all of', 'does not have all of'],
  none: ['has none of', 'has one of'],
  matches: ['matches', 'does not match'],
  starts_with: ['starts with', 'does not start with'],
  ends_with: ['ends with', 'does not end with'],
  glob: ['looks like', 'does not look like'],
  cidr: ['lies in', 'does not lie in'],
};

/** What a comparison says, or with `holds: false` what it says when it is false: `llm.estimatedCost is over 1`. */
export function leafWords({ fact, operator, value }: LeafNode, holds = true): string {
  if (operator === 'exists') return `${fact.name} is ${(value !== false) === holds ? 'there' : 'not there'}`;
  if (operator === 'between') {
    const [low, high] = Array.isArray(value) ? value : [];
    return `${fact.name} is ${holds ? '' : 'not '}from ${valueWords(low)} to ${valueWords(high)}`;
  }
  return `${fact.name} ${verbs[operator][holds ? 0 : 1]} ${valueWords(value)}`;
}

/** A condition in words. */
export function nodeWords(node: Node): string {
  if (isExpression(node)) return node.expression;
  if (!isBranch(node)) return leafWords(node);
  const [first] = node.children;
  if (node.operator === 'not') {
    if (first !== undefined && !isBranch(first) && !isExpression(first)) return leafWords(first, false);
    return `not (${first === undefined ? '' : nodeWords(first)})`;
  }
  return node.children
    .map((child) => (isBranch(child) && child.operator !== 'not' ? `(${nodeWords(child)})` : nodeWords(child)))
    .join(` ${node.operator} `);
}

/** A value as it reads in a sentence; long ones are cut. */
export function valueWords(value: Json | unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) {
    const shown = value.slice(0, 8).map(valueWords).join(', ');
    return value.length > 8 ? `${shown} and ${value.length - 8} more` : shown === '' ? 'an empty list' : shown;
  }
  const text = typeof value === 'string' && /^[\w.:/@+*-]+$/.test(value) ? value : (JSON.stringify(value) ?? 'nothing');
  return text.length > 120 ? `${text.slice(0, 120)}...` : text;
}

/** Things in a row: `a, b and c`. */
export function listWords(items: readonly string[], last = 'and'): string {
  return items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} ${last} ${items.at(-1)}`;
}
