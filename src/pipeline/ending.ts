import { asFailure, Failure } from '../exchange/index.ts';
import { type Ending, SpoolUnavailable } from '../observe/index.ts';
import type { Decision } from '../policy/index.ts';
import type { Accepted } from './accept.ts';
import type { Walk } from './walk.ts';

/** What was thrown on the way, in the words of the closed table. */
export function failureOf(thrown: unknown): Failure {
  if (!(thrown instanceof SpoolUnavailable)) return asFailure(thrown);
  return new Failure('audit_unavailable', 'The audit trail cannot be written, so nothing is sent.', {
    retryAfterSeconds: 5,
    cause: thrown,
  });
}

/** How an exchange ended that failed before anything of a reply had left. */
export function endingOf({ fault }: Failure): Ending {
  return fault === 'policy' || fault === 'budget' || fault === 'caller' ? 'denied' : 'failed';
}

/** A rule that asks for somebody to be told: one line, without what was said. */
export function askAttention(walk: Walk, { id }: Accepted, decision: Decision | undefined): void {
  if (decision?.audit?.alert !== true) return;
  const [rule] = decision.matchedRules;
  walk.log.warn('a policy asks for attention', { exchange: id, decision: decision.decision, rule });
}

/** Counts in the counters that the rules of a decision name. */
export function countRules({ metrics }: Walk, decision: Decision | undefined): void {
  if (decision === undefined) return;
  for (const rule in decision.metrics) {
    for (const counter of decision.metrics[rule] ?? []) metrics.rule(counter, rule);
  }
}
