import { compileCondition } from './condition.ts';
import type { Node } from './node.ts';
import type { Rule } from './policy.ts';
import type { Params } from './template.ts';
import { compileWhen } from './when.ts';

/** Rules as they came out of the parser, which compiled them to check them. */
const compiled = new WeakMap<Rule, Node>();

/** What a checked rule asks, whichever way it says it; undefined where it always matches. */
export function nodeOf(rule: Rule, shared: Params): Node | undefined {
  const known = compiled.get(rule);
  if (known !== undefined) return known;
  const params = paramsOf(rule, shared);
  const phase = rule.on ?? 'request';
  const node = rule.when !== undefined ? compileWhen(rule.when, phase, params) : undefined;
  return node ?? (rule.condition === undefined ? undefined : compileCondition(rule.condition, params, phase));
}

/** The parameters of a rule: its own before the policy's. */
export function paramsOf(rule: Rule, shared: Params): Params {
  return rule.with === undefined ? shared : { ...shared, ...rule.with };
}

/** Keeps what a rule's `when` was compiled to while it was checked. Rules are frozen, and belong to one policy. */
export function rememberNode(rule: Rule, node: Node | undefined): void {
  if (node !== undefined) compiled.set(rule, node);
}
