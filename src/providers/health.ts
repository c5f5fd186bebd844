import type { Failure } from '../exchange/index.ts';
import type { Candidate } from './provider.ts';

/** How an attempt ended, for whoever judges a candidate's health. */
export type AttemptOutcome =
  | { readonly kind: 'answered'; readonly first_byte_ms: number }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** Says which candidates are worth trying. The circuit breaker's place. */
export interface Health {
  /** Whether to try it now. Asked once an attempt, so a breaker may let one call through as a probe. */
  healthy(candidate: Candidate): boolean;
  /** Told of every attempt's end but those the client aborted. */
  report(candidate: Candidate, outcome: AttemptOutcome): void;
  /** Ids of providers with a candidate that is not tried now, for the metrics. */
  open(): ReadonlySet<string>;
}

/** Tries everything: what the walk uses while no circuit is configured. */
export const alwaysHealthy: Health = {
  healthy: () => true,
  report: () => {},
  open: () => new Set(),
};
