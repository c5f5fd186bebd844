import type { Decision, Doubt } from './decision.ts';
import { unmodified } from './obligations.ts';
import type { Phase } from './policy.ts';
import { inside, type Program } from './program.ts';

/**
 * A decision on a call of which nothing can be changed, since it goes through unread. A rule that wanted a change could
 * not be enforced: its `on_error` answers, as it does for a fact nobody could compute.
 */
export function withoutChanges(program: Program, phase: Phase, decision: Decision): Decision {
  if (decision.decision === 'deny') return decision;
  const wanted = decision.obligations.filter(({ type }) => type !== 'add_tags');
  if (wanted.length === 0) return decision;
  const { rules } = inside(program).tables[phase];
  const unable: Doubt[] = [...decision.unable];
  const warnings: string[] = [...decision.warnings];
  for (const { type, rule: ref } of wanted) {
    const rule = rules.find((one) => one.ref === ref);
    const reason = `Could not be enforced: ${type} (the call goes through unread)`;
    unable.push({ rule: ref, fact: type, reason: 'uninspected' });
    if (rule?.onError === 'warn') warnings.push(reason);
    else if (rule?.onError !== 'skip') return { ...denied(decision, ref, reason), ...policyOf(rule), unable };
  }
  const changed = ['modify', 'throttle', 'approve'].includes(decision.decision);
  const headline = changed ? (warnings.length > 0 ? 'warn' : 'allow') : decision.decision;
  return { ...decision, ...nothing(decision), decision: headline, allowed: true, unable, warnings };
}

function denied(decision: Decision, ref: string, reason: string): Decision {
  const { status: _status, code: _code, ...rest } = decision;
  return { ...rest, ...nothing(decision), decision: 'deny', allowed: false, reason, determining: [ref] };
}

function policyOf(
  rule: { readonly policy: { readonly metadata: { readonly id: string; readonly version: string } } } | undefined,
): Pick<Decision, 'policyId' | 'policyVersion'> {
  return rule === undefined ? {} : { policyId: rule.policy.metadata.id, policyVersion: rule.policy.metadata.version };
}

function nothing({ obligations, modifications }: Decision): Pick<Decision, 'obligations' | 'modifications'> {
  return {
    obligations: obligations.filter(({ type }) => type === 'add_tags'),
    modifications: { ...unmodified.modifications, addTags: modifications.addTags },
  };
}
