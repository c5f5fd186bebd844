import { prepare } from '../cel/expression.ts';
import { factsEnvironment } from '../facts-environment.ts';
import { callText } from '../function-condition.ts';
import { type Condition, isCall, isLeaf, type Phase, type Rule } from '../policy.ts';
import type { Params } from '../template.ts';
import { withParams } from '../template.ts';
import { whenLimits } from '../when.ts';

/** Steps above which a rule is told to be slow; a step is about the work of one operator, some ten nanoseconds. */
export const slowSteps = 10_000;

/** Steps a rule's condition may take, by estimate: lists of unknown length count as a thousand elements. */
export function ruleCost(rule: Rule, params: Params): number {
  const phase = rule.on ?? 'request';
  if (rule.when !== undefined) return expressionCost(rule.when, phase, params);
  return rule.condition === undefined ? 0 : conditionCost(rule.condition, phase, params);
}

function expressionCost(text: string, phase: Phase, params: Params): number {
  return prepare(text, factsEnvironment(phase, params), { parameters: true, characters: whenLimits.characters }).cost;
}

function conditionCost(condition: Condition, phase: Phase, params: Params): number {
  if (isCall(condition)) return expressionCost(callText(condition), phase, params);
  if (!isLeaf(condition))
    return condition.conditions.reduce((sum, child) => sum + conditionCost(child, phase, params), 1);
  const value = condition.value === undefined ? undefined : withParams(condition.value, params);
  const values = Array.isArray(value) ? value.length : 1;
  switch (condition.operator) {
    case 'matches':
      return 100;
    case 'contains':
    case 'not_contains':
    case 'starts_with':
    case 'ends_with':
      return 10;
    case 'glob':
    case 'cidr':
      return 10 * values;
    case 'all':
      return values;
    default:
      return 1;
  }
}
