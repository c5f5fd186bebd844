import { type Fire, fresh, type Live } from './determinise.ts';
import { giveBack, keptMask, type LaneMemory, slideMax, takeMemory } from './lane-memory.ts';
import type { Action, Machine } from './machine.ts';
import type { Definition } from './nfa.ts';
import { SpanList } from './span-list.ts';

/** No text waits for longer than so many units: a candidate that passes it is withheld unproven, never released. */
export const heldMax = 4096;
const none: readonly number[] = [];
const unknown = -1;
const slideMask = slideMax - 1;
/** A lane with more spans than this cannot be judged. */
export const spansMax = 100_000;

/** How a check gets the text of a match from the units as they were fed (unescaping, folding). */
export type TextOf = (units: string, definition: Definition) => string;

/** Told of every confirmed match as it is, before matches merge. */
export type MatchListener = (start: number, end: number, definition: Definition) => void;

/**
 * Reads characters, keeps the starts of live threads and finds spans. It knows characters and their places in the
 * lane; how they are spelled (surrogates, JSON escapes) is its owner's business.
 */
export class Cursor {
  readonly machine: Machine;
  readonly list = new SpanList();
  readonly kept: Uint16Array;
  /** While inside a JSON primitive: where it began; a match then takes all of it, quoted. */
  whole = -1;
  listener: MatchListener | undefined;
  readonly #textOf: TextOf;
  readonly #slide: Int32Array;
  #memory: LaneMemory | undefined;
  #read = 0;
  #starts: Int32Array;
  #spare: Int32Array;
  #groups = 0;
  #state: number;
  /** Which groups slide in the current state. */
  #sliding: readonly boolean[] = [];
  /** What the states' numbers of this generation mean, kept for when the cache was emptied meanwhile. */
  #lives: readonly Live[];
  #generation: number;
  /** No thread can be over `heldMax` before this place; reckoned anew when it is reached. */
  #limit = heldMax;

  constructor(machine: Machine, textOf: TextOf, listener: MatchListener | undefined) {
    this.machine = machine;
    this.#memory = takeMemory();
    ({ kept: this.kept, slide: this.#slide, starts: this.#starts, spare: this.#spare } = this.#memory);
    this.#textOf = textOf;
    this.listener = listener;
    this.#state = machine.start;
    this.#lives = machine.lives;
    this.#generation = machine.generation;
  }

  /** Nothing more is read. What was found stays. */
  release(): void {
    if (this.#memory !== undefined) giveBack(this.#memory);
    this.#memory = undefined;
  }

  get tooMany(): boolean {
    return this.list.spans.length > spansMax;
  }

  /** Must come before reading: another lane may have emptied the cache meanwhile. */
  wake(): void {
    if (this.#generation === this.machine.generation) return;
    const live = this.#lives[this.#state / this.machine.stride];
    this.#state = live === undefined ? this.machine.start : this.machine.intern(live);
    this.#settle(this.machine.generation);
  }

  #settle(generation: number): void {
    this.#generation = generation;
    this.#lives = this.machine.lives;
  }

  /** Begins a text of its own at the next character. What is live must have been finished. */
  begin(): void {
    this.#state = this.machine.start;
    this.#groups = 0;
    this.#sliding = [];
  }

  /**
   * Reads the units `from` to `to` of `text`, the first at lane offset `at`, as far as they are characters of their
   * own. Returns the index of the first unit it did not read: a half of a pair, or `to`.
   */
  readUnits(text: string, from: number, to: number, at: number): number {
    const classes = this.machine.determiniser.tables.alphabet.ofUnit;
    const kept = this.kept;
    const slide = this.#slide;
    let table = this.machine.table;
    let state = this.#state;
    let read = this.#read;
    const shift = at - from;
    let i = from;
    for (; i < to; i += 1) {
      const unit = text.charCodeAt(i);
      const cls = classes[unit] ?? 0;
      if (cls === 0xffff) break;
      const place = i + shift;
      kept[place & keptMask] = unit;
      const cell = table[state + cls] ?? unknown;
      if (cell >= 0 && place < this.#limit) {
        state = cell;
        slide[read & slideMask] = place;
        read += 1;
        continue;
      }
      this.#state = state;
      this.#read = read;
      this.#readClass(cls, place, place + 1);
      state = this.#state;
      read = this.#read;
      table = this.machine.table;
    }
    this.#state = state;
    this.#read = read;
    return i;
  }

  /** Keeps a unit that is read as part of a longer spelling. */
  keep(unit: number, at: number): void {
    this.kept[at & keptMask] = unit;
  }

  /** A unit kept, one of the last `keptMask + 1`. */
  keptAt(place: number): number {
    return this.kept[place & keptMask] ?? 0;
  }

  /** Reads one code point that stands in units `at` to `after` of the lane. */
  readPoint(point: number, at: number, after: number): void {
    const alphabet = this.machine.determiniser.tables.alphabet;
    const cls = point < 0x10000 ? (alphabet.ofUnit[point] ?? 0) : 0xffff;
    this.#readClass(cls === 0xffff ? alphabet.ofPoint(point) : cls, at, after);
  }

  #readClass(cls: number, at: number, after: number): void {
    if (at >= this.#limit) this.#withholdOverdue(at);
    const cell = this.machine.table[this.#state + cls] ?? unknown;
    if (cell < 0) {
      this.#act(cls, at, after);
      return;
    }
    this.#state = cell;
    this.#count(at);
  }

  #act(cls: number, at: number, after: number): void {
    let action = this.machine.action(this.#state, cls);
    if (action.checks.length > 0) action = this.#checked(action, cls, at, after);
    const { before, after: ends, from, slid } = action;
    for (const fire of before) this.#fire(fire, this.#sourceOf(fire.from, at), at);
    // Starts are taken before the character counts: a sliding start would move with it.
    const count = from.length;
    if (count === 1) {
      const source = from[0] ?? fresh;
      this.#spare[0] =
        slid[0] === 1 ? this.#sourceOf(source, at) : source === fresh ? at : (this.#starts[source] ?? at);
    } else if (count > 1) {
      if (count > this.#spare.length) this.#spare = new Int32Array(count * 2);
      for (let group = 0; group < count; group += 1) {
        const source = from[group] ?? fresh;
        this.#spare[group] =
          slid[group] === 1 ? this.#sourceOf(source, at) : source === fresh ? at : (this.#starts[source] ?? at);
      }
    }
    const ending = ends.length === 0 ? none : ends.map((fire) => this.#sourceOf(fire.from, at));
    this.#count(at);
    for (let i = 0; i < ends.length; i += 1) {
      const fire = ends[i];
      if (fire !== undefined) this.#fire(fire, ending[i] ?? at, after);
    }
    const starts = this.#starts;
    this.#starts = this.#spare;
    this.#spare = starts;
    this.#groups = count;
    this.#sliding = action.sliding;
    this.#state = action.next;
    if (action.generation !== this.#generation) this.#settle(action.generation);
  }

  /** The action under the answers its checks give now. */
  #checked(action: Action, cls: number, at: number, after: number): Action {
    // Building the action may have emptied the cache: the state's number is of this cursor's generation.
    const live = this.#lives[this.#state / this.machine.stride] ?? this.machine.determiniser.start();
    let passed = 0;
    action.checks.forEach((check, bit) => {
      const definition = this.machine.definitions[check.definition];
      const start = this.#sourceOf(check.from, at);
      if (definition !== undefined && this.#confirmed(definition, start, after)) passed |= 1 << bit;
    });
    return passed === 0 ? action : this.machine.variant(live, cls, action, passed);
  }

  #count(at: number): void {
    this.#slide[this.#read & slideMask] = at;
    this.#read += 1;
  }

  /** Where the match of a thread from this group, or of a fresh one, begins. */
  #sourceOf(group: number, at: number): number {
    if (group === fresh) return at;
    const start = this.#starts[group] ?? 0;
    if (!this.#sliding[group] || this.#read < slideMax) return start;
    return Math.max(start, this.#slide[this.#read & slideMask] ?? 0);
  }

  #fire(fire: Fire, start: number, boundary: number): void {
    const definition = this.machine.definitions[fire.definition];
    if (definition === undefined) return;
    const end = fire.back === 0 ? boundary : (this.#slide[(this.#read - fire.back) & slideMask] ?? boundary);
    if (end <= start) return;
    if (fire.confirms && !this.#confirmed(definition, start, end)) return;
    this.listener?.(start, end, definition);
    if (this.whole >= 0) this.list.add(this.whole, end, definition, true);
    else this.list.add(start, end, definition, false);
  }

  #confirmed(definition: Definition, start: number, end: number): boolean {
    if (definition.check === undefined || end - start > keptMask) return true;
    const from = start & keptMask;
    const to = end & keptMask;
    const units =
      from <= to
        ? String.fromCharCode(...this.kept.subarray(from, to))
        : String.fromCharCode(...this.kept.subarray(from)) + String.fromCharCode(...this.kept.subarray(0, to));
    return definition.check(this.#textOf(units, definition));
  }

  #withholdOverdue(at: number): void {
    const live = this.machine.live(this.#state);
    let earliest = at;
    for (let group = 0; group < this.#groups; group += 1) {
      const held = live.groups[group];
      if (held === undefined || held.slides) continue;
      const start = this.#starts[group] ?? at;
      const from = this.list.at(start)?.end ?? start;
      if (at - from >= heldMax) {
        const index = this.machine.determiniser.definitionOf(held.states[0] ?? 0);
        const definition = this.machine.definitions[index];
        if (definition !== undefined) {
          this.list.add(this.whole >= 0 ? this.whole : start, at, definition, this.whole >= 0);
        }
      } else if (from < earliest) earliest = from;
    }
    this.#limit = earliest + heldMax;
  }

  /** Withholds the primitive being read, up to `at`. */
  withholdWhole(at: number): void {
    const definition = this.machine.definitions[0];
    if (definition !== undefined) this.list.add(this.whole, at, definition, true);
  }

  /** The text (or the scalar) ends at `at`: what waited for what follows is answered. */
  finish(at: number): void {
    const action = this.machine.action(this.#state, this.machine.edge);
    for (const fire of action.before) this.#fire(fire, this.#sourceOf(fire.from, at), at);
    this.#settle(this.machine.generation);
    this.begin();
  }

  /** The first unit before `at` that is not final: what a live thread may still withhold, or begin a span with. */
  undecided(at: number): number {
    this.list.closeAll();
    if (this.#groups === 0) return at;
    let first = at;
    for (let group = 0; group < this.#groups; group += 1) {
      const start = this.#sourceOf(group, at);
      const span = this.list.spans.length === 0 ? undefined : this.list.at(start);
      if (span !== undefined) this.list.leaveOpen(span);
      const from = span?.end ?? start;
      if (from < first) first = from;
    }
    return first;
  }

  /** No match has begun, whatever context was read. */
  get unbegun(): boolean {
    return this.#groups === 0;
  }

  /** Nothing is live: what follows begins anew, but for what stands before it. */
  get idle(): boolean {
    return this.#groups === 0 && this.machine.isIdle(this.#state);
  }

  get mayMatchInNumber(): boolean {
    return this.machine.mayMatchInNumber(this.#state);
  }
}
