import type { CompiledRule } from './compiled-rule.ts';
import type { FactType } from './facts.ts';
import type { Read } from './leaf.ts';
import { isBranch, isExpression, type LeafNode, type Node } from './node.ts';
import { type FactTree, Unable } from './unable.ts';

/** Positions of rules, ascending. */
export type Positions = readonly number[];

/** An equality a rule cannot match without. */
export interface Key {
  readonly leaf: LeafNode;
  readonly values: readonly unknown[];
}

interface FieldIndex {
  readonly read: Read;
  readonly type: FactType;
  readonly byValue: ReadonlyMap<unknown, Positions>;
  /** All rules under this field: where its value cannot be told, none of them is ruled out. */
  readonly all: Positions;
}

/**
 * Rules of one phase, found by equality. A rule that needs `team.tier` to be `free` is not looked at for another tier.
 * What is left out is false for certain; what is returned still has to be tested.
 */
export interface RuleIndex {
  /** Rules without an equality to go by: always candidates. */
  readonly always: Positions;
  readonly fields: readonly FieldIndex[];
}

/** Each rule goes under the equality of its top-level `and` that the fewest rules share. */
export function indexRules(rules: readonly CompiledRule[]): RuleIndex {
  const shared = new Map<string, Map<unknown, number>>();
  const keys = rules.map((rule) => rule.keys);
  for (const choices of keys) {
    for (const { leaf, values } of choices) {
      const counts = entry(shared, leaf.fact.name, () => new Map<unknown, number>());
      for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  }
  const crowd = ({ leaf, values }: Key) =>
    values.reduce<number>((sum, value) => sum + (shared.get(leaf.fact.name)?.get(value) ?? 0), 0);
  const always: number[] = [];
  const fields = new Map<string, { read: Read; type: FactType; byValue: Map<unknown, number[]>; all: number[] }>();
  for (const [position, choices] of keys.entries()) {
    const [first, ...rest] = choices;
    if (first === undefined) {
      always.push(position);
      continue;
    }
    const best = rest.reduce((a, b) => (crowd(b) < crowd(a) ? b : a), first);
    const { fact, read } = best.leaf;
    const field = entry(fields, fact.name, () => ({
      read,
      type: fact.type,
      byValue: new Map<unknown, number[]>(),
      all: [],
    }));
    field.all.push(position);
    for (const value of best.values) entry(field.byValue, value, () => []).push(position);
  }
  return { always, fields: [...fields.values()] };
}

/** The equalities of a condition's top-level `and`. */
export function keysOf(node: Node): readonly Key[] {
  const leaves = isBranch(node) ? (node.operator === 'and' ? node.children : []) : [node];
  return leaves.flatMap((leaf): Key[] => {
    if (isBranch(leaf)) return leaf.operator === 'and' ? [...keysOf(leaf)] : [];
    if (isExpression(leaf)) return [];
    const scalar =
      leaf.fact.type === 'string' ||
      leaf.fact.type === 'number' ||
      leaf.fact.type === 'boolean' ||
      leaf.fact.type === 'any';
    if (!scalar) return [];
    if (leaf.operator === 'eq') return [{ leaf, values: [leaf.value] }];
    return leaf.operator === 'in' && Array.isArray(leaf.value) ? [{ leaf, values: [...new Set(leaf.value)] }] : [];
  });
}

/** The rules of one field that its value in these facts does not rule out. */
export function candidates(field: FieldIndex, facts: FactTree): Positions | undefined {
  const value = field.read(facts);
  if (value === undefined || value === null) return undefined;
  if (field.type === 'any')
    return typeof value === 'object'
      ? value instanceof Unable || Array.isArray(value)
        ? field.all
        : undefined
      : field.byValue.get(value);
  // A number that is none is an error in every rule that compares it.
  return typeof value === field.type && !Number.isNaN(value) ? field.byValue.get(value) : field.all;
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
