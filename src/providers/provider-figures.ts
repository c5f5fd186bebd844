import type { Health } from './health.ts';

/** How a provider did of late: of the last minutes, and of so many of its last attempts. */
export interface ProviderFigures {
  /** False while a circuit of one of its models is open. */
  readonly healthy: boolean;
  /** 0 to 1; undefined where nothing was tried. */
  readonly errorRate: number | undefined;
  /** Mean milliseconds to the first byte of answers; undefined where there was none. */
  readonly latency_ms: number | undefined;
}

/** A `Health` that also tells how providers did. */
export interface MeasuredHealth extends Health {
  figures(provider: string): ProviderFigures;
}

const window_ms = 5 * 60_000;
/** Attempts remembered of a provider. */
const attempts_max = 200;

interface Seen {
  readonly at_ms: number;
  readonly failed: boolean;
  readonly first_byte_ms: number | undefined;
}

/** Measures what is reported to a health judge. `monotonic` is in ms. A refusal of one request is no failure of a provider. */
export function measured(health: Health, monotonic: () => number): MeasuredHealth {
  const seen = new Map<string, Seen[]>();
  return {
    healthy: (candidate) => health.healthy(candidate),
    open: () => health.open(),
    inherit: (from, providers) => health.inherit(from, providers),
    circuits: health.circuits,
    report(candidate, outcome) {
      health.report(candidate, outcome);
      if (outcome.kind === 'completed') return;
      const { id } = candidate.provider;
      const attempts = seen.get(id) ?? [];
      seen.set(id, attempts);
      const answered = outcome.kind === 'answered';
      const failed = !answered && (outcome.failure.code === 'upstream_auth' || outcome.failure.status >= 500);
      if (outcome.kind === 'broken') {
        // It was counted as an answer when it began.
        const at = failed ? attempts.findLastIndex((attempt) => !attempt.failed) : -1;
        const [began] = at < 0 ? [] : attempts.splice(at, 1);
        if (began !== undefined) attempts.push({ ...began, failed: true });
        return;
      }
      attempts.push({
        at_ms: monotonic(),
        failed,
        first_byte_ms: answered ? outcome.first_byte_ms : undefined,
      });
      if (attempts.length > attempts_max) attempts.shift();
    },
    figures(provider) {
      const since = monotonic() - window_ms;
      const attempts = (seen.get(provider) ?? []).filter(({ at_ms }) => at_ms >= since);
      const answers = attempts.flatMap(({ first_byte_ms }) => (first_byte_ms === undefined ? [] : [first_byte_ms]));
      return {
        healthy: !health.open().has(provider),
        errorRate: attempts.length === 0 ? undefined : attempts.filter(({ failed }) => failed).length / attempts.length,
        latency_ms: answers.length === 0 ? undefined : answers.reduce((sum, one) => sum + one, 0) / answers.length,
      };
    },
  };
}
