import type { Lines } from '../lines.ts';
import { readItem } from './items.ts';

/** A run of items: each with `,` and a line's end behind it, so that it can be told in one piece and taken apart. */
interface Run {
  bytes: Buffer;
  size: number;
  count: number;
  /** Numbers of its oldest and newest item. */
  first: number;
  last: number;
  /** It was told: what comes later begins another one. */
  closed: boolean;
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
const comma = 0x2c;
const newline = 0x0a;
const none: Told = { items: Buffer.from('[]'), last: 0 };

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
    if (run === undefined || run.closed || run.size + needed > run_bytes_max) {
      const bytes = Buffer.allocUnsafeSlow(Math.max(needed, this.#usual));
      run = { bytes, size: 0, count: 0, first: number, last: number, closed: false };
      this.#runs.push(run);
    } else if (run.size + needed > run.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(run.size + needed, run.bytes.length * 2));
      run.bytes.copy(larger, 0, 0, run.size);
      run.bytes = larger;
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
    let [runs, count, size] = [0, 0, 0];
    for (const run of this.#runs) {
      if (runs > 0 && count + run.count > items_max) break;
      runs++;
      count += run.count;
      size += run.size;
    }
    const newest = this.#runs[runs - 1];
    if (newest === undefined) return none;
    newest.closed = true;
    const items = Buffer.allocUnsafe(size + 1);
    let at = items.write('[', 'latin1');
    for (const run of this.#runs.slice(0, runs)) at += run.bytes.copy(items, at, 0, run.size);
    // The last comma becomes the end.
    items.write(']', at - behind.length, 'latin1');
    this.#usual = Math.max(run_bytes_min, newest.size);
    return { items: items.subarray(0, at - 1), last: newest.last };
  }

  /** Those up to this number were acknowledged. */
  heard(last: number): void {
    const runs = this.#runs;
    let over = 0;
    for (const run of runs) {
      if (run.last > last) break;
      over++;
      this.#size -= run.count;
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
  const text = bytes.toString('latin1', 0, size);
  for (let at = 0; at < size; ) {
    const end = text.indexOf(behind, at);
    yield text.slice(at, end);
    at = end + behind.length;
  }
}
