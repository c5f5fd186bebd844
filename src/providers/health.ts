import type { Failure } from '../exchange/index.ts';
import type { Candidate } from './provider.ts';

/**
 * How an attempt went, for whoever judges a candidate's health: first whether it was answered, and later, of one that was,
 * whether the reply came to its end.
 */
export type AttemptOutcome =
  | { readonly kind: 'answered'; readonly first_byte_ms: number }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'completed' }
  | { readonly kind: 'broken'; readonly failure: Failure };

/** Says which candidates are worth trying. The circuit breaker's place. */
export interface Health {
  /** Whether to try it now. Asked once an attempt, so a breaker may let one call through as a probe. */
  healthy(candidate: Candidate): boolean;
  /** Told of every attempt's end but those the client aborted. */
  report(candidate: Candidate, outcome: AttemptOutcome): void;
  /** Ids of providers with a candidate that is not tried now, for the metrics. */
  open(): ReadonlySet<string>;
  /** Knows what another knew of these providers, when the configuration is another one. */
  inherit(from: Health, providers: ReadonlySet<string>): void;
  /** Circuits by candidate. */
  readonly circuits: ReadonlyMap<string, Circuit>;
}

/** What is remembered of a candidate that failed. */
export interface Circuit {
  readonly provider: string;
  /** Tries in a row that were not answered. */
  failures: number;
  /** Replies in a row that did not come to their end. */
  broken: number;
  /** When it may be probed; undefined while closed. */
  probe_at_ms: number | undefined;
}

/** Tries everything: what the walk uses while no circuit is configured. */
export const alwaysHealthy: Health = {
  healthy: () => true,
  report: () => {},
  open: () => new Set(),
  inherit: () => {},
  circuits: new Map(),
};
