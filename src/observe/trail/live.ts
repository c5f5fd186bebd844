import { Lines, LiveMap } from '../../stores/index.ts';
import type { Intent } from '../record.ts';
import { Alike } from './alike.ts';
import type { Composer } from './compose.ts';
import { type Refusable, refusable } from './deferred.ts';
import { writeWholeLine } from './intent-line.ts';
import type { Sealed } from './line.ts';
import type { Slice } from './segment.ts';

/** An exchange that began: its line can be written again from this. */
interface Begun {
  readonly intent: Intent;
  readonly sealed: Sealed | undefined;
}

/** An intent on its way to the disk, and what of the same exchange it takes the place of. */
interface Beginning {
  readonly begun: Begun;
  readonly before: Begun | undefined;
}

/** The exchanges that began and have no record yet. */
export class Live {
  readonly #composer: Composer;
  readonly #begun = new LiveMap<Begun>();
  /** Lines that are not on disk yet. */
  readonly #unwritten = new Lines();
  /** Of the segment that is written. */
  #alike = new Alike();
  #beginning: Beginning[] = [];
  #waiting: Refusable | undefined;

  constructor(composer: Composer) {
    this.#composer = composer;
  }

  get size(): number {
    return this.#begun.size;
  }

  /** The lines of all of them, as the next segment begins with: none of it refers to lines of the one before. */
  carried(): string {
    const lines = new Lines();
    for (const { intent, sealed } of this.#begun.values()) writeWholeLine(lines, intent, sealed);
    this.#alike = new Alike();
    return lines.bytes.toString('utf8', 0, lines.size);
  }

  /** Bytes of lines that are not on disk yet. */
  get pending(): number {
    return this.#unwritten.size;
  }

  /** Those lines. */
  get unwritten(): Slice {
    return { block: this.#unwritten.bytes, start: 0, end: this.#unwritten.size };
  }

  /**
   * Live before it is written: a rotation in the same step carries it over. Resolves once it is. Throws, and it is not
   * live, where it cannot be composed or `ensure` finds no room for one more.
   */
  begin(intent: Intent, ensure: (live: number) => void): Promise<void> {
    const lines = this.#unwritten;
    const start = lines.size;
    try {
      const sealed = this.#composer.seal(intent);
      ensure(this.#begun.size + 1);
      this.#alike.write(lines, intent, sealed);
      const begun = { intent, sealed };
      this.#beginning.push({ begun, before: this.#begun.get(intent.exchange) });
      this.#begun.set(intent.exchange, begun);
    } catch (error) {
      lines.rewind(start);
      throw error;
    }
    this.#waiting ??= refusable();
    return this.#waiting.done;
  }

  /** Whether it was live. */
  end(exchange: string): boolean {
    return this.#begun.delete(exchange);
  }

  written(): void {
    this.#waiting?.resolve();
    this.#forget();
  }

  /** What is not written never began. */
  refuse(error: Error): void {
    for (const { begun, before } of this.#beginning.reverse()) {
      const { exchange } = begun.intent;
      if (this.#begun.get(exchange) !== begun) continue;
      if (before === undefined) this.#begun.delete(exchange);
      else this.#begun.set(exchange, before);
    }
    this.#waiting?.reject(error);
    // Lines that others were to refer to are not there.
    this.#alike = new Alike();
    this.#forget();
  }

  #forget(): void {
    this.#unwritten.clear();
    this.#beginning = [];
    this.#waiting = undefined;
  }
}
