import type { Failure } from '../exchange/index.ts';

/** Figures of the section `routing`. */
export interface RetryPolicy {
  readonly backoff_ms: number;
  readonly backoff_max_ms: number;
  readonly retry_after_max_ms: number;
}

/** Whether the same candidate may answer if asked again: the provider's doing, and it (or the table) says so. */
export function retryable(failure: Failure): boolean {
  return failure.fault === 'provider' && failure.retryable;
}

/**
 * Whether another candidate may answer. Beyond what may be retried: our credentials there are refused, or the model is
 * not there (404); what is wrong with the request itself would be wrong everywhere.
 */
export function fallsBack(failure: Failure): boolean {
  return (
    retryable(failure) ||
    failure.code === 'upstream_auth' ||
    (failure.code === 'upstream_error' && failure.status === 404)
  );
}

/**
 * Milliseconds to wait before the next try of the same candidate; `attempt` is 1 after the first failure, `random` 0 to
 * 1. Exponential with jitter over the upper half, so a crowd spreads and nobody comes back at once; never less than the
 * provider's Retry-After. Undefined: it asks for a longer wait than we are ready for, try elsewhere or give up.
 */
export function backoff_ms(failure: Failure, attempt: number, random: number, policy: RetryPolicy): number | undefined {
  const asked_ms = (failure.detail.retryAfterSeconds ?? 0) * 1000;
  if (asked_ms > policy.retry_after_max_ms) return undefined;
  const ceiling = Math.min(policy.backoff_max_ms, policy.backoff_ms * 2 ** Math.max(0, attempt - 1));
  const jittered = Math.round(ceiling / 2 + (ceiling / 2) * random);
  // Spread beyond the asked moment too: all that were refused together were told the same second.
  return asked_ms === 0 ? jittered : asked_ms + Math.round((policy.backoff_ms / 2) * random);
}
