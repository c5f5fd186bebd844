import type { Waiter } from './desk.ts';

/**
 * Calls that waited for their turn when a trade before theirs was not answered in time. What it took may still come, and
 * is theirs then; each waits until its own time is over.
 */
export class Patience {
  readonly #deadline_ms: number;
  readonly #clock: () => number;
  #waiters: Waiter[] = [];
  #error: Error | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `clock`: monotonic ms. */
  constructor(deadline_ms: number, clock: () => number) {
    this.#deadline_ms = deadline_ms;
    this.#clock = clock;
  }

  /** Those whose time is over are failed with the error at once, the others when it is. */
  hold(waiters: readonly Waiter[], error: Error): void {
    this.#waiters.push(...waiters);
    this.#error = error;
    this.#look();
  }

  /** All who still wait, in the order they came; they are not failed from here any more. */
  end(): Waiter[] {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#waiters.splice(0);
  }

  readonly #look = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const late_ms = this.#clock() - this.#deadline_ms;
    const over = this.#waiters.filter(({ since_ms }) => since_ms <= late_ms);
    this.#waiters = this.#waiters.filter(({ since_ms }) => since_ms > late_ms);
    const [next] = this.#waiters;
    if (next !== undefined) this.#timer = setTimeout(this.#look, next.since_ms - late_ms);
    if (this.#error !== undefined) for (const waiter of over) waiter.failed(this.#error);
  };
}
