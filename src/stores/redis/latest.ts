/** An entry, for as long as it is the one of its name. */
interface Entry<V> {
  readonly name: string;
  readonly value: V;
}

/**
 * The entries put in last, at most so many, in that order. To take the first of a `Map` again and again leaves holes that
 * each look for the next has to step over (6 us a call at 20,000 entries): so the order is a list of its own.
 */
export class Latest<V> {
  readonly #most: number;
  readonly #entries = new Map<string, Entry<V>>();
  /** Oldest first from `#first` on; entries that were replaced are among them. */
  #order: Entry<V>[] = [];
  #first = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get(name: string): V | undefined {
    return this.#entries.get(name)?.value;
  }

  /** Puts an entry in as the last one, in place of any other of that name. */
  put(name: string, value: V): void {
    const entry = { name, value };
    this.#entries.set(name, entry);
    this.#order.push(entry);
    while (this.#entries.size > this.#most) this.#drop();
  }

  /** Forgets the oldest entries for as long as `isOver` says so of them. */
  forget(isOver: (value: V) => boolean): void {
    for (;;) {
      const oldest = this.#order[this.#first];
      if (oldest === undefined || (this.#current(oldest) && !isOver(oldest.value))) return;
      this.#drop();
    }
  }

  /** Oldest first. */
  *values(): Iterable<V> {
    for (let at = this.#first; at < this.#order.length; at += 1) {
      const entry = this.#order[at];
      if (entry !== undefined && this.#current(entry)) yield entry.value;
    }
  }

  #current(entry: Entry<V>): boolean {
    return this.#entries.get(entry.name) === entry;
  }

  #drop(): void {
    const oldest = this.#order[this.#first];
    if (oldest === undefined) return;
    if (this.#current(oldest)) this.#entries.delete(oldest.name);
    this.#first += 1;
    if (this.#first < 1024 || this.#first * 2 < this.#order.length) return;
    this.#order = this.#order.slice(this.#first);
    this.#first = 0;
  }
}
