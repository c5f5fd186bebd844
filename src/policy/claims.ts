import { canonicalJson } from './canonical.ts';
import type { CompiledRule } from './compiled-rule.ts';
import type { PolicyProblem } from './problem.ts';

interface Claim {
  readonly rule: CompiledRule;
  readonly value: string;
  /** How many rules want it. */
  readonly count: number;
}

/** What rules want of calls, by when and of what: rules that match together must not want different things of one. */
export type Claims = ReadonlyMap<string, Claim>;

/**
 * Claims with some rules taken out and some put in. Two rules of equal priority that match on the same facts and want
 * different things cannot both have their way: those are the problems.
 */
export function changeClaims(
  claims: Claims,
  removed: readonly CompiledRule[],
  added: readonly CompiledRule[],
): { readonly claims: Claims; readonly problems: readonly PolicyProblem[] } {
  const problems: PolicyProblem[] = [];
  let changed: Map<string, Claim> | undefined;
  for (const rule of removed) {
    for (const [key] of claimsOf(rule)) {
      changed ??= new Map(claims);
      const standing = changed.get(key);
      if (standing !== undefined && standing.count > 1) changed.set(key, { ...standing, count: standing.count - 1 });
      else changed.delete(key);
    }
  }
  for (const rule of added) {
    for (const [key, value, target] of claimsOf(rule)) {
      changed ??= new Map(claims);
      const standing = changed.get(key);
      if (standing === undefined) changed.set(key, { rule, value, count: 1 });
      else if (standing.value === value) changed.set(key, { ...standing, count: standing.count + 1 });
      else problems.push(conflict(rule, standing.rule, target));
    }
  }
  return { claims: changed ?? claims, problems };
}

function conflict({ ref, policy }: CompiledRule, other: CompiledRule, target: string): PolicyProblem {
  const { file = 'policies', line = 0 } = policy.source ?? {};
  const message = `${ref} and ${other.ref} match together at priority ${policy.metadata.priority} and want different values of ${target}`;
  return { file, line, column: line > 0 ? 1 : 0, message };
}

type Wish = readonly [key: string, value: string, target: string];

const known = new WeakMap<CompiledRule, readonly Wish[]>();
const none: readonly Wish[] = [];

function claimsOf(rule: CompiledRule): readonly Wish[] {
  if (rule.shadow !== undefined || rule.obligations.length === 0) return none;
  const found = known.get(rule);
  if (found !== undefined) return found;
  const when = canonicalJson([
    rule.policy.metadata.priority,
    rule.phase,
    rule.policy.applies_to ?? null,
    rule.rule.condition ?? rule.rule.when ?? null,
    rule.policy.params ?? null,
    rule.policy.within ?? null,
    rule.rule.with ?? null,
  ]);
  const list = wishesOf(rule).map(([target, value]): Wish => [`${when} ${target}`, value, target]);
  known.set(rule, list);
  return list;
}

/** What a rule wants of what only one value can be had of: the target, and the value. */
export function wishesOf(rule: CompiledRule): readonly (readonly [target: string, value: string])[] {
  return rule.obligations.flatMap((obligation): (readonly [string, string])[] => {
    switch (obligation.type) {
      case 'substitute_model':
        return [['substitute_model', obligation.model]];
      case 'route_to':
        return [['route_to', canonicalJson(obligation.candidates)]];
      case 'set':
        return Object.entries(obligation.set).map(([path, value]) => [`set ${path}`, canonicalJson(value)] as const);
      case 'remove':
        return obligation.remove.map((path) => [`set ${path}`, 'removed'] as const);
      default:
        return [];
    }
  });
}
