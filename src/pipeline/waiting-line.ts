import type { Abort } from '../providers/index.ts';
import { type Amount, amountIn, type Refusal, type Reserved, sizeIn } from '../stores/index.ts';
import type { CallLimits } from './call-limits.ts';

/** A call that may wait. */
export interface WaitingCall {
  readonly organization: string;
  /** Who takes turns with others: a user or a key. */
  readonly caller: string;
  readonly limits: CallLimits;
  /** At most, as far as is known before it asks. */
  readonly amount: Amount;
  readonly abort: Abort;
  /** Monotonic ms by which the exchange must be over. */
  readonly deadline: number;
}

/** A call in line. */
export interface Waiter extends WaitingCall {
  readonly ask: () => Promise<Reserved>;
  readonly done: (reserved: Reserved) => void;
  readonly fail: (thrown: unknown) => void;
  /** Asks the ledger now: what it answers decides, whatever happens meanwhile. */
  asking: boolean;
  /** What it took when it last asked itself, of the limit that refused then. */
  asked: number | undefined;
  /** Its time was up while it asked. */
  expired: boolean;
  line: Line;
}

/** Where a line is found. Who came under a limit that was changed since has one of its own: others have room, or less. */
export function placeOf(organization: string, name: string, limit: number): string {
  return `${organization} ${name} ${limit}`;
}

/** Everyone who waits for one limit: each caller's calls in their order, and callers in the order of their turns. */
export class Line {
  readonly organization: string;
  /** The limit's, within the organisation. */
  readonly name: string;
  readonly limit: number;
  /** A limit of models: which calls free it, their callers cannot tell. */
  readonly ofModel: boolean;
  readonly #callers = new Map<string, Waiter[]>();
  #told: { readonly refusal: Refusal; readonly at: number } | undefined;
  timer: NodeJS.Timeout | undefined;
  pause_ms = 0;
  serving = false;
  /** Something was given back while a call asked. */
  again = false;

  constructor(organization: string, name: string, limit: number, ofModel: boolean) {
    this.organization = organization;
    this.name = name;
    this.limit = limit;
    this.ofModel = ofModel;
  }

  get empty(): boolean {
    return this.#callers.size === 0;
  }

  /** Whose turn it is. */
  get first(): Waiter | undefined {
    return this.#callers.values().next().value?.[0];
  }

  countOf(caller: string): number {
    return this.#callers.get(caller)?.length ?? 0;
  }

  *waiters(): Generator<Waiter> {
    for (const waiters of this.#callers.values()) yield* waiters;
  }

  /** The last call of the caller with the most of them, where that is more than `least`. */
  longest(least: number): { readonly last: Waiter; readonly count: number } | undefined {
    let found: { last: Waiter; count: number } | undefined;
    for (const waiters of this.#callers.values()) {
      const last = waiters.at(-1);
      const count = waiters.length;
      if (count > (found?.count ?? least) && last !== undefined && !last.asking) found = { last, count };
    }
    return found;
  }

  /** At the end of its caller's calls, or in front of them. */
  add(waiter: Waiter, where: 'last' | 'first'): void {
    const mine = this.#callers.get(waiter.caller);
    if (mine === undefined) this.#callers.set(waiter.caller, [waiter]);
    else if (where === 'last') mine.push(waiter);
    else mine.unshift(waiter);
  }

  /** False where it was not there any more. */
  remove(waiter: Waiter): boolean {
    const mine = this.#callers.get(waiter.caller);
    const at = mine?.indexOf(waiter) ?? -1;
    if (mine === undefined || at < 0) return false;
    mine.splice(at, 1);
    if (mine.length === 0) this.#callers.delete(waiter.caller);
    return true;
  }

  /** Whoever had its turn goes to the end. */
  nextTurn(caller: string): void {
    const rest = this.#callers.get(caller);
    if (rest === undefined) return;
    this.#callers.delete(caller);
    this.#callers.set(caller, rest);
  }

  /** The limit refused at this moment (monotonic ms). */
  said(refusal: Refusal, at: number): void {
    this.#told = { refusal, at };
  }

  /**
   * What it last said, as a call of that amount is to be told at this moment; undefined where nobody asked yet. One that is
   * larger than who asked last comes back when the window is empty: when there is room for it nobody was told.
   */
  refusedNow({ amount, asked: own }: Waiter, now: number): Reserved | undefined {
    if (this.#told === undefined) return undefined;
    const { refusal, at } = this.#told;
    // At most it may be more than it takes, so it is not told that it never fits.
    if (refusal.kind === 'budget') {
      const asked = own ?? Math.min(amountIn(refusal.budget.unit, amount), refusal.limit);
      const resets_in_ms = Math.max(0, refusal.resets_in_ms - (now - at));
      return { outcome: 'refused', refusal: { ...refusal, asked, resets_in_ms } };
    }
    const asked = own ?? Math.min(sizeIn(refusal.rate.unit, amount), refusal.rate.limit);
    const wait_ms = asked > refusal.asked ? refusal.reset_ms : refusal.retry_after_ms;
    const retry_after_ms = Math.max(1, wait_ms - (now - at));
    const reset_ms = Math.max(0, refusal.reset_ms - (now - at));
    return { outcome: 'refused', refusal: { ...refusal, asked, retry_after_ms, reset_ms } };
  }
}
