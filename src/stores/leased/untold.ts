import type { Lines } from '../lines.ts';
import { readItem } from './items.ts';

/**
 * A run of items as a JSON array: `[`, and each with `,` and a line's end behind it, so that it can be taken apart. Of the
 * last one the comma is `]` once it is closed.
 */
interface Run {
  bytes: Buffer;
  size: number;
  count: number;
  /** Numbers of its oldest and newest item. */
  first: number;
  last: number;
  /** How often it was told; once it was, it is closed: what comes later begins another one. */
  told: number;
}

/** Some items as a JSON array, and the number of the newest. */
export interface Told {
  readonly items: Buffer;
  readonly last: number;
}

const run_bytes_min = 512;
const run_bytes_max = 262_144;
/** What is behind each item. */
const behind = ',\n';
const [open, close, comma, newline] = [0x5b, 0x5d, 0x2c, 0x0a];
const none: Told = { items: Buffer.from('[]'), last: 0 };

/**
 * Bytes of runs that are over, for the next ones, of all organisations: new ones would outlive a few collections of young
 * objects, and then lie about until a full one (0.8 KB a call).
 */
class Spares {
  #all: Buffer[] = [];
  #bytes = 0;

  /** Some of at least so many bytes. */
  take(bytes: number): Buffer | undefined {
    const at = this.#all.findIndex(({ length }) => length >= bytes);
    if (at < 0) return undefined;
    const [one] = this.#all.splice(at, 1);
    this.#bytes -= one?.length ?? 0;
    return one;
  }

  put(bytes: Buffer): void {
    if (bytes.length < spare_bytes_min || this.#bytes + bytes.length > spares_bytes_max) return;
    this.#all.push(bytes);
    this.#bytes += bytes.length;
  }
}

const spare_bytes_min = 16_384;
const spares_bytes_max = 2_097_152;
const spares = new Spares();

/**
 * Items that the shared ledger has not acknowledged, oldest first. They are kept as the bytes it is told: as texts, each
 * would be carried through collections of the heap until its answer is there.
 */
export class Untold {
  readonly #runs: Run[] = [];
  /** Bytes of a run that was told last: the next will be about as large. */
  #usual = run_bytes_min;
  #size = 0;

  /** How many. */
  get size(): number {
    return this.#size;
  }

  /** `text` is ASCII, as `items.ts` writes it. */
  add(number: number, text: string): void {
    const run = this.#runFor(number, text.length + behind.length);
    run.size += run.bytes.write(text, run.size, 'latin1');
    this.#end(run, number);
  }

  /** `add` of bytes. */
  put(number: number, { bytes, size }: Lines): void {
    const run = this.#runFor(number, size + behind.length);
    run.size += bytes.copy(run.bytes, run.size, 0, size);
    this.#end(run, number);
  }

  /** One with so much room. */
  #runFor(number: number, needed: number): Run {
    let run = this.#runs[this.#runs.length - 1];
    if (run === undefined || run.told > 0 || run.size + needed > run_bytes_max) {
      const bytes = spares.take(needed + 1) ?? Buffer.allocUnsafeSlow(Math.max(needed + 1, this.#usual));
      bytes[0] = open;
      run = { bytes, size: 1, count: 0, first: number, last: number, told: 0 };
      this.#runs.push(run);
    } else if (run.size + needed > run.bytes.length) {
      const { bytes, size } = run;
      run.bytes = spares.take(size + needed) ?? Buffer.allocUnsafeSlow(Math.max(size + needed, bytes.length * 2));
      bytes.copy(run.bytes, 0, 0, size);
      spares.put(bytes);
    }
    return run;
  }

  #end(run: Run, number: number): void {
    run.bytes[run.size++] = comma;
    run.bytes[run.size++] = newline;
    run.count++;
    run.last = number;
    this.#size++;
  }

  /** The oldest: whole runs of at most so many items together, or one run. */
  oldest(items_max: number): Told {
    return this.#tell(this.#together(0, items_max));
  }

  /** All of this moment, in parts of as many each; one that is empty where there are none. */
  inParts(items_max: number): readonly Told[] {
    const parts: Told[] = [];
    for (let at = 0; at < this.#runs.length || at === 0; ) {
      const runs = this.#together(at, items_max);
      parts.push(this.#tell(runs));
      at += Math.max(1, runs.length);
    }
    return parts;
  }

  /** Runs from one on. */
  #together(from: number, items_max: number): readonly Run[] {
    let [to, count] = [from, 0];
    for (let run = this.#runs[to]; run !== undefined; run = this.#runs[++to]) {
      if (to > from && count + run.count > items_max) break;
      count += run.count;
    }
    return this.#runs.slice(from, to);
  }

  #tell(told: readonly Run[]): Told {
    let size = 0;
    const newest = told[told.length - 1];
    if (newest === undefined) return none;
    for (const run of told) {
      size += run.size;
      run.told++;
      run.bytes[run.size - behind.length] = close;
    }
    this.#usual = Math.max(run_bytes_min, newest.size);
    const { bytes, last } = newest;
    // As it lies there: it is not written to again before it was heard.
    if (told.length === 1) return { items: bytes.subarray(0, newest.size - 1), last };
    const items = Buffer.allocUnsafe(size);
    let at = 0;
    for (const run of told) {
      const from = at;
      at += run.bytes.copy(items, at, 0, run.size - behind.length);
      // What opens a later one parts it from the one before.
      if (from > 0) items[from] = comma;
    }
    items[at] = close;
    return { items: items.subarray(0, at + 1), last };
  }

  /** Those up to this number were acknowledged. */
  heard(last: number): void {
    const runs = this.#runs;
    let over = 0;
    for (const run of runs) {
      if (run.last > last) break;
      over++;
      this.#size -= run.count;
      // Told once and answered: nobody reads it any more. Told again, an earlier telling may still be on its way.
      if (run.told === 1) spares.put(run.bytes);
    }
    runs.splice(0, over);
    const [part] = runs;
    if (part === undefined || part.first > last) return;
    // A run that an earlier process told otherwise than this one holds it.
    const rest = [...textsOf(part)].map((text) => ({ number: readItem(text).number, text }));
    const later = runs.splice(0).slice(1);
    this.#size -= part.count;
    for (const { number, text } of rest) if (number > last) this.add(number, text);
    runs.push(...later);
  }

  /** Each item's text. */
  *texts(): Generator<string> {
    for (const run of this.#runs) yield* textsOf(run);
  }
}

function* textsOf({ bytes, size }: Run): Generator<string> {
  const text = bytes.toString('latin1', 0, size - behind.length);
  for (let at = 1; at < size; ) {
    const end = text.indexOf(behind, at);
    yield end < 0 ? text.slice(at) : text.slice(at, end);
    at = end < 0 ? size : end + behind.length;
  }
}
