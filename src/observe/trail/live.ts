import { type Refusable, refusable } from './deferred.ts';

/** An intent on its way to the disk, and the line of the same exchange it takes the place of. */
interface Beginning {
  readonly exchange: string;
  readonly line: string;
  readonly before: string | undefined;
}

/** The exchanges that began and have no record yet, by the lines of their intents. */
export class Live {
  readonly #lines = new Map<string, string>();
  #unwritten = '';
  #beginning: Beginning[] = [];
  #begun: Refusable | undefined;

  get size(): number {
    return this.#lines.size;
  }

  /** The lines of all of them, as the next segment begins with. */
  get text(): string {
    return [...this.#lines.values()].join('');
  }

  /** Lines that are not on disk yet. */
  get unwritten(): string {
    return this.#unwritten;
  }

  /** Live before it is written: a rotation in the same step carries it over. Resolves once it is. */
  begin(exchange: string, line: string): Promise<void> {
    this.#beginning.push({ exchange, line, before: this.#lines.get(exchange) });
    this.#lines.set(exchange, line);
    this.#unwritten += line;
    this.#begun ??= refusable();
    return this.#begun.done;
  }

  /** Whether it was live. */
  end(exchange: string): boolean {
    return this.#lines.delete(exchange);
  }

  written(): void {
    this.#begun?.resolve();
    this.#forget();
  }

  /** What is not written never began. */
  refuse(error: Error): void {
    for (const { exchange, line, before } of this.#beginning.reverse()) {
      if (this.#lines.get(exchange) !== line) continue;
      if (before === undefined) this.#lines.delete(exchange);
      else this.#lines.set(exchange, before);
    }
    this.#begun?.reject(error);
    this.#forget();
  }

  #forget(): void {
    this.#unwritten = '';
    this.#beginning = [];
    this.#begun = undefined;
  }
}
