import type { Coverage } from '../coverage.ts';
import { type Policy, phases } from '../policy.ts';
import { inside, type Program } from '../program.ts';
import { judgeCondition } from './conditions.ts';
import { type Finding, findingCodes, type LintReport } from './finding.ts';
import { flatFacts } from './flat.ts';
import { judgePairs, pairsMax } from './pairs.ts';
import { Places } from './places.ts';
import { remarksOn } from './writing.ts';

export interface LintInput {
  /** Compiled together: what rules are to each other is a matter of the set. */
  readonly program: Program;
  readonly policies: readonly Policy[];
  /** The texts they came from, under the names in their `source`: for lines and columns. */
  readonly files: readonly { readonly file: string; readonly text: string }[];
  /** What their tests saw; without it nothing is said about tests. */
  readonly tested?: Coverage | undefined;
}

/**
 * Finds what is doubtful in policies that load: rules that can never match or never matter, that say the same or
 * contradict each other, and how they are written. What is said about facts is proved: each finding brings the
 * comparisons that cannot be had together, or facts that were decided on and show it.
 */
export function lint({ program, policies, files, tested }: LintInput): LintReport {
  const places = new Places(files);
  const findings: Finding[] = [];
  const unanalysed: { rule: string; why: string }[] = [];
  for (const policy of policies) {
    const seen =
      tested &&
      ((rule: { readonly id: string }) =>
        tested.matched(policy.metadata.namespace, `${policy.metadata.id}/${rule.id}`));
    const live = policy.status !== 'draft' && policy.status !== 'disabled';
    for (const { place, parameter: _, ...remark } of ownRemarks(program, policy, places, live ? seen : undefined))
      findings.push({ ...place, severity: findingCodes[remark.code], ...remark });
  }
  for (const phase of phases) {
    const { rules } = inside(program).tables[phase];
    for (const rule of rules) {
      const { claims, unanalysed: why } = judgeCondition(rule);
      if (why !== undefined) unanalysed.push({ rule: rule.ref, why });
      for (const { code, message, proof } of claims) {
        const place = places.ofRule(rule.policy, rule.rule.id, 'condition', 'when');
        findings.push({ ...place, code, severity: findingCodes[code], rule: rule.ref, message, proof });
      }
    }
    const pairs = judgePairs(program, phase);
    if (pairs === undefined)
      unanalysed.push({ rule: `rules on ${phase}`, why: `what they are to each other: more than ${pairsMax} pairs` });
    for (const { code, rule, other, message, proof, facts, decision } of pairs ?? [])
      findings.push({
        ...places.ofRule(rule.policy, rule.rule.id),
        code,
        severity: findingCodes[code],
        rule: rule.ref,
        other: other.ref,
        message,
        ...(proof.length === 0 ? {} : { proof }),
        facts: flatFacts(facts),
        decision: `${decision.decision}${decision.determining.length === 0 ? '' : ` by ${decision.determining.join(', ')}`}`,
      });
  }
  findings.sort((a, b) => order(a.file, b.file) || a.line - b.line || a.column - b.column || order(a.code, b.code));
  return { findings, unanalysed };
}

/** Of a policy that extends another, as far as its own text says it: what its base says is the base's matter. */
function ownRemarks(program: Program, policy: Policy, places: Places, seen: Parameters<typeof remarksOn>[2]) {
  if (policy.extends === undefined) return remarksOn(policy, places, seen);
  const { id, namespace } = policy.metadata;
  const whole = inside(program).parts.members.find(
    ({ policy: { metadata } }) => metadata.id === id && metadata.namespace === namespace,
  )?.policy;
  return remarksOn(whole ?? policy, places, seen).filter(({ rule, parameter }) =>
    parameter === undefined
      ? !rule.includes('/') || places.says(policy, 'rules', rule.slice(id.length + 1))
      : places.says(policy, 'params', parameter),
  );
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
