/** Looks apart by a processor that did something else, and what clocks are set right by all the time, are no step. */
const step_min_ms = 20;

/**
 * A clock for leases, in ms: it never goes back, and goes on while the machine sleeps, for which a monotonic clock stands
 * still on Linux. It is the monotonic one, moved along by whatever the wall clock was ahead of it between two looks; where
 * the wall clock is set back nothing happens. A machine whose clocks both stood still, as a virtual one that was paused, is
 * not found out by it.
 */
export function leaseClock(monotonic_ms: () => number, wall_ms: () => number): () => number {
  let slept_ms = 0;
  let apart_ms = wall_ms() - monotonic_ms();
  return () => {
    const now_ms = monotonic_ms();
    const ahead_ms = wall_ms() - now_ms - apart_ms;
    if (ahead_ms > step_min_ms || ahead_ms < -step_min_ms) {
      apart_ms += ahead_ms;
      if (ahead_ms > 0) slept_ms += ahead_ms;
    }
    return now_ms + slept_ms;
  };
}
