/** Something that must be renewed while it lives. */
export interface Renewable {
  renew(): void;
}

/** Which of them were there a turn ago. */
type Known = 'new' | 'due';

/**
 * Renews whatever lives, by one timer instead of one for each: most calls are over long before their first renewal. Everyone
 * is renewed after at most the period, and at least half of it; the timer rests while nobody is there.
 */
export class Renewals {
  readonly #half_ms: number;
  readonly #live = new Map<Renewable, Known>();
  #timer: NodeJS.Timeout | undefined;

  constructor(period_ms: number) {
    this.#half_ms = period_ms / 2;
  }

  add(one: Renewable): void {
    this.#live.set(one, 'new');
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#turn(), this.#half_ms);
    this.#timer.unref();
  }

  remove(one: Renewable): void {
    this.#live.delete(one);
  }

  #turn(): void {
    if (this.#live.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    for (const [one, known] of this.#live) {
      this.#live.set(one, known === 'new' ? 'due' : 'new');
      if (known === 'due') one.renew();
    }
  }
}
