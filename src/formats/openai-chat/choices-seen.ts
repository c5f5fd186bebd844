/** The choices a reply spoke of, and which of them have given their reason to finish. Most replies have one: it needs no map. */
export class ChoicesSeen {
  #first: number | undefined;
  #others: Map<number, 'open' | 'finished'> | undefined;
  #firstOpen = true;
  #open = 0;

  /** There are choices, and each has finished. */
  get finished(): boolean {
    return this.#first !== undefined && this.#open === 0;
  }

  see(choice: number): void {
    if (this.#first === undefined) this.#first = choice;
    else {
      if (this.#first === choice || this.#others?.has(choice) === true) return;
      this.#others ??= new Map();
      this.#others.set(choice, 'open');
    }
    this.#open += 1;
  }

  /** Whether this choice was seen and had not finished before. */
  finish(choice: number): boolean {
    if (this.#first === choice) {
      if (!this.#firstOpen) return false;
      this.#firstOpen = false;
    } else {
      if (this.#others?.get(choice) !== 'open') return false;
      this.#others.set(choice, 'finished');
    }
    this.#open -= 1;
    return true;
  }
}
