import type { Batch } from './batch.ts';

/** Times a batch fails (each time with all tries of its job) before one of its records is suspected, not the sink. */
const suspect_rounds = 2;

/** Looks for the one record of a batch that a sink will not take: by halves, until a batch of one fails. */
export class Suspicion {
  /** Rounds the batch that begins here has failed. */
  #rounds = 0;
  /** While a record is suspected: how many a batch may hold, and up to which one the search goes. */
  #search: { readonly limit: number; readonly to: number } | undefined;

  /** Records a batch may hold; undefined where none is suspected. */
  get limit(): number | undefined {
    return this.#search?.limit;
  }

  taken({ to }: Batch): void {
    this.#rounds = 0;
    if (this.#search !== undefined && to >= this.#search.to) this.#search = undefined;
  }

  /** Whether the batch is one record, and suspected. */
  failed({ count, to }: Batch): boolean {
    this.#rounds += 1;
    if (this.#rounds < suspect_rounds) return false;
    if (count === 1) return true;
    this.#search = { limit: Math.ceil(count / 2), to: this.#search?.to ?? to };
    return false;
  }

  /** The record was found, and is passed by. */
  over(): void {
    this.#rounds = 0;
    this.#search = undefined;
  }
}
