/** Name, value, name, value ... A value of several is a header of as many lines. */
export type HeaderPairs = (string | string[])[];

/** Headers of a reply in the order they leave, in the shape they are written in: nothing is looked up or copied for it. */
export class HeaderList {
  readonly pairs: HeaderPairs = [];

  static of(headers: Readonly<Record<string, string | string[]>>): HeaderList {
    const list = new HeaderList();
    for (const [name, value] of Object.entries(headers)) list.add(name, value);
    return list;
  }

  get(name: string): string | string[] | undefined {
    const at = this.#place(name);
    return at < 0 ? undefined : this.pairs[at + 1];
  }

  /** Adds a header whose name is not there yet. */
  add(name: string, value: string | string[]): void {
    this.pairs.push(name, value);
  }

  /** Puts a header where one of its name stands, or behind all others. */
  set(name: string, value: string | string[]): void {
    const at = this.#place(name);
    if (at < 0) this.pairs.push(name, value);
    else this.pairs[at + 1] = value;
  }

  toObject(): Record<string, string | string[]> {
    const headers: Record<string, string | string[]> = {};
    for (let at = 0; at < this.pairs.length; at += 2) headers[String(this.pairs[at])] = this.pairs[at + 1] ?? '';
    return headers;
  }

  #place(name: string): number {
    for (let at = 0; at < this.pairs.length; at += 2) if (this.pairs[at] === name) return at;
    return -1;
  }
}
