import { factAliases, factOf, factPath } from './facts.ts';
import { type Read, reader } from './leaf.ts';
import type { Phase } from './policy.ts';
import type { Program } from './program.ts';
import { type FactTree, Unable } from './unable.ts';

/**
 * The facts a phase's rules read, flat, for the decision record. Texts of prompts and replies pass through `hashText`
 * (a keyed hash, `hmac:...`); without one only their length is told. What could not be computed reads `unable: why`.
 */
export function recordFacts(
  program: Program,
  phase: Phase,
  facts: FactTree,
  hashText?: (text: string) => string,
): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const { name, text, read } of readsOf(program.needs(phase).facts)) {
    const value = read(facts);
    if (value === undefined || value === null) continue;
    if (value instanceof Unable) record[name] = `unable: ${value.reason}`;
    else if (!text) record[name] = value;
    else {
      const whole = typeof value === 'string' ? value : JSON.stringify(value);
      record[name] = hashText === undefined ? `(text of ${whole.length} characters)` : hashText(whole);
    }
  }
  return record;
}

interface FactRead {
  readonly name: string;
  readonly text: boolean;
  readonly read: Read;
}

/** How the facts of a program are read, in order of their names: made once for each program. */
const reads = new WeakMap<ReadonlySet<string>, readonly FactRead[]>();

function readsOf(names: ReadonlySet<string>): readonly FactRead[] {
  let list = reads.get(names);
  if (list === undefined) {
    list = [...names].sort().flatMap((name): readonly FactRead[] => {
      const fact = factOf(name);
      return fact === undefined ? [] : [{ name, text: fact.text, read: reader(fact) }];
    });
    reads.set(names, list);
  }
  return list;
}

/**
 * Facts as people and programs write them: `{ unable: why }` stands for what could not be computed, and published names
 * (`llm.containsPII`) move to where policies read them. What the caller vouches for alone (`metadata`) is left as it is.
 */
export function canonicalFacts(facts: FactTree): FactTree {
  let result = withUnables(facts, 0);
  for (let g = 0; g < aliasGroups.length; g++) {
    const { group, aliases } = aliasGroups[g] as AliasGroup;
    const branch = branchOf(facts[group]);
    if (branch === undefined) continue;
    for (let a = 0; a < aliases.length; a++) {
      const { member, name } = aliases[a] as AliasGroup['aliases'][number];
      const value = branch[member];
      if (value !== undefined) result = withFact(result, name, value, false);
    }
  }
  return result;
}

interface AliasGroup {
  readonly group: string;
  readonly aliases: readonly { readonly member: string; readonly name: string }[];
}

/** Aliases by the group they stand in: most contexts have two of the three. */
const aliasGroups: readonly AliasGroup[] = [
  ...new Set(Object.keys(factAliases).map((alias) => alias.slice(0, alias.indexOf('.')))),
].map((group) => ({
  group,
  aliases: Object.entries(factAliases).flatMap(([alias, name]) =>
    alias.startsWith(`${group}.`) ? [{ member: alias.slice(group.length + 1), name }] : [],
  ),
}));

/** The deepest name of a fact has three parts. */
const parts_max = 3;

function withUnables(tree: FactTree, depth: number): FactTree {
  let copy: Record<string, unknown> | undefined;
  // Every evaluation comes by here: no list of entries is made of a tree in which nothing is to be done.
  for (const name in tree) {
    const branch = depth === 0 && name === 'metadata' ? undefined : branchOf(tree[name]);
    if (branch === undefined) continue;
    const why = unableIn(branch);
    const read = why ?? (depth + 1 < parts_max ? withUnables(branch, depth + 1) : branch);
    if (read === branch) continue;
    copy ??= { ...tree };
    copy[name] = read;
  }
  return copy ?? tree;
}

function unableIn(branch: FactTree): Unable | undefined {
  const { unable } = branch;
  return typeof unable === 'string' && Object.keys(branch).length === 1 ? new Unable(unable) : undefined;
}

/** A copy of the tree with one fact, given by its dotted name, set. `replace: false` leaves one that is there. */
export function withFact(facts: FactTree, name: string, value: unknown, replace = true): FactTree {
  return placed(facts, factPath(name), value, replace);
}

function placed(facts: FactTree, [head = '', ...rest]: readonly string[], value: unknown, replace: boolean): FactTree {
  const below = branchOf(facts[head]) ?? {};
  if (rest.length > 0) return { ...facts, [head]: placed(below, rest, value, replace) };
  return !replace && facts[head] !== undefined ? facts : { ...facts, [head]: value };
}

function branchOf(value: unknown): FactTree | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Unable)
    ? (value as FactTree)
    : undefined;
}
