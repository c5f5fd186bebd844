export interface Timing {
  readonly calls: number;
  readonly us_per_call: number;
  readonly per_second: number;
}

/**
 * How long a function takes, over at least `least_ms`: rounds of calls, and of those the middle one. Rounds are long
 * enough for the clock, and the first tenth only warms up.
 */
export function timed(call: () => unknown, least_ms: number): Timing {
  let batch = 1;
  for (;;) {
    const took = round(call, batch);
    if (took >= 2 || batch >= 1e8) break;
    batch *= took < 0.2 ? 10 : 2;
  }
  const rounds: number[] = [];
  const end = performance.now() + least_ms;
  const warm = performance.now() + least_ms / 10;
  let calls = 0;
  do {
    const took = round(call, batch);
    calls += batch;
    if (performance.now() > warm) rounds.push(took / batch);
  } while (performance.now() < end || rounds.length === 0);
  rounds.sort((a, b) => a - b);
  const ms = rounds[Math.floor(rounds.length / 2)] ?? 0;
  return { calls, us_per_call: ms * 1_000, per_second: ms === 0 ? Number.POSITIVE_INFINITY : 1_000 / ms };
}

/** What calls gave, kept where no compiler can see that nobody wants it. */
let kept: unknown;

function round(call: () => unknown, times: number): number {
  const start = performance.now();
  for (let i = 0; i < times; i++) kept = call();
  return kept === timed ? 0 : performance.now() - start;
}
