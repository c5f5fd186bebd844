/** Remembers at least the last `size` names, in bounded memory. */
export class Lately {
  readonly #size: number;
  #now = new Set<string>();
  #before = new Set<string>();

  constructor(size: number) {
    this.#size = size;
  }

  has(name: string): boolean {
    return this.#now.has(name) || this.#before.has(name);
  }

  add(name: string): void {
    this.#now.add(name);
    if (this.#now.size < this.#size) return;
    this.#before = this.#now;
    this.#now = new Set();
  }
}
