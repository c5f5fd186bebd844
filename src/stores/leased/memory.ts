/** Ids of the recent past: at least `kept`, at most twice as many. */
export class Memory {
  readonly #kept: number;
  #now = new Set<string>();
  #before = new Set<string>();

  constructor(kept: number) {
    this.#kept = kept;
  }

  add(id: string): void {
    this.#now.add(id);
    if (this.#now.size < this.#kept) return;
    this.#before = this.#now;
    this.#now = new Set();
  }

  delete(id: string): void {
    this.#now.delete(id);
    this.#before.delete(id);
  }

  has(id: string): boolean {
    return this.#now.has(id) || this.#before.has(id);
  }

  all(): string[] {
    return [...this.#before, ...this.#now];
  }
}
