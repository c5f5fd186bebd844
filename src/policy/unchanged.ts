import type { Decision, Doubt, Obligation } from './decision.ts';
import { unmodified } from './obligations.ts';
import type { Phase } from './policy.ts';
import { inside, type Program } from './program.ts';

/**
 * A decision on a call of which nothing can be changed, since it goes through unread. What is asked of the call as a whole
 * stands: a limit on requests or calls at once, an approval, a tag. A rule that wanted anything else could not be enforced:
 * its `on_error` answers, as it does for a fact nobody could compute.
 */
export function withoutChanges(program: Program, phase: Phase, decision: Decision): Decision {
  if (decision.decision === 'deny') return decision;
  const wanted = decision.obligations.filter((one) => !ofTheWhole(one));
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
  const left = whatStands(decision);
  return { ...decision, ...left, ...headlineOf(decision, left.obligations, warnings), unable, warnings };
}

/** Can be done to a call whose content nobody knows. Tokens are not counted before they are told. */
function ofTheWhole(obligation: Obligation): boolean {
  if (obligation.type === 'throttle') return obligation.unit !== 'tokens';
  return obligation.type === 'add_tags' || obligation.type === 'approve';
}

/** The headline stands where something of it is left to do. */
function headlineOf(
  { decision, allowed }: Decision,
  left: readonly Obligation[],
  warnings: readonly string[],
): Pick<Decision, 'decision' | 'allowed'> {
  const stands = !['modify', 'throttle', 'approve'].includes(decision) || left.some(({ type }) => type === decision);
  return stands ? { decision, allowed } : { decision: warnings.length > 0 ? 'warn' : 'allow', allowed: true };
}

function denied(decision: Decision, ref: string, reason: string): Decision {
  const { status: _status, code: _code, ...rest } = decision;
  return { ...rest, ...whatStands(decision), decision: 'deny', allowed: false, reason, determining: [ref] };
}

function policyOf(
  rule: { readonly policy: { readonly metadata: { readonly id: string; readonly version: string } } } | undefined,
): Pick<Decision, 'policyId' | 'policyVersion'> {
  return rule === undefined ? {} : { policyId: rule.policy.metadata.id, policyVersion: rule.policy.metadata.version };
}

function whatStands({ obligations, modifications }: Decision): Pick<Decision, 'obligations' | 'modifications'> {
  const throttles = (modifications.throttles ?? []).filter(({ unit }) => unit !== 'tokens');
  return {
    obligations: obligations.filter(ofTheWhole),
    modifications: {
      ...unmodified.modifications,
      addTags: modifications.addTags,
      ...(throttles.length === 0 ? {} : { throttles }),
    },
  };
}
