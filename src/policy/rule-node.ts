import { compileCondition } from './condition.ts';
import type { Node } from './node.ts';
import type { Rule } from './policy.ts';
import type { Params } from './template.ts';
import { compileWhen } from './when.ts';

/** What a checked rule asks, whichever way it says it; undefined where it always matches. */
export function nodeOf(rule: Rule, params: Params): Node | undefined {
  const phase = rule.on ?? 'request';
  if (rule.when !== undefined) return compileWhen(rule.when, phase, params);
  return rule.condition === undefined ? undefined : compileCondition(rule.condition, params, phase);
}
