import type { Policy, Rule } from '../policy.ts';
import { withParams } from '../template.ts';
import { ruleCost, slowSteps } from './cost.ts';
import type { FindingCode } from './finding.ts';
import type { Place, Places } from './places.ts';
import { unboundedIn } from './unbounded.ts';

/** Something about how a policy is written, with its place. */
export interface Remark {
  readonly place: Place;
  readonly code: FindingCode;
  readonly rule: string;
  /** The parameter it is about; undefined for a rule's. */
  readonly parameter?: string;
  readonly message: string;
}

/** What can be seen without asking which facts there are. `matched` tells of a rule whether a test made it match. */
export function remarksOn(
  policy: Policy,
  places: Places,
  matched: ((rule: Rule) => boolean) | undefined,
): readonly Remark[] {
  const { id } = policy.metadata;
  const active = policy.rules.filter(({ enabled }) => enabled !== false);
  return [
    ...unusedParameters(policy).map(
      (name): Remark => ({
        place: places.ofPolicy(policy, ['params', name]),
        code: 'unused-parameter',
        rule: id,
        parameter: name,
        message: `the parameter ${name} is used by no rule`,
      }),
    ),
    ...(matched === undefined ? [] : untested(policy, active, places, matched)),
    ...active.flatMap((rule) => ruleRemarks(policy, rule, places)),
  ];
}

function unusedParameters({ params = {}, metadata, source, params: _, ...rest }: Policy): readonly string[] {
  const text = JSON.stringify(rest).replaceAll('\\"', '"');
  return Object.keys(params).filter(
    (name) => !new RegExp(`\\bparams(?:\\.${name}\\b|\\[["']${name}["']\\])`).test(text),
  );
}

function untested(
  policy: Policy,
  rules: readonly Rule[],
  places: Places,
  matched: (rule: Rule) => boolean,
): readonly Remark[] {
  const bare = rules.filter((rule) => !matched(rule));
  const { id } = policy.metadata;
  if (bare.length === rules.length && rules.length > 1)
    return [
      {
        place: places.ofPolicy(policy),
        code: 'missing-test',
        rule: id,
        message: 'no test makes any of its rules match',
      },
    ];
  return bare.map((rule) => ({
    place: places.ofRule(policy, rule.id),
    code: 'missing-test',
    rule: `${id}/${rule.id}`,
    message: 'no test makes it match',
  }));
}

function ruleRemarks(policy: Policy, rule: Rule, places: Places): readonly Remark[] {
  const ref = `${policy.metadata.id}/${rule.id}`;
  const action = rule.action.action ?? rule.action;
  const remarks: Remark[] = [];
  const told = action.decision === 'deny' || action.decision === 'warn';
  if (told && action.reason === undefined && rule.name === undefined)
    remarks.push({
      place: places.ofRule(policy, rule.id, 'action'),
      code: 'missing-reason',
      rule: ref,
      message: `it ${action.decision === 'deny' ? 'denies' : 'warns'} without a reason for the caller`,
    });
  const cost = ruleCost(rule, policy.params ?? {});
  if (cost > slowSteps)
    remarks.push({
      place: places.ofRule(policy, rule.id, 'when', 'condition'),
      code: 'slow-rule',
      rule: ref,
      message: `it may take about ${cost} steps; rules are quick below ${slowSteps}`,
    });
  for (const source of [
    ...new Set((action.redact?.patterns ?? []).map((one) => String(withParams(one, policy.params ?? {})))),
  ]) {
    const part = unboundedIn(source);
    if (part === undefined) continue;
    remarks.push({
      place: places.ofRule(policy, rule.id, 'action'),
      code: 'unbounded-pattern',
      rule: ref,
      message: `${part} in ${source} has no end: a match may take the rest of a text with it; bound it, such as {0,200}`,
    });
  }
  return remarks;
}
