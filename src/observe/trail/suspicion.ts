import type { Batch } from './batch.ts';

/** Times a batch fails (each time with all tries of its job) before one of its records is suspected, not the sink. */
const suspect_rounds = 2;

/** Looks for the one record of a batch that a sink will not take: by halves, until a batch of one fails. */
export class Suspicion {
  /** Rounds the batch that begins here has failed. */
  #rounds = 0;
  /** Where the batch that failed last ends. */
  #failed = 0;
  #narrowed = false;
  /** While a record is suspected: how many a batch may hold, and up to which one the search goes. */
  #search: { readonly limit: number; readonly to: number } | undefined;

  /** Records a batch may hold; undefined where none is suspected. */
  get limit(): number | undefined {
    return this.#search?.limit;
  }

  taken({ to }: Batch): void {
    const { to: end } = this.#search ?? { to };
    // The very batch that failed: it was the sink after all.
    if (to >= end || (this.#rounds > 0 && to === this.#failed)) this.#search = undefined;
    this.#rounds = 0;
  }

  /** Whether the batch is one record, and suspected. */
  failed({ count, to }: Batch): boolean {
    this.#rounds += 1;
    this.#failed = to;
    if (this.#rounds < suspect_rounds) return false;
    if (count === 1) return true;
    this.#search = { limit: Math.ceil(count / 2), to: this.#search?.to ?? to };
    this.#narrowed = true;
    return false;
  }

  /** Whether the search became narrower since this was asked last: what comes next was not tried yet. */
  narrowed(): boolean {
    const narrowed = this.#narrowed;
    this.#narrowed = false;
    return narrowed;
  }

  /** The record was found, and is passed by. */
  over(): void {
    this.#rounds = 0;
    this.#search = undefined;
  }
}
