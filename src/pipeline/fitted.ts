import type { Candidate } from '../providers/index.ts';
import type { Amount, Refusal, Reserved } from '../stores/index.ts';
import { amountFor, type Hold, held, Refused, type Worst } from './admit.ts';
import { affordableOutput, limitName } from './affordable.ts';
import { countedInputMax } from './count-input.ts';
import type { Decided, Verdict } from './decide.ts';
import { redactedTexts } from './redact-request.ts';
import type { Walk } from './walk.ts';

/** Budgets a limit is fitted to, one after the other: each refusal names one. */
const fittingsMax = 8;

/**
 * Holds a call's worst case, and only where that does not fit looks closer: the input's tokens are counted exactly
 * instead of by a bound; then, where a rule lets it, the output is lowered to what the tightest budget affords. What is
 * held is always the whole worst case of what will be sent. Throws as `held` does.
 */
export async function fitted(
  walk: Walk,
  decided: Decided,
  candidate: Candidate,
  verdict: Verdict,
  worst: Worst,
  hold: (amount: Amount) => Promise<Reserved>,
): Promise<Hold> {
  const { limits } = decided.pinned;
  const first = await attempted(limits, worst, hold);
  if (!(first instanceof Refused)) return first;
  let refusal = first;
  let closer = worst;
  if (countsTokens(refusal.refusal)) {
    const redacted = redactedTexts(decided, verdict.decision);
    const counted = await countedInputMax(walk.tokens, decided.view, candidate, redacted);
    if (counted !== undefined && counted < worst.inputTokens) {
      closer = withOutput(decided, candidate, { ...worst, inputTokens: counted }, worst.output.held);
      const second = await attempted(limits, closer, hold);
      if (!(second instanceof Refused)) return second;
      refusal = second;
    }
  }
  const least = verdict.decision.modifications.affordableTokensMin;
  for (let fitting = 0; least !== undefined && fitting < fittingsMax; fitting += 1) {
    const affordable = affordableOutput(
      decided,
      candidate,
      closer.inputTokens,
      closer.output.held - 1,
      refusal.refusal,
    );
    if (affordable === undefined || affordable < least) break;
    closer = withOutput(decided, candidate, closer, affordable);
    const output = { held: affordable, most: affordable, splice: affordable };
    const next = await attempted(limits, { ...closer, output }, hold);
    if (!(next instanceof Refused)) return { ...next, limitedBy: limitName(refusal.refusal) };
    refusal = next;
  }
  throw refusal;
}

async function attempted(
  limits: Decided['pinned']['limits'],
  worst: Worst,
  hold: (amount: Amount) => Promise<Reserved>,
): Promise<Hold | Refused> {
  try {
    return await held(limits, worst, () => hold(worst.amount));
  } catch (thrown) {
    if (thrown instanceof Refused) return thrown;
    throw thrown;
  }
}

function withOutput(decided: Decided, candidate: Candidate, worst: Worst, output: number): Worst {
  return {
    inputTokens: worst.inputTokens,
    output: { ...worst.output, held: output },
    amount: amountFor(decided, candidate, worst.inputTokens, output),
  };
}

/** Whether fewer tokens could make the call fit. */
function countsTokens(refusal: Refusal): boolean {
  return refusal.kind === 'budget'
    ? refusal.budget.unit !== 'requests'
    : refusal.rate.unit !== 'requests' && refusal.rate.unit !== 'concurrent';
}
