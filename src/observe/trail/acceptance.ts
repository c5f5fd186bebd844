import { retry_ms, type SpoolOptions } from './spool-options.ts';

/** Whether the disk takes exchanges, and how often it is tried again where it does not. */
export class Acceptance {
  readonly #options: SpoolOptions;
  #accepting = true;
  #tried_ms = Number.NEGATIVE_INFINITY;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /** Whether it takes them, as far as is known. */
  get now(): boolean {
    return this.#accepting;
  }

  /** Tells once a change. */
  set(accepting: boolean, error?: unknown): void {
    if (this.#accepting === accepting) return;
    this.#accepting = accepting;
    this.#options.onState?.(accepting, error);
  }

  /** Whether it is to be tried again now: once a second, and whenever it is the last time. */
  due(last: boolean): boolean {
    const now_ms = this.#options.clock();
    // A clock may be put back as well.
    if (!last && Math.abs(now_ms - this.#tried_ms) < retry_ms) return false;
    this.#tried_ms = now_ms;
    return true;
  }
}
