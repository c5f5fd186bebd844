import { factOf } from './facts.ts';
import { callText } from './function-condition.ts';
import { branch, leafNode, type Node } from './node.ts';
import { type Condition, isCall, isLeaf, type Phase } from './policy.ts';
import { canonicalTypes } from './rails.ts';
import { type Params, withParams } from './template.ts';
import { compileWhen } from './when.ts';

/** Compiles a validated condition. */
export function compileCondition(condition: Condition, params: Params, phase: Phase): Node {
  if (isCall(condition)) return compileWhen(callText(condition), phase, params);
  if (isLeaf(condition)) {
    const fact = factOf(condition.field);
    if (fact === undefined) throw new TypeError(`unknown fact ${condition.field}`);
    const value =
      condition.value === undefined ? undefined : canonicalTypes(fact.name, withParams(condition.value, params));
    return leafNode(condition.operator, fact, value);
  }
  return branch(
    condition.operator,
    condition.conditions.map((child) => compileCondition(child, params, phase)),
  );
}
