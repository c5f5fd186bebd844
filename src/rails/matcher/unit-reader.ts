import type { Cursor } from './cursor.ts';

const isHigh = (unit: number): boolean => (unit & 0xfc00) === 0xd800;
const isLow = (unit: number): boolean => (unit & 0xfc00) === 0xdc00;

/** Puts surrogate halves together for a cursor, wherever the text was cut. A half alone is a character of its own. */
export class UnitReader {
  readonly #cursor: Cursor;
  #high = -1;
  #highAt = 0;
  #highEnd = 0;

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  /** Reads the units `from` to `to` of `text`; the first stands at lane offset `at`. */
  read(text: string, from: number, to: number, at: number): void {
    let i = from;
    while (i < to) {
      if (this.#high < 0) i = this.#cursor.readUnits(text, i, to, at + i - from);
      if (i >= to) return;
      const unit = text.charCodeAt(i);
      this.#cursor.keep(unit, at + i - from);
      this.unit(unit, at + i - from, at + i - from + 1);
      i += 1;
    }
  }

  /** Reads one unit, spelled in units `start` to `end` of the lane. */
  unit(unit: number, start: number, end: number): void {
    if (this.#high >= 0) {
      if (isLow(unit)) {
        const point = 0x10000 + ((this.#high - 0xd800) << 10) + (unit - 0xdc00);
        this.#high = -1;
        this.#cursor.readPoint(point, this.#highAt, end);
        return;
      }
      this.flush();
    }
    if (isHigh(unit)) {
      this.#high = unit;
      this.#highAt = start;
      this.#highEnd = end;
    } else this.#cursor.readPoint(unit, start, end);
  }

  /** Nothing more follows that could complete a pair. */
  flush(): void {
    if (this.#high < 0) return;
    const half = this.#high;
    this.#high = -1;
    this.#cursor.readPoint(half, this.#highAt, this.#highEnd);
  }

  /** Where the text not yet read by the cursor begins, if units to `at` were given. */
  waitingFrom(at: number): number {
    return this.#high < 0 ? at : this.#highAt;
  }
}
