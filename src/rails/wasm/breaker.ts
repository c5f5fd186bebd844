interface State {
  failures: number;
  /** Monotonic ms until which nobody asks. */
  until: number;
}

/** Leaves alone what failed several times in a row; after a rest one call tries it again. */
export class Breaker {
  readonly #failuresMax: number;
  readonly #rest_ms: number;
  readonly #states = new Map<string, State>();

  constructor(failuresMax: number, rest_ms: number) {
    this.#failuresMax = failuresMax;
    this.#rest_ms = rest_ms;
  }

  /** Whether to ask now. After a rest only the first to ask may. */
  asks(name: string, now: number): boolean {
    const state = this.#states.get(name);
    if (state === undefined || state.failures < this.#failuresMax) return true;
    if (now < state.until) return false;
    state.until = now + this.#rest_ms;
    return true;
  }

  note(name: string, failed: boolean, now: number): void {
    if (!failed) {
      this.#states.delete(name);
      return;
    }
    const state = this.#states.get(name) ?? { failures: 0, until: 0 };
    state.failures++;
    if (state.failures >= this.#failuresMax) state.until = now + this.#rest_ms;
    this.#states.set(name, state);
  }
}
