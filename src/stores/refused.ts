import type { Refusal, Reserved } from './ledger.ts';

export type Refused = Extract<Reserved, { outcome: 'refused' }>;

/** What others hold comes back when some call ends: nobody knows when, so a caller is asked to come back soon. */
const soon_ms = 1_000;

/** Milliseconds until a limit has room for the call, as far as it can be known: infinite where it never will, at its size. */
function lasts_ms(refusal: Refusal, now_ms: number): number {
  if (refusal.kind === 'rate') {
    return refusal.asked > refusal.rate.limit ? Number.POSITIVE_INFINITY : refusal.retry_after_ms;
  }
  const { asked, limit, spent, resets_at_ms } = refusal;
  if (asked > limit) return Number.POSITIVE_INFINITY;
  if (spent + asked <= limit) return soon_ms;
  return resets_at_ms === 0 ? Number.POSITIVE_INFINITY : resets_at_ms - now_ms;
}

/**
 * The answer where limits have no room (at least one, in the order asked): it names the one that lasts longest, for
 * whoever comes back when a shorter one is over is refused again.
 */
export function refusedBy(refusals: readonly Refusal[], now_ms: number): Refused {
  const [first, ...more] = refusals;
  if (first === undefined) throw new Error('no limit refused');
  let longest = first;
  for (const one of more) if (lasts_ms(one, now_ms) > lasts_ms(longest, now_ms)) longest = one;
  return { outcome: 'refused', refusal: longest, ...(more.length === 0 ? {} : { refusals }) };
}
