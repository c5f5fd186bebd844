import type { Failure } from '../exchange/index.ts';
import type { Decided } from './decide.ts';

/** `x-llm-dry-run`: what would happen, decided on real facts, without reserving or asking a provider. */
export function dryRun(decided: Decided): {
  failure: Failure | undefined;
  tail: Buffer;
  status: number;
  headers: Record<string, string>;
  headSent: boolean;
} {
  const { decision, figures } = decided.verdict;
  const body = {
    object: 'llm_policy.dry_run',
    decision,
    provider: figures.candidate.provider.id,
    model: figures.candidate.model,
    estimated_cost_usd: figures.cost_usd ?? null,
    substitutions: decided.substitutions,
  };
  return {
    failure: undefined,
    tail: Buffer.from(JSON.stringify(body)),
    status: 200,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'x-request-id': decided.requestId,
      'x-llm-decision': decision.decision,
    },
    headSent: false,
  };
}
