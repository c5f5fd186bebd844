import { type Decision, decide, type FactTree } from '../policy/index.ts';
import type { Admitted } from './admit.ts';
import type { Attempts } from './attempts.ts';
import type { Guarded } from './guard.ts';
import type { Cost } from './settle.ts';
import type { Walk } from './walk.ts';

/** The rules on `settle`, where there are any: they read what the exchange cost and how it ended, and only tell. */
export function decideSettled(
  walk: Walk,
  admitted: Admitted,
  attempts: Attempts,
  guarded: Guarded | undefined,
  cost: Cost,
): Decision | undefined {
  const { program } = admitted.pinned;
  if (!program.has('settle')) return undefined;
  const response = {
    text: guarded?.meter.text,
    finishReason: guarded?.meter.finishReason,
    tokens: cost.usage.output,
    cost: cost.nusd / 1e9,
    latency_ms: walk.monotonic() - admitted.started,
  };
  return decide(program, 'settle', { ...attempts.verdict.facts, response } as FactTree);
}
