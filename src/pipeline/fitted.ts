import type { Candidate } from '../providers/index.ts';
import { type Amount, type Refusal, type Reserved, refusalsOf } from '../stores/index.ts';
import { amountFor, type Hold, held, type Worst } from './admit.ts';
import { affordableOutput, limitName } from './affordable.ts';
import type { CallLimits } from './call-limits.ts';
import { countedInputMax } from './count-input.ts';
import type { Decided, Verdict } from './decide.ts';
import type { OutputBound } from './estimate.ts';
import { preambleTokensMax } from './preamble.ts';
import { sent } from './sent.ts';
import type { Walk } from './walk.ts';

/** Budgets a limit is fitted to, one after the other: each refusal names one. */
const fittingsMax = 8;

/** What was asked for last. */
interface Fit {
  readonly worst: Worst;
  /** The limit that lowered the output, where one did. */
  readonly limitedBy: string | undefined;
}

/**
 * Holds a call's worst case, and only where that does not fit looks closer: the input's tokens are counted exactly
 * instead of by a bound; then, where a rule lets it, the output is lowered to what the tightest budget affords. Where it
 * does not fit even so, it waits in line if the limit lets it, and is fitted anew when it is its turn. What is held is
 * always the whole worst case of what will be sent. `first` is what was said to the worst case just before, where somebody
 * asked. Throws as `held` does.
 */
export async function fitted(
  walk: Walk,
  decided: Decided,
  candidate: Candidate,
  verdict: Verdict,
  worst: Worst,
  limits: CallLimits,
  hold: (amount: Amount) => Promise<Reserved>,
  first?: Reserved,
): Promise<Hold> {
  let fit: Fit = { worst, limitedBy: undefined };
  let counted: Promise<number | undefined> | undefined;
  let told = first;
  const ask = async (): Promise<Reserved> => {
    fit = { worst, limitedBy: undefined };
    let reserved = told ?? (await hold(worst.amount));
    told = undefined;
    if (reserved.outcome === 'held') return reserved;
    if (refusalsOf(reserved).some(countsTokens)) {
      const { view, redacted } = sent(decided, verdict);
      counted ??= countedInputMax(walk.tokens, view, candidate, redacted);
      const exact = await counted;
      const inputTokens = exact === undefined ? undefined : exact + preambleTokensMax(verdict.decision);
      if (inputTokens !== undefined && inputTokens < worst.inputTokens) {
        const closer = withOutput(decided, candidate, verdict, { ...worst, inputTokens }, worst.output);
        fit = { worst: closer, limitedBy: undefined };
        reserved = await hold(closer.amount);
        if (reserved.outcome === 'held') return reserved;
      }
    }
    const least = verdict.decision.modifications.affordableTokensMin;
    for (let fitting = 0; least !== undefined && fitting < fittingsMax; fitting += 1) {
      // What the first leaves may be little enough for the others as well.
      const [first] = refusalsOf(reserved);
      const affordable = affordableOutput(decided, candidate, verdict, fit.worst, first);
      if (affordable === undefined || affordable < least) break;
      const lower = { ...fit.worst.output, held: affordable, most: affordable, splice: affordable };
      const capped = withOutput(decided, candidate, verdict, fit.worst, lower);
      fit = { worst: capped, limitedBy: limitName(first) };
      reserved = await hold(capped.amount);
      if (reserved.outcome === 'held') return reserved;
    }
    return reserved;
  };
  const { budgets, rates, kept } = await held(walk, decided, limits, { amount: worst.amount }, ask);
  const { limitedBy } = fit;
  const amount = kept ? fit.worst.amount : nothing;
  return { ...fit.worst, amount, budgets, rates, kept, ...(limitedBy === undefined ? {} : { limitedBy }) };
}

const nothing: Amount = { nusd: 0, tokens: 0 };

function withOutput(
  decided: Decided,
  candidate: Candidate,
  verdict: Verdict,
  { inputTokens }: Worst,
  output: OutputBound,
): Worst {
  return { inputTokens, output, amount: amountFor(decided, candidate, verdict, inputTokens, output) };
}

/** Whether fewer tokens could make the call fit. */
function countsTokens(refusal: Refusal): boolean {
  return refusal.kind === 'budget'
    ? refusal.budget.unit !== 'requests'
    : refusal.rate.unit !== 'requests' && refusal.rate.unit !== 'concurrent';
}
