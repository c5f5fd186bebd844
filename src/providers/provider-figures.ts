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

/** The last attempts of one provider, in a ring: numbers in place, so that a call leaves nothing behind. */
class Seen {
  readonly #at_ms = new Float64Array(attempts_max);
  readonly #failed = new Uint8Array(attempts_max);
  /** NaN where none came. */
  readonly #first_byte_ms = new Float64Array(attempts_max);
  #count = 0;

  add(at_ms: number, failed: boolean, first_byte_ms: number): void {
    const at = this.#count % attempts_max;
    this.#count += 1;
    this.#at_ms[at] = at_ms;
    this.#failed[at] = failed ? 1 : 0;
    this.#first_byte_ms[at] = first_byte_ms;
  }

  /** The last one that was counted as an answer when it began is none. */
  broke(): void {
    for (let back = 1; back <= Math.min(this.#count, attempts_max); back += 1) {
      const at = (this.#count - back) % attempts_max;
      if (this.#failed[at] === 1) continue;
      this.#failed[at] = 1;
      return;
    }
  }

  /** Of the attempts since then. */
  since(since_ms: number): Pick<ProviderFigures, 'errorRate' | 'latency_ms'> {
    const [attempts, answers] = [
      { count: 0, failed: 0 },
      { count: 0, sum_ms: 0 },
    ];
    for (let at = 0; at < Math.min(this.#count, attempts_max); at += 1) {
      if ((this.#at_ms[at] ?? 0) < since_ms) continue;
      attempts.count += 1;
      attempts.failed += this.#failed[at] ?? 0;
      const first_byte_ms = this.#first_byte_ms[at] ?? Number.NaN;
      if (Number.isNaN(first_byte_ms)) continue;
      answers.count += 1;
      answers.sum_ms += first_byte_ms;
    }
    return {
      errorRate: attempts.count === 0 ? undefined : attempts.failed / attempts.count,
      latency_ms: answers.count === 0 ? undefined : answers.sum_ms / answers.count,
    };
  }
}

const nothing = { errorRate: undefined, latency_ms: undefined };

/** Measures what is reported to a health judge. `monotonic` is in ms. A refusal of one request is no failure of a provider. */
export function measured(health: Health, monotonic: () => number): MeasuredHealth {
  const seen = new Map<string, Seen>();
  return {
    healthy: (candidate) => health.healthy(candidate),
    open: () => health.open(),
    inherit: (from, providers) => health.inherit(from, providers),
    circuits: health.circuits,
    report(candidate, outcome) {
      health.report(candidate, outcome);
      if (outcome.kind === 'completed') return;
      const { id } = candidate.provider;
      let attempts = seen.get(id);
      if (attempts === undefined) {
        attempts = new Seen();
        seen.set(id, attempts);
      }
      const answered = outcome.kind === 'answered';
      const failed = !answered && (outcome.failure.code === 'upstream_auth' || outcome.failure.status >= 500);
      if (outcome.kind === 'broken') {
        if (failed) attempts.broke();
        return;
      }
      attempts.add(monotonic(), failed, answered ? outcome.first_byte_ms : Number.NaN);
    },
    figures(provider) {
      const { errorRate, latency_ms } = seen.get(provider)?.since(monotonic() - window_ms) ?? nothing;
      return { healthy: !health.open().has(provider), errorRate, latency_ms };
    },
  };
}
