import type { CompiledRule } from './compiled-rule.ts';
import { factsRead, isExpression, type LeafNode } from './node.ts';
import { railOf } from './rails.ts';

/** What a phase's rules read: nothing else has to be computed. */
export interface Needs {
  /** Canonical names, those of rails included. */
  readonly facts: ReadonlySet<string>;
  /** Rails to run, with the types rules ask for where they name only some. */
  readonly rails: ReadonlyMap<string, ReadonlySet<string> | 'all'>;
}

/** How many rules want a thing: `fact <name>`, `rail <rail>` with all its types, `rail <rail> <type>`, `told <rail>`. */
export type Tally = ReadonlyMap<string, number>;

const wants = new WeakMap<CompiledRule, readonly string[]>();

/** What a rule wants: for its comparisons, the facts in its reason, and the rails it redacts. */
function wantsOf(rule: CompiledRule): readonly string[] {
  const known = wants.get(rule);
  if (known !== undefined) return known;
  const found = new Set<string>();
  if (rule.live) {
    for (const leaf of rule.leaves) {
      for (const { name } of factsRead(leaf)) {
        found.add(`fact ${name}`);
        const rail = railOf(name);
        if (rail === undefined) continue;
        for (const type of isExpression(leaf) ? [''] : typesOf(leaf)) found.add(`rail ${rail} ${type}`.trimEnd());
      }
    }
    for (const name of rule.rule.wasm?.inputs ?? []) {
      found.add(`fact ${name}`);
      const rail = railOf(name);
      if (rail !== undefined) found.add(`rail ${rail}`);
    }
    for (const fact of rule.reason.facts) {
      found.add(`fact ${fact}`);
      const rail = railOf(fact);
      if (rail !== undefined) found.add(`told ${rail}`);
    }
    for (const obligation of rule.obligations) {
      if (obligation.type !== 'redact') continue;
      for (const entry of obligation.rails) found.add(`rail ${entry.replace('/', ' ')}`);
    }
  }
  const list = [...found];
  wants.set(rule, list);
  return list;
}

function typesOf({ fact, operator, value }: LeafNode): readonly string[] {
  if (!fact.name.endsWith('.types') || operator === 'exists') return [''];
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.map(String) : [''];
}

/** A tally with some rules taken out and some put in. */
export function changeTally(tally: Tally, removed: readonly CompiledRule[], added: readonly CompiledRule[]): Tally {
  const changed = new Map(tally);
  for (const rule of added) for (const want of wantsOf(rule)) changed.set(want, (changed.get(want) ?? 0) + 1);
  for (const rule of removed) {
    for (const want of wantsOf(rule)) {
      const left = (changed.get(want) ?? 0) - 1;
      if (left > 0) changed.set(want, left);
      else changed.delete(want);
    }
  }
  return changed;
}

/** The needs of the rules a tally was made of. */
export function needsOf(tally: Tally): Needs {
  const facts = new Set<string>();
  const rails = new Map<string, Set<string> | 'all'>();
  for (const want of tally.keys()) {
    const [kind, name = '', type] = want.split(' ');
    if (kind === 'fact') facts.add(name);
    if (kind !== 'rail') continue;
    const known = rails.get(name);
    if (type === undefined) rails.set(name, 'all');
    else if (known === undefined) rails.set(name, new Set([type]));
    else if (known !== 'all') known.add(type);
  }
  // A reason tells what was found; it does not widen the search.
  for (const want of tally.keys()) {
    const [kind, name = ''] = want.split(' ');
    if (kind === 'told' && !rails.has(name)) rails.set(name, 'all');
  }
  return { facts, rails };
}
