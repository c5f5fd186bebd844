import { canonicalJson } from './canonical.ts';
import { FALSE, TRUE, UNABLE } from './leaf.ts';
import { branch, isBranch, isExpression, type LeafNode, leafNode, type Node } from './node.ts';
import type { Json, LeafOperator } from './policy.ts';

/** What a condition comes down to: true or false whatever the facts, or something still to be asked. */
export type Folded = typeof TRUE | typeof FALSE | Node;

/**
 * The same question asked with less work: what no fact can change is decided, doubled parts are asked once, several
 * equalities of one fact become one look-up, and what is cheap to ask is asked first.
 *
 * The outcome is the same for all facts, undecided ones included: every step holds in Kleene's logic. That `a == 1 && a == 2`
 * is never true is no such step, since it is undecided where `a` is.
 */
export function fold(node: Node): Folded {
  if (isExpression(node)) {
    const outcome = node.facts.length === 0 ? node.test({}) : UNABLE;
    return outcome === UNABLE ? node : outcome;
  }
  if (!isBranch(node)) return node;
  if (node.operator === 'not') {
    const [child] = node.children;
    return child === undefined ? node : negate(fold(child));
  }
  const { operator } = node;
  const decisive = operator === 'and' ? FALSE : TRUE;
  const parts: Node[] = [];
  for (const child of node.children) {
    const part = fold(child);
    if (part === decisive) return decisive;
    if (typeof part === 'number') continue;
    if (isBranch(part) && part.operator === operator) parts.push(...part.children);
    else parts.push(part);
  }
  const kept = distinct(joined(parts, operator));
  if (kept.length === 0) return operator === 'and' ? TRUE : FALSE;
  if (kept.length > 1) kept.sort((a, b) => costOf(a) - costOf(b));
  return branch(operator, kept);
}

const opposites: Readonly<Partial<Record<LeafOperator, LeafOperator>>> = {
  eq: 'ne',
  ne: 'eq',
  in: 'not_in',
  not_in: 'in',
  contains: 'not_contains',
  not_contains: 'contains',
  any: 'none',
  none: 'any',
};

function negate(part: Folded): Folded {
  if (typeof part === 'number') return part === TRUE ? FALSE : TRUE;
  if (isBranch(part)) {
    const [child] = part.children;
    return part.operator === 'not' && child !== undefined ? child : branch('not', [part]);
  }
  if (isExpression(part)) return branch('not', [part]);
  if (part.operator === 'exists') return leafNode('exists', part.fact, part.value === false);
  const opposite = opposites[part.operator];
  return opposite === undefined ? branch('not', [part]) : leafNode(opposite, part.fact, part.value);
}

/** Equalities of one fact under an `or`, and inequalities under an `and`, are one look-up in a list. */
function joined(parts: readonly Node[], operator: 'and' | 'or'): readonly Node[] {
  const [one, many] = operator === 'or' ? (['eq', 'in'] as const) : (['ne', 'not_in'] as const);
  const joins = (node: Node): node is LeafNode =>
    !isBranch(node) && !isExpression(node) && (node.operator === one || node.operator === many) && single(node);
  const groups = new Map<string, LeafNode[]>();
  for (const part of parts) {
    if (!joins(part)) continue;
    const group = groups.get(part.fact.name);
    if (group === undefined) groups.set(part.fact.name, [part]);
    else group.push(part);
  }
  if ([...groups.values()].every((group) => group.length === 1)) return parts;
  return parts.flatMap((part): readonly Node[] => {
    const group = joins(part) ? groups.get(part.fact.name) : undefined;
    if (group === undefined || group.length === 1) return [part];
    if (group[0] !== part) return [];
    const values = new Set(
      group.flatMap(({ value }): readonly Json[] => (Array.isArray(value) ? value : [value ?? null])),
    );
    return [leafNode(many, part.fact as LeafNode['fact'], [...values])];
  });
}

// A fact of one value. What callers send may be a list, which an equality and a look-up see differently.
function single({ fact }: LeafNode): boolean {
  return fact.type === 'string' || fact.type === 'number' || fact.type === 'boolean' || fact.type === 'time';
}

/** Most parts that are compared with each other; in a longer list a doubled part is asked twice. */
const distinct_max = 32;

function distinct(parts: readonly Node[]): Node[] {
  if (parts.length > distinct_max) return [...parts];
  return parts.filter((part, at) => !parts.slice(0, at).some((other) => same(part, other)));
}

function same(a: Node, b: Node): boolean {
  if (a === b) return true;
  if (isBranch(a) || isBranch(b)) return false;
  if (isExpression(a) || isExpression(b)) return isExpression(a) && isExpression(b) && a.expression === b.expression;
  return (
    a.operator === b.operator &&
    a.fact.name === b.fact.name &&
    canonicalJson(a.value ?? null) === canonicalJson(b.value ?? null)
  );
}

const costs: Readonly<Partial<Record<LeafOperator, number>>> = {
  starts_with: 2,
  ends_with: 2,
  contains: 3,
  not_contains: 3,
  any: 4,
  all: 4,
  none: 4,
  glob: 8,
  cidr: 16,
  matches: 64,
};

/** About how much asking costs, in comparisons of a number. Texts of prompts are long, and loops are many steps. */
function costOf(node: Node): number {
  if (isBranch(node)) return node.children.reduce((sum, child) => sum + costOf(child), 0);
  if (isExpression(node)) return 32 + (node.facts.some(({ text }) => text) ? 64 : 0);
  const cost = costs[node.operator] ?? 1;
  return node.fact.text ? cost * 16 : node.fact.type === 'time' ? cost * 8 : cost;
}
