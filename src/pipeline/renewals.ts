/** Something that must be renewed while it lives. */
export interface Renewable {
  renew(): void;
}

/**
 * Renews whatever lives, by one timer instead of one for each: most calls are over long before their first renewal. Everyone
 * is renewed after at most the period, and at least half of it; the timer rests while nobody is there.
 *
 * Who lives has a place in a list, and the places are used again: a Map that grows leaves copies of itself behind, and
 * what they name is kept until the next full collection.
 */
export class Renewals {
  readonly #half_ms: number;
  readonly #places: (Renewable | undefined)[] = [];
  /** By place, whether it was there a turn ago. */
  readonly #due: boolean[] = [];
  readonly #free: number[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(period_ms: number) {
    this.#half_ms = period_ms / 2;
  }

  /** Its place, to be given back with `remove`. */
  add(one: Renewable): number {
    const place = this.#free.pop() ?? this.#places.length;
    this.#places[place] = one;
    this.#due[place] = false;
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#turn(), this.#half_ms);
      this.#timer.unref();
    }
    return place;
  }

  remove(place: number): void {
    if (this.#places[place] === undefined) return;
    this.#places[place] = undefined;
    this.#free.push(place);
  }

  #turn(): void {
    if (this.#free.length === this.#places.length) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    for (let place = 0; place < this.#places.length; place += 1) {
      const due = this.#due[place] === true;
      this.#due[place] = !due;
      if (due) this.#places[place]?.renew();
    }
  }
}
