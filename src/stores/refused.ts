import type { BudgetState, Refusal, Reserved } from './ledger.ts';

export type Refused = Extract<Reserved, { outcome: 'refused' }>;

/** What others hold comes back when some call ends: nobody knows when, so a caller is asked to come back soon. */
const soon_ms = 1_000;

/** A budget's refusal, at a moment of the ledger's clock. */
export function refusedByBudget(asked: number, state: BudgetState, now_ms: number): Refusal {
  const resets_in_ms = state.resets_at_ms === 0 ? 0 : Math.max(0, state.resets_at_ms - now_ms);
  return { kind: 'budget', asked, ...state, resets_in_ms };
}

/** Milliseconds until a limit has room for the call, as far as it can be known: infinite where it never will, at its size. */
function lasts_ms(refusal: Refusal): number {
  if (refusal.kind === 'rate') {
    return refusal.asked > refusal.rate.limit ? Number.POSITIVE_INFINITY : refusal.retry_after_ms;
  }
  const { asked, limit, spent, resets_at_ms, resets_in_ms } = refusal;
  if (asked > limit) return Number.POSITIVE_INFINITY;
  if (spent + asked <= limit) return soon_ms;
  return resets_at_ms === 0 ? Number.POSITIVE_INFINITY : resets_in_ms;
}

/** All limits that refused, in the order asked. */
export function refusalsOf({ refusal, refusals }: Refused): readonly [Refusal, ...Refusal[]] {
  const [first = refusal, ...more] = refusals ?? [];
  return [first, ...more];
}

/**
 * The answer where limits have no room (at least one, in the order asked): it names the one that lasts longest, for
 * whoever comes back when a shorter one is over is refused again.
 */
export function refusedBy(refusals: readonly Refusal[]): Refused {
  const [first, ...more] = refusals;
  if (first === undefined) throw new Error('no limit refused');
  let longest = first;
  for (const one of more) if (lasts_ms(one) > lasts_ms(longest)) longest = one;
  return { outcome: 'refused', refusal: longest, ...(more.length === 0 ? {} : { refusals }) };
}
