import type { Failure } from '../exchange/index.ts';
import type { AttemptOutcome, Health } from './health.ts';
import type { Candidate } from './provider.ts';

export interface CircuitSettings {
  /** Failures in a row that open a circuit. */
  readonly failures: number;
  /** How long it stays open before one call may probe. */
  readonly open_ms: number;
}

interface Circuit {
  readonly provider: string;
  failures: number;
  /** When it may be probed; undefined while closed. */
  probe_at_ms: number | undefined;
}

/** Candidates remembered. Patterns let callers make up names: the one that failed longest ago is forgotten. */
const circuitsMax = 1000;

/**
 * A circuit breaker for each provider and model: opens after so many failures in a row, lets one call through after
 * `open_ms`, and closes when one is answered. `monotonic` is in ms. A probe whose end is never reported (its client went
 * away) is followed by another after `open_ms`.
 */
export function circuitBreaker(settings: CircuitSettings, monotonic: () => number): Health {
  const circuits = new Map<string, Circuit>();
  return {
    healthy: (candidate) => {
      const circuit = circuits.get(key(candidate));
      if (circuit?.probe_at_ms === undefined) return true;
      const now_ms = monotonic();
      if (now_ms < circuit.probe_at_ms) return false;
      circuit.probe_at_ms = now_ms + settings.open_ms;
      return true;
    },
    report: (candidate, outcome) => {
      const name = key(candidate);
      if (isWell(outcome)) {
        if (circuits.size > 0) circuits.delete(name);
        return;
      }
      const circuit = circuits.get(name) ?? { provider: candidate.provider.id, failures: 0, probe_at_ms: undefined };
      circuit.failures += 1;
      if (circuit.failures >= settings.failures) circuit.probe_at_ms = monotonic() + settings.open_ms;
      circuits.delete(name);
      circuits.set(name, circuit);
      if (circuits.size > circuitsMax) circuits.delete(circuits.keys().next().value ?? '');
    },
    open: () => {
      const open = [...circuits.values()].filter(({ probe_at_ms }) => probe_at_ms !== undefined);
      return new Set(open.map(({ provider }) => provider));
    },
  };
}

function key(candidate: Candidate): string {
  return `${candidate.provider.id} ${candidate.model}`;
}

function isWell(outcome: AttemptOutcome): boolean {
  return outcome.kind === 'answered' || !isSick(outcome.failure);
}

/** A refusal of one request is an answer. So is 429: the provider is well and says when to come back. */
function isSick(failure: Failure): boolean {
  if (failure.code === 'upstream_auth') return true;
  return failure.fault === 'provider' && failure.status >= 500;
}
