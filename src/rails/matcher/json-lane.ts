import type { LaneMatcher, Span } from '../../exchange/index.ts';
import { Cursor, heldMax, type MatchListener } from './cursor.ts';
import { folded } from './fold.ts';
import { escapedUnit, hexValue, unescaped } from './json-escapes.ts';
import type { Machine } from './machine.ts';
import type { Definition } from './nfa.ts';
import { plainText, tooManySpans } from './plain-lane.ts';
import { UnitReader } from './unit-reader.ts';

const quoteMark = 0x22;
const backslash = 0x5c;
const words: readonly string[] = ['true', 'false', 'null'];

type Mode = 'structure' | 'string' | 'number' | 'word' | 'plain';

/**
 * Follows a JSON document that arrives in pieces, matching inside each scalar on the unescaped text. It asks less of
 * the document than a parser: brackets need not balance, strings may hold raw control characters and unknown escapes.
 * From the first character no JSON document could hold there, the rest is plain text.
 */
export class JsonLane implements LaneMatcher {
  decided = 0;
  unable: string | undefined;
  readonly #cursor: Cursor;
  readonly #reader: UnitReader;
  #length = 0;
  #mode: Mode = 'structure';
  /** Of an escape: units read of it, 0 outside; where it began; the value of its hexadecimal digits so far. */
  #escape = 0;
  #escapeAt = 0;
  #escapeValue = 0;
  #word = '';
  #wordAt = 0;

  constructor(machine: Machine, listener?: MatchListener) {
    this.#cursor = new Cursor(machine, (units, definition) => this.#textOf(units, definition), listener);
    this.#reader = new UnitReader(this.#cursor);
  }

  get spans(): readonly Span[] {
    return this.#cursor.list.spans;
  }

  feed(text: string): number {
    if (this.unable !== undefined) return this.decided;
    this.#cursor.wake();
    let i = 0;
    while (i < text.length) {
      if (this.#mode === 'plain') {
        this.#reader.read(text, i, text.length, this.#length + i);
        break;
      }
      if (this.#mode === 'string' && this.#escape === 0) {
        const to = endOfRun(text, i);
        this.#reader.read(text, i, to, this.#length + i);
        i = to;
        if (i === text.length) break;
      }
      // A unit may end what stood before it and belong to what follows: then it is looked at again.
      if (this.#unit(text.charCodeAt(i), this.#length + i)) i += 1;
    }
    this.#length += text.length;
    return this.#decide(this.#undecided());
  }

  finish(): number {
    if (this.unable !== undefined) return this.decided;
    this.#cursor.wake();
    if (this.#escape > 0) this.#giveUpEscape(this.#length);
    this.#reader.flush();
    if (this.#mode === 'number' || this.#mode === 'word') this.#endPrimitive(this.#length);
    else this.#cursor.finish(this.#length);
    this.#mode = 'structure';
    return this.#decide(this.#cursor.undecided(this.#length));
  }

  #decide(undecided: number): number {
    if (this.#cursor.tooMany) this.unable = tooManySpans;
    else this.decided = undecided;
    return this.decided;
  }

  #textOf(units: string, definition: Definition): string {
    if (this.#mode === 'plain') return plainText(units, definition);
    const text = unescaped(units);
    return definition.fold ? folded(text) : text;
  }

  #undecided(): number {
    const cursor = this.#cursor;
    if (this.#mode === 'number' || this.#mode === 'word') {
      const span = cursor.list.at(cursor.whole);
      if (span?.quote) {
        cursor.undecided(this.#length);
        span.end = this.#length;
        cursor.list.leaveOpen(span);
        return this.#length;
      }
      if (this.#mode === 'word' || cursor.mayMatchInNumber) return cursor.whole;
    }
    return cursor.undecided(
      this.#escape > 0 ? this.#reader.waitingFrom(this.#escapeAt) : this.#reader.waitingFrom(this.#length),
    );
  }

  /** Looks at one unit; false where it must be looked at again in the mode that now holds. */
  #unit(unit: number, at: number): boolean {
    switch (this.#mode) {
      case 'structure':
        return this.#structure(unit, at);
      case 'string':
        return this.#inString(unit, at);
      case 'number':
        return this.#inPrimitive(unit, at, isNumberUnit(unit));
      case 'word':
        return this.#inPrimitive(unit, at, unit === this.#word.charCodeAt(this.#wordAt));
      case 'plain':
        return false;
    }
  }

  #structure(unit: number, at: number): boolean {
    if (isStructure(unit)) return true;
    this.#cursor.begin();
    if (unit === quoteMark) {
      this.#mode = 'string';
      return true;
    }
    const word = words.find((text) => text.charCodeAt(0) === unit);
    if (word !== undefined) {
      this.#word = word;
      this.#wordAt = 0;
      this.#mode = 'word';
    } else this.#mode = unit === 0x2d || (unit >= 0x30 && unit <= 0x39) ? 'number' : 'plain';
    if (this.#mode !== 'plain') this.#cursor.whole = at;
    return false;
  }

  #inPrimitive(unit: number, at: number, belongs: boolean): boolean {
    if (belongs) {
      this.#wordAt += 1;
      // A number that may match at any length must not wait for ever: over the cap it is withheld unproven.
      if (at - this.#cursor.whole === heldMax && this.#cursor.mayMatchInNumber) this.#cursor.withholdWhole(at);
      this.#cursor.keep(unit, at);
      this.#reader.unit(unit, at, at + 1);
      return true;
    }
    const ends = isStructure(unit) || unit === quoteMark;
    if (ends && (this.#mode === 'number' || this.#wordAt === this.#word.length)) {
      this.#endPrimitive(at);
      this.#mode = 'structure';
    } else {
      // No JSON after all: what is live goes on, now as plain text.
      this.#growWhole(at);
      this.#mode = 'plain';
    }
    return false;
  }

  #endPrimitive(at: number): void {
    this.#cursor.finish(at);
    this.#growWhole(at);
  }

  /** A match within a primitive takes all of it. */
  #growWhole(at: number): void {
    const span = this.#cursor.list.at(this.#cursor.whole);
    if (span?.quote && span.end < at) span.end = at;
    this.#cursor.whole = -1;
  }

  #inString(unit: number, at: number): boolean {
    if (this.#escape === 0) {
      if (unit === backslash) {
        this.#escape = 1;
        this.#escapeAt = at;
        this.#escapeValue = 0;
        this.#cursor.keep(unit, at);
        return true;
      }
      this.#reader.flush();
      this.#cursor.finish(at);
      this.#mode = 'structure';
      return true;
    }
    if (this.#escape === 1) {
      const meant = escapedUnit(unit);
      if (meant < 0 && unit !== 0x75) {
        this.#giveUpEscape(at);
        return false;
      }
      this.#cursor.keep(unit, at);
      this.#escape = meant < 0 ? 2 : 0;
      if (meant >= 0) this.#reader.unit(meant, this.#escapeAt, at + 1);
      return true;
    }
    const digit = hexValue(unit);
    if (digit < 0) {
      this.#giveUpEscape(at);
      return false;
    }
    this.#cursor.keep(unit, at);
    this.#escapeValue = this.#escapeValue * 16 + digit;
    this.#escape += 1;
    if (this.#escape === 6) {
      this.#escape = 0;
      this.#reader.unit(this.#escapeValue, this.#escapeAt, at + 1);
    }
    return true;
  }

  /** What began like an escape is none: its units are read as they stand. */
  #giveUpEscape(at: number): void {
    this.#escape = 0;
    for (let place = this.#escapeAt; place < at; place += 1) {
      this.#reader.unit(this.#cursor.keptAt(place), place, place + 1);
    }
  }
}

function isStructure(unit: number): boolean {
  // White space, { } [ ] , :
  return (
    unit === 0x20 ||
    unit === 0x0a ||
    unit === 0x0d ||
    unit === 0x09 ||
    unit === 0x2c ||
    unit === 0x3a ||
    unit === 0x7b ||
    unit === 0x7d ||
    unit === 0x5b ||
    unit === 0x5d
  );
}

function isNumberUnit(unit: number): boolean {
  // Digits + - . e E
  return (unit >= 0x30 && unit <= 0x39) || unit === 0x2b || unit === 0x2d || unit === 0x2e || (unit | 0x20) === 0x65;
}

function endOfRun(text: string, from: number): number {
  let i = from;
  for (; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit === quoteMark || unit === backslash) break;
  }
  return i;
}
