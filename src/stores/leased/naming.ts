import type { Need } from './admission.ts';
import type { Slice } from './slices.ts';

/** Slices in one trade: together they keep Redis from everyone else for some milliseconds. */
const slices_max = 50;

/** How many of those who wait one trade has room for; at least one. */
export function fitting(waiters: readonly { needs(): Need[] }[]): number {
  if (waiters.length <= slices_max) return waiters.length;
  const slices = new Set<unknown>();
  for (const [at, waiter] of waiters.entries()) {
    if (slices.size >= slices_max) return at;
    for (const { slice } of waiter.needs()) slices.add(slice);
  }
  return waiters.length;
}

export interface Naming {
  /** Every slice that has anything is to be named. */
  readonly all: boolean;
  /** Where among those that are not urgent this trade goes on. */
  readonly next: number;
  readonly idle: (slice: Slice) => boolean;
}

/**
 * The slices a trade names: those somebody waits for, and of the others as many as there is room for: what is to be told
 * or given back first, then one after the other. `more`: some of what is to be told is left for another trade at once.
 */
export function naming(
  slices: ReadonlyMap<string, Slice>,
  asked: ReadonlyMap<Slice, unknown>,
  { all, next, idle }: Naming,
): { readonly named: readonly Slice[]; readonly next: number; readonly more: boolean } {
  if (all || slices.size <= slices_max) {
    const named = [...slices.values()].filter((one) => asked.has(one) || one.dirty || one.free + one.held > 0);
    return { named, next, more: false };
  }
  const urgent: Slice[] = [];
  const rest: Slice[] = [];
  for (const one of slices.values()) {
    if (asked.has(one)) continue;
    if (one.dirty || (one.free > 0 && idle(one))) urgent.push(one);
    else if (one.free > 0) rest.push(one);
  }
  const from = rest.length === 0 ? 0 : next % rest.length;
  const room = Math.max(0, slices_max - urgent.length);
  const others = [...rest.slice(from), ...rest.slice(0, from)].slice(0, room);
  return {
    named: [...asked.keys(), ...urgent.slice(0, slices_max), ...others],
    next: from + others.length,
    more: urgent.length > slices_max,
  };
}
