import type { Amount, Budget, LedgerEntry } from './ledger.ts';
import { slotting } from './rate-key.ts';
import { budgetOfKey } from './window-key.ts';

/** What was spent in a window. */
export interface Tally {
  readonly unit: Budget['unit'];
  spent: number;
  requests: number;
  tokens: number;
  /** Where the window rolls: the same sums by when they were spent. */
  readonly rolling: Rolling | undefined;
}

export function tally(key: string, unit: Budget['unit']): Tally {
  return { unit, spent: 0, requests: 0, tokens: 0, rolling: rollingOf(key) };
}

export function rollingOf(key: string): Rolling | undefined {
  const length_ms = budgetOfKey(key)?.budget.rolling_ms;
  return length_ms === undefined ? undefined : new Rolling(length_ms);
}

/** The slots of a rolling window. See `slotting` for what they promise. */
export class Rolling {
  readonly slot_ms: number;
  readonly count: number;
  readonly spent: Float64Array;
  readonly requests: Float64Array;
  readonly tokens: Float64Array;
  /** Newest slot, counted from the epoch. */
  head = 0;

  constructor(length_ms: number) {
    const { slot_ms, count } = slotting(length_ms);
    this.slot_ms = slot_ms;
    this.count = count;
    this.spent = new Float64Array(count);
    this.requests = new Float64Array(count);
    this.tokens = new Float64Array(count);
  }

  slot(at_ms: number): number {
    return Math.floor(at_ms / this.slot_ms);
  }

  holds(slot: number): boolean {
    return slot > this.head - this.count && slot <= this.head;
  }
}

/** Lets go of what was spent longer ago than a rolling window is long. */
export function advance(one: Tally, now_ms: number): void {
  const { rolling } = one;
  if (rolling === undefined) return;
  const slot = rolling.slot(now_ms);
  if (slot <= rolling.head) return;
  for (let at = Math.max(rolling.head + 1, slot - rolling.count + 1); at <= slot; at++) {
    const place = at % rolling.count;
    one.spent -= rolling.spent[place] ?? 0;
    one.requests -= rolling.requests[place] ?? 0;
    one.tokens -= rolling.tokens[place] ?? 0;
    rolling.spent[place] = 0;
    rolling.requests[place] = 0;
    rolling.tokens[place] = 0;
  }
  rolling.head = slot;
}

/** When a rolling window is empty, if nothing more is spent. Call after `advance`. */
export function emptyAt(rolling: Rolling, now_ms: number): number {
  for (let slot = rolling.head; slot > rolling.head - rolling.count; slot--) {
    const place = ((slot % rolling.count) + rolling.count) % rolling.count;
    if ((rolling.spent[place] ?? 0) > 0) return (slot + rolling.count) * rolling.slot_ms;
  }
  return now_ms;
}

/** Adds to what was spent at `at_ms`, which a rolling window must still hold. Sums stay between zero and 2^53. */
export function count(one: Tally, spent: number, tokens: number, requests: number, at_ms: number): void {
  const { rolling } = one;
  if (rolling === undefined) {
    one.spent = sum(one.spent, spent);
    one.tokens = sum(one.tokens, tokens);
    one.requests += requests;
    return;
  }
  const place = rolling.slot(at_ms) % rolling.count;
  one.spent += put(rolling.spent, place, spent, one.spent);
  one.tokens += put(rolling.tokens, place, tokens, one.tokens);
  one.requests += put(rolling.requests, place, requests, one.requests);
}

function put(slots: Float64Array, place: number, delta: number, total: number): number {
  const before = slots[place] ?? 0;
  const after = Math.min(Math.max(0, before + delta), before + Number.MAX_SAFE_INTEGER - total);
  slots[place] = after;
  return after - before;
}

/** Whether what was counted at `at_ms` still counts. */
export function counts(one: Tally, at_ms: number): boolean {
  return one.rolling === undefined || one.rolling.holds(one.rolling.slot(at_ms));
}

/**
 * The real cost in the place of the reaper's estimate. Where the estimate does not count any more (it has aged out, or
 * people set the counter to zero) only what goes beyond it counts, from now on.
 */
export function correct(one: Tally, real: Amount, estimate: Estimate, forgiven: boolean, now_ms: number): void {
  const spent = amountIn(one.unit, real) - amountIn(one.unit, estimate);
  const tokens = real.tokens - estimate.tokens;
  if (forgiven) count(one, Math.max(0, spent), Math.max(0, tokens), 0, now_ms);
  else count(one, spent, tokens, 0, estimate.at_ms);
}

/** The estimate is taken back. */
export function takeBack(one: Tally, estimate: Estimate, forgiven: boolean): void {
  if (!forgiven) count(one, -amountIn(one.unit, estimate), -estimate.tokens, -1, estimate.at_ms);
}

export interface Estimate extends Amount {
  /** When it was counted. */
  readonly at_ms: number;
}

export function clear(one: Tally): void {
  one.spent = 0;
  one.requests = 0;
  one.tokens = 0;
  one.rolling?.spent.fill(0);
  one.rolling?.requests.fill(0);
  one.rolling?.tokens.fill(0);
}

export function amountIn(unit: Budget['unit'], amount: Amount): number {
  return unit === 'nusd' ? amount.nusd : unit === 'tokens' ? amount.tokens : 1;
}

/** Sums saturate where they stop being exact: such a counter is above every limit and stays there. */
export function sum(a: number, b: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, a + b));
}

/** An entry with what only rebuilding needs. */
export interface Step {
  readonly entry: LedgerEntry;
  /** What this step replaces: the reaper's estimate. */
  readonly prior: Estimate | undefined;
  /** Counters in which that estimate did not count any more. */
  readonly forgiven: readonly string[];
  /** Whether it takes the estimate's place; else the estimate is only taken back. */
  readonly spends: boolean;
  /** What a process had taken out and counts as spent, or no longer does (negative, at the estimate's moment). */
  readonly moved?: number;
}

/** Does to tallies what the entry's step did to counters. `of` finds them; undefined for those nobody asks about. */
export function follow(step: Step, of: (key: string, unit: Budget['unit']) => Tally | undefined): void {
  const { entry, prior, forgiven, spends, moved } = step;
  for (const { key, unit } of entry.budgets) {
    const one = of(key, unit);
    if (one === undefined) continue;
    advance(one, entry.at_ms);
    if (entry.reset) clear(one);
    else if (moved !== undefined) count(one, moved, 0, 0, prior?.at_ms ?? entry.at_ms);
    else if (prior === undefined) count(one, amountIn(unit, entry.amount), entry.amount.tokens, 1, entry.at_ms);
    else if (spends) correct(one, entry.amount, prior, forgiven.includes(key), entry.at_ms);
    else takeBack(one, prior, forgiven.includes(key));
  }
}

/** A tally in parts: a rolling window has one for each of its slots. */
export function partsOf({ spent, requests, tokens, rolling }: Tally): readonly Part[] {
  if (rolling === undefined) return [{ at_ms: 0, spent, requests, tokens }];
  return Array.from({ length: rolling.count }, (_, age) => {
    const slot = rolling.head - age;
    const place = ((slot % rolling.count) + rolling.count) % rolling.count;
    return {
      at_ms: slot * rolling.slot_ms,
      spent: rolling.spent[place] ?? 0,
      requests: rolling.requests[place] ?? 0,
      tokens: rolling.tokens[place] ?? 0,
    };
  });
}

export interface Part {
  readonly at_ms: number;
  readonly spent: number;
  readonly requests: number;
  readonly tokens: number;
}

/** What to add to each part of `from` so that it becomes `to`. */
export function differences(from: readonly Part[], to: readonly Part[]): readonly Part[] {
  const was = new Map(from.map((part) => [part.at_ms, part]));
  return to.flatMap(({ at_ms, spent, requests, tokens }) => {
    const { spent: s = 0, requests: r = 0, tokens: t = 0 } = was.get(at_ms) ?? {};
    const part = { at_ms, spent: spent - s, requests: requests - r, tokens: tokens - t };
    return part.spent === 0 && part.requests === 0 && part.tokens === 0 ? [] : [part];
  });
}
