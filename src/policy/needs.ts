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

/** The needs of some rules: their conditions, the facts in their reasons, and the rails they redact. */
export function needsOf(rules: readonly CompiledRule[]): Needs {
  const facts = new Set<string>();
  const rails = new Map<string, Set<string> | 'all'>();
  const want = (rail: string, types: readonly string[] | 'all') => {
    const known = rails.get(rail);
    if (types === 'all') rails.set(rail, 'all');
    else if (known === undefined) rails.set(rail, new Set(types));
    else if (known !== 'all') for (const type of types) known.add(type);
  };
  const told: string[] = [];
  for (const rule of rules) {
    for (const leaf of rule.leaves) {
      for (const { name } of factsRead(leaf)) {
        facts.add(name);
        const rail = railOf(name);
        if (rail !== undefined) want(rail, isExpression(leaf) ? 'all' : typesOf(leaf));
      }
    }
    for (const name of rule.rule.wasm?.inputs ?? []) {
      facts.add(name);
      const rail = railOf(name);
      if (rail !== undefined) want(rail, 'all');
    }
    for (const fact of rule.reason.facts) {
      facts.add(fact);
      told.push(fact);
    }
    for (const obligation of rule.obligations) {
      if (obligation.type !== 'redact') continue;
      for (const entry of obligation.rails) {
        const [rail = '', type] = entry.split('/');
        want(rail, type === undefined ? 'all' : [type]);
      }
    }
  }
  // A reason tells what was found; it does not widen the search.
  for (const fact of told) {
    const rail = railOf(fact);
    if (rail !== undefined && !rails.has(rail)) want(rail, 'all');
  }
  return { facts, rails };
}

function typesOf({ fact, operator, value }: LeafNode): readonly string[] | 'all' {
  if (!fact.name.endsWith('.types') || operator === 'exists') return 'all';
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.map(String) : 'all';
}
