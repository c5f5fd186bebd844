import type { Failure } from '../exchange/index.ts';
import type { AttemptOutcome, Circuit, Health } from './health.ts';
import type { Candidate } from './provider.ts';

export interface CircuitSettings {
  /** Failures in a row that open a circuit. */
  readonly failures: number;
  /** How long it stays open before one call may probe. */
  readonly open_ms: number;
}

/** Candidates remembered. Patterns let callers make up names: the one that failed longest ago is forgotten. */
const circuitsMax = 1000;

/**
 * A circuit breaker for each provider and model: opens after so many failures in a row, lets one call through after
 * `open_ms`, and closes when one is answered. Replies that break off count for themselves until one comes to its end, since
 * each began with an answer. `monotonic` is in ms. A probe whose end is never reported (its client went away) is followed
 * by another after `open_ms`.
 */
export function circuitBreaker(settings: CircuitSettings, monotonic: () => number): Health {
  const circuits = new Map<string, Circuit>();
  return {
    healthy: (candidate) => {
      if (circuits.size === 0) return true;
      const circuit = circuits.get(key(candidate));
      if (circuit?.probe_at_ms === undefined) return true;
      const now_ms = monotonic();
      if (now_ms < circuit.probe_at_ms) return false;
      circuit.probe_at_ms = now_ms + settings.open_ms;
      return true;
    },
    report: (candidate, outcome) => {
      if (circuits.size === 0 && isWell(outcome)) return;
      const name = key(candidate);
      const known = circuits.get(name);
      const circuit = known ?? { provider: candidate.provider.id, failures: 0, broken: 0, probe_at_ms: undefined };
      const ofReply = outcome.kind === 'completed' || outcome.kind === 'broken';
      const counted = ofReply ? 'broken' : 'failures';
      circuit[counted] = isWell(outcome) ? 0 : circuit[counted] + 1;
      if (circuit[counted] >= settings.failures) circuit.probe_at_ms = monotonic() + settings.open_ms;
      else if (!ofReply && circuit.failures === 0) circuit.probe_at_ms = undefined;
      circuits.delete(name);
      if (circuit.failures > 0 || circuit.broken > 0) circuits.set(name, circuit);
      if (circuits.size > circuitsMax) circuits.delete(circuits.keys().next().value ?? '');
    },
    open: () => {
      const open = [...circuits.values()].filter(({ probe_at_ms }) => probe_at_ms !== undefined);
      return new Set(open.map(({ provider }) => provider));
    },
    inherit: (from, providers) => {
      for (const [name, circuit] of from.circuits) if (providers.has(circuit.provider)) circuits.set(name, circuit);
    },
    circuits,
  };
}

function key(candidate: Candidate): string {
  return `${candidate.provider.id} ${candidate.model}`;
}

function isWell(outcome: AttemptOutcome): boolean {
  return outcome.kind === 'answered' || outcome.kind === 'completed' || !isSick(outcome.failure);
}

/** A refusal of one request is an answer. So is 429: the provider is well and says when to come back. */
function isSick(failure: Failure): boolean {
  if (failure.code === 'upstream_auth') return true;
  return failure.fault === 'provider' && failure.status >= 500;
}
