/** How many of a large table one trade looks at beside what it is told of: it is done in some hundredths of a millisecond. */
export const looked_max = 500;

/** Goes round a table that may change meanwhile, a part of it at a time: all of it where it is no larger than the part. */
export class Round<T> {
  readonly #table: ReadonlyMap<string, T>;
  #at: Iterator<T>;

  constructor(table: ReadonlyMap<string, T>) {
    this.#table = table;
    this.#at = table.values();
  }

  /** The next ones, at most so many, none of them twice. Who stops early goes on there the next time. */
  *next(most: number): Generator<T> {
    let left = Math.min(most, this.#table.size);
    let turned = false;
    while (left > 0) {
      const { done, value } = this.#at.next();
      if (done !== true) {
        left -= 1;
        yield value;
      } else if (turned) return;
      else {
        // Once: what is deleted on the way may leave fewer.
        turned = true;
        this.#at = this.#table.values();
      }
    }
  }
}
