import type { LaneMatcher, Span } from '../../exchange/index.ts';
import { Cursor, type MatchListener, spansMax } from './cursor.ts';
import { folded } from './fold.ts';
import type { Machine } from './machine.ts';
import type { Definition } from './nfa.ts';
import { UnitReader } from './unit-reader.ts';

export const tooManySpans = `more than ${spansMax} matches in one lane`;

export function plainText(units: string, definition: Definition): string {
  return definition.fold ? folded(units) : units;
}

/** Follows a lane of plain text. */
export class PlainLane implements LaneMatcher {
  decided = 0;
  unable: string | undefined;
  readonly #cursor: Cursor;
  readonly #reader: UnitReader;
  #length = 0;
  #over = false;

  constructor(machine: Machine, listener?: MatchListener) {
    this.#cursor = new Cursor(machine, plainText, listener);
    this.#reader = new UnitReader(this.#cursor);
  }

  get spans(): readonly Span[] {
    return this.#cursor.list.spans;
  }

  feed(text: string): number {
    if (this.#over || this.unable !== undefined) return this.decided;
    this.#cursor.wake();
    this.#reader.read(text, 0, text.length, this.#length);
    this.#length += text.length;
    return this.#decide(this.#cursor.undecided(this.#reader.waitingFrom(this.#length)));
  }

  finish(): number {
    if (this.#over || this.unable !== undefined) return this.decided;
    this.#cursor.wake();
    this.#reader.flush();
    this.#cursor.finish(this.#length);
    const decided = this.#decide(this.#cursor.undecided(this.#length));
    this.#over = true;
    this.#cursor.release();
    return decided;
  }

  #decide(undecided: number): number {
    if (this.#cursor.tooMany) this.unable = tooManySpans;
    else this.decided = undecided;
    return this.decided;
  }
}
