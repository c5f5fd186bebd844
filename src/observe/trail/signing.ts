import { head_ms } from './head.ts';

/**
 * Whether signed positions vouch for all of a spool's records. For what comes after the last of them:
 * `not_yet`: the next one is not due; `ended`: the process ended before it signed, and does when it starts again;
 * `overdue`: one should be there and is not.
 */
export type Signing = 'complete' | 'not_yet' | 'ended' | 'overdue';

/** What follows the last record that a signed position vouches for. Times are Unix ms, as the records tell. */
export interface Unsigned {
  readonly count: number;
  readonly first_ms: number;
  readonly last_ms: number;
  /** Of the last one that is older than `due_ms`; `first_ms` where none is. */
  readonly old_ms: number;
}

/** From here on a position is missed: the one of the next minute, and a minute more for a sink that was busy. */
export const due_ms = 2 * head_ms;

/** The run of unsigned records with one more of this time. */
export function withUnsigned(run: Unsigned | undefined, at_ms: number, now_ms: number): Unsigned {
  const { count = 0, first_ms = at_ms, old_ms = at_ms } = run ?? {};
  return { count: count + 1, first_ms, last_ms: at_ms, old_ms: at_ms <= now_ms - due_ms ? at_ms : old_ms };
}

/**
 * Tells records that wait for their signature from those whose signature somebody took away. `signed_ms` is the newest
 * signature of the spool, wherever it lies: its time cannot be made up. Without any, only records that claim to have just
 * come may wait, for as long as that can be true.
 */
export function signingOf(run: Unsigned | undefined, signed_ms: number | undefined, now_ms: number): Signing {
  if (run === undefined) return 'complete';
  const near = (at_ms: number) => Math.abs(now_ms - at_ms) <= due_ms;
  if (signed_ms === undefined) return near(run.first_ms) && near(run.last_ms) ? 'not_yet' : 'overdue';
  if (near(signed_ms) || near(run.first_ms)) return 'not_yet';
  // Old records over a longer time: whoever wrote the later ones had long passed the moment to sign the earlier.
  return run.old_ms - run.first_ms > due_ms ? 'overdue' : 'ended';
}
