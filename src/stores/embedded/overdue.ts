/**
 * What the clock says is over, by its name. It is not forgotten before the clock has said so for a while: one that is years
 * ahead for a moment must not make anybody forget what will be asked for.
 */
export class Overdue {
  readonly #sure_ms: number;
  #since_ms = new Map<string, number>();

  constructor(sure_ms: number) {
    this.#sure_ms = sure_ms;
  }

  /** Those of them that are. What is not named any more is not over. */
  surely(over: readonly string[], now_ms: number): string[] {
    const before_ms = this.#since_ms;
    this.#since_ms = new Map();
    return over.filter((name) => {
      const since_ms = Math.min(before_ms.get(name) ?? now_ms, now_ms);
      if (now_ms - since_ms > this.#sure_ms) return true;
      this.#since_ms.set(name, since_ms);
      return false;
    });
  }
}
