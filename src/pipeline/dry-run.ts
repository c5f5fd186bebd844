import type { Decision } from '../policy/index.ts';
import type { Accepted } from './accept.ts';
import type { Decided } from './decide.ts';

/** `x-llm-dry-run`: what would happen, decided on real facts, without reserving or asking a provider. */
export function dryRun(decided: Decided): { tail: Buffer; headers: Record<string, string> } {
  const { decision, figures } = decided.verdict;
  const { provider, model } = figures.candidate;
  const { cost_usd } = figures;
  const { substitutions } = decided;
  return wouldHappen(decided, { decision, provider: provider.id, model, cost_usd, substitutions });
}

/** What would happen, as a reply of our own. */
export function wouldHappen(
  { requestId }: Accepted,
  would: {
    readonly decision: Decision;
    readonly provider: string;
    /** Undefined where nobody read it. */
    readonly model: string | undefined;
    readonly cost_usd: number | undefined;
    readonly substitutions: Decided['substitutions'];
  },
): { tail: Buffer; headers: Record<string, string> } {
  const body = {
    object: 'llm_policy.dry_run',
    decision: would.decision,
    provider: would.provider,
    model: would.model ?? null,
    estimated_cost_usd: would.cost_usd ?? null,
    substitutions: would.substitutions,
  };
  return {
    tail: Buffer.from(JSON.stringify(body)),
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'x-request-id': requestId,
      'x-llm-decision': would.decision.decision,
    },
  };
}
