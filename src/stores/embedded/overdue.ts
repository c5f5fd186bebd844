/** For how long the clock must say that something is over, before it is forgotten. */
export const sure_ms = 3_600_000;

/**
 * What the clock says is over, by its name. It is not forgotten before the clock has said so for a while: one that is years
 * ahead for a moment must not make anybody forget what will be asked for.
 */
export class Overdue {
  #since_ms = new Map<string, number>();

  /** Those of them that are. What is not named any more is not over. */
  surely(over: readonly string[], now_ms: number): string[] {
    if (over.length + this.#since_ms.size === 0) return [];
    const before_ms = this.#since_ms;
    this.#since_ms = new Map();
    return over.filter((name) => {
      const since_ms = Math.min(before_ms.get(name) ?? now_ms, now_ms);
      if (now_ms - since_ms > sure_ms) return true;
      this.#since_ms.set(name, since_ms);
      return false;
    });
  }
}
