import type { Candidate } from '../providers/index.ts';
import type { Refusal } from '../stores/index.ts';
import { amountFor, type Worst } from './admit.ts';
import type { Decided, Verdict } from './decide.ts';

/**
 * The most output tokens a choice may have, fewer than were asked for, so that the call fits the budget that refused it, at
 * the dearest reading of the request. Undefined where no number of tokens helps: a rate, a budget of requests, or the input alone is too much.
 */
export function affordableOutput(
  decided: Decided,
  candidate: Candidate,
  verdict: Verdict,
  { inputTokens, output: { held, predicted }, amount }: Worst,
  refusal: Refusal,
): number | undefined {
  if (refusal.kind !== 'budget' || refusal.budget.unit === 'requests') return undefined;
  const { unit } = refusal.budget;
  // A fallback holds already: only what it takes besides was asked for.
  const left = refusal.limit - refusal.spent - refusal.held + (amount[unit] - refusal.asked);
  const fits = (output: number): boolean =>
    amountFor(decided, candidate, verdict, inputTokens, { held: output, predicted })[unit] <= left;
  if (!fits(1)) return undefined;
  // A call's price never falls with its output, so the largest that fits is found by halving.
  let [low, high] = [1, held - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Whose limit it is, in words without a person's name: "the day budget of team 'research'". */
export function limitName(refusal: Refusal): string {
  const { scope } = refusal.kind === 'budget' ? refusal.budget : refusal.rate;
  const who = scope.kind === 'user' || scope.kind === 'key' ? `the ${scope.kind}` : `${scope.kind} '${scope.id}'`;
  return refusal.kind === 'budget' ? `the ${refusal.budget.window} budget of ${who}` : `the rate of ${who}`;
}
