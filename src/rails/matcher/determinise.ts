import { type Nfa, op } from './nfa.ts';
import { confirms, Tables, waits } from './tables.ts';

/**
 * Threads that began at the same place. Groups stand in the order of their starts. In a sliding group the start
 * follows the reading at a distance of 64 characters.
 */
export interface Group {
  readonly slides: boolean;
  readonly states: readonly number[];
}

/** A state of the deterministic automaton, in words: what is live, and what a new match would have behind it. */
export interface Live {
  readonly side: number;
  /** Context read so far by patterns that need some. */
  readonly context: readonly number[];
  /** Where such patterns now stand at the beginning of their match. */
  readonly ready: readonly number[];
  readonly groups: readonly Group[];
}

/** The start of a thread that begins at the character being read. */
export const fresh = -1;

/** A match: of the group `from` (or fresh), ending before or after the character read, less `back` characters. */
export interface Fire {
  readonly from: number;
  readonly definition: number;
  readonly back: number;
  readonly confirms: boolean;
}

/** What reading one character (or the end) from a live state leads to. */
export interface Step {
  readonly next: Live;
  /** For each group of `next`, the group it came from, or fresh. */
  readonly from: readonly number[];
  readonly before: readonly Fire[];
  readonly after: readonly Fire[];
  /** Checks met on the way; the step is of the answers given by `passed`, a bit each. */
  readonly checks: readonly { readonly from: number; readonly definition: number }[];
}

/** At most so many checks are asked at one character; beyond, a thread passes unasked: redact, never release. */
const checksMax = 30;

interface Closed {
  readonly states: number[];
  readonly accepts: number[];
  readonly checks: number[];
  readonly marks: number[];
}

/** The subset construction, one step at a time, with the starts kept apart. */
export class Determiniser {
  readonly tables: Tables;
  readonly #nfa: Nfa;
  readonly #confirms: readonly boolean[];
  readonly #seen: Uint32Array;
  #stamp = 0;
  readonly #stills = new Map<number, { readonly fresh: Closed; readonly context: Closed }>();
  readonly #freshBySide: (readonly number[] | undefined)[] = [];
  readonly #contextBySide: (readonly number[] | undefined)[] = [];

  constructor(nfa: Nfa) {
    this.#nfa = nfa;
    this.tables = new Tables(nfa);
    this.#confirms = nfa.definitions.map((_, index) => confirms(nfa, index));
    this.#seen = new Uint32Array(nfa.states.length);
  }

  definitionOf(state: number): number {
    return this.#nfa.states[state]?.definition ?? 0;
  }

  /** The live state at the beginning of a text. */
  start(): Live {
    return { side: this.tables.startSide, context: [], ready: [], groups: [] };
  }

  /** Follows empty edges. With `cls`, looks ahead are answered; without, they wait for the next character. */
  #close(from: Iterable<number>, side: number, cls: number | undefined): Closed {
    const closed: Closed = { states: [], accepts: [], checks: [], marks: [] };
    const behind = this.tables.sides[side];
    this.#stamp += 1;
    const stack = [...from];
    for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
      if (this.#seen[index] === this.#stamp) continue;
      this.#seen[index] = this.#stamp;
      const state = this.#nfa.states[index];
      if (state === undefined) continue;
      if (state.op === op.split) stack.push(...state.outs);
      else if (state.op === op.behind) {
        if (behind?.[state.arg] === 1) stack.push(...state.outs);
      } else if (state.op === op.ahead && cls !== undefined) {
        const answer = this.tables.ahead[state.arg]?.[cls];
        if (answer === 1) stack.push(...state.outs);
        else if (answer === waits) closed.states.push(index);
      } else if (state.op === op.accept) closed.accepts.push(index);
      else if (state.op === op.check) closed.checks.push(index);
      else if (state.op === op.mark) closed.marks.push(...state.outs);
      else closed.states.push(index);
    }
    return closed;
  }

  /** States a match beginning here starts in; what needs context first is in `#context`. */
  #fresh(side: number): readonly number[] {
    const known = this.#freshBySide[side];
    if (known !== undefined) return known;
    const starts = this.#nfa.starts;
    const closed = this.#close(
      starts.filter((_, index) => !this.#nfa.marked[index]),
      side,
      undefined,
    );
    const marks = this.#close(
      starts.filter((_, index) => this.#nfa.marked[index]),
      side,
      undefined,
    ).marks;
    const states = [...closed.states, ...this.#close(marks, side, undefined).states];
    this.#freshBySide[side] = states;
    return states;
  }

  #context(side: number): readonly number[] {
    const known = this.#contextBySide[side];
    if (known !== undefined) return known;
    const marked = this.#nfa.starts.filter((_, index) => this.#nfa.marked[index]);
    const { states } = this.#close(marked, side, undefined);
    this.#contextBySide[side] = states;
    return states;
  }

  #isAhead(index: number): boolean {
    return this.#nfa.states[index]?.op === op.ahead;
  }

  /** The states with looks ahead answered by `cls`, and the matches that end here. */
  #answered(states: readonly number[], side: number, cls: number): Closed {
    if (!states.some((index) => this.#isAhead(index)))
      return { states: [...states], accepts: [], checks: [], marks: [] };
    return this.#close(states, side, cls);
  }

  /** Where the states lead by a character of this class; a folding pattern reads over what cannot be seen. */
  #targets(states: readonly number[], cls: number, begun: boolean): number[] {
    const out: number[] = [];
    for (const index of states) {
      const state = this.#nfa.states[index];
      if (state === undefined) continue;
      if (state.op === op.ahead) {
        if (begun && this.tables.ahead[state.arg]?.[cls] === waits) out.push(index);
        continue;
      }
      if (this.tables.has[state.arg]?.[cls] === 1) out.push(...state.outs);
      if (begun && this.tables.isInvisible[cls] === 1 && this.#nfa.definitions[state.definition]?.fold) out.push(index);
    }
    return out;
  }

  /** What matches and contexts that begin here come to by `cls`: the same whatever else is live. */
  #still(side: number, cls: number, after: number): { readonly fresh: Closed; readonly context: Closed } {
    const key = side * (this.tables.edge + 1) + cls;
    const known = this.#stills.get(key);
    if (known !== undefined) return known;
    const context = this.#answered(this.#context(side), side, cls);
    const marked = this.#close(context.marks, side, undefined).states;
    const begun = this.#answered([...this.#fresh(side), ...marked], side, cls);
    const still = {
      fresh: this.#close(this.#targets(begun.states, cls, false), after, undefined),
      context: this.#close(this.#targets(context.states, cls, true), after, undefined),
    };
    this.#stills.set(key, still);
    return still;
  }

  /** One character of class `cls`, or the end of the text; `passed` holds the answers of its checks. */
  step(live: Live, cls: number, passed: number): Step {
    const before: Fire[] = [];
    const after: Fire[] = [];
    const checks: { from: number; definition: number }[] = [];
    const ended = cls === this.tables.edge;
    const side = ended ? this.tables.startSide : this.tables.sideAfter(live.side, cls);

    const still = this.#still(live.side, cls, side);
    const contextHere = this.#answered(live.context, live.side, cls);
    const contextNext = this.#close(this.#targets(contextHere.states, cls, true), side, undefined);
    const marked = this.#close(contextHere.marks, live.side, undefined).states;

    const sources = live.groups.map((group, from) => ({ from, states: group.states }));
    sources.push({ from: fresh, states: [...live.ready, ...marked] });
    const groups: Group[] = [];
    const froms: number[] = [];
    const taken = new Set<number>();
    for (const source of sources) {
      const here = this.#answered(source.states, live.side, cls);
      if (source.from !== fresh) this.#fires(before, here.accepts, source.from);
      if (ended) continue;
      const next = this.#close(this.#targets(here.states, cls, source.from !== fresh), side, undefined);
      if (source.from === fresh) join(next, still.fresh);
      const accepts = next.accepts;
      for (const check of next.checks) {
        const definition = this.#nfa.states[check]?.definition ?? 0;
        if (checks.length < checksMax) {
          checks.push({ from: source.from, definition });
          if ((passed & (1 << (checks.length - 1))) === 0) continue;
        }
        const beyond = this.#close(this.#nfa.states[check]?.outs ?? [], side, undefined);
        next.states.push(...beyond.states);
        accepts.push(...beyond.accepts);
      }
      this.#fires(after, accepts, source.from);
      this.#regroup(next.states, source.from, taken, groups, froms);
    }
    join(contextNext, still.context);
    const ready = this.#close(contextNext.marks, side, undefined).states;
    return {
      next: { side, context: ended ? [] : sorted(contextNext.states), ready: ended ? [] : sorted(ready), groups },
      from: froms,
      before,
      after,
      checks,
    };
  }

  #fires(into: Fire[], accepts: readonly number[], from: number): void {
    for (const index of accepts) {
      const state = this.#nfa.states[index];
      if (state === undefined) continue;
      const { definition, arg: back } = state;
      if (into.some((fire) => fire.from === from && fire.definition === definition && fire.back === back)) continue;
      into.push({ from, definition, back, confirms: this.#confirms[definition] ?? false });
    }
  }

  /** Puts the states of one start into groups: sliding patterns apart, states an earlier start stands for left out. */
  #regroup(states: readonly number[], from: number, taken: Set<number>, groups: Group[], froms: number[]): void {
    if (states.length === 0) return;
    const sliding = new Set<number>();
    for (const index of states) {
      const state = this.#nfa.states[index];
      if (state?.slides) sliding.add(state.definition);
    }
    const apart: number[] = [];
    const plain: number[] = [];
    for (const index of sorted(states)) {
      const slides = sliding.has(this.#nfa.states[index]?.definition ?? -1);
      if (taken.has(index)) continue;
      if (slides || !this.tables.unchecked[index]) taken.add(index);
      (slides ? apart : plain).push(index);
    }
    for (const [slides, members] of [
      [false, plain],
      [true, apart],
    ] as const) {
      if (members.length === 0) continue;
      groups.push({ slides, states: members });
      froms.push(from);
    }
  }

  /** Whether a JSON number read so far may still hold a match, now or by what may follow within it. */
  mayMatchInNumber(live: Live): boolean {
    const open = (states: readonly number[]): boolean => states.some((index) => this.tables.inNumber[index]);
    const opens = (side: number): boolean => open(this.#fresh(side)) || open(this.#context(side));
    if (live.groups.some((group) => open(group.states)) || open(live.ready) || open(live.context)) return true;
    return opens(live.side) || this.tables.numberClasses.some((cls) => opens(this.tables.sideAfter(live.side, cls)));
  }
}

/** Adds what another closure found; states may then stand twice. */
function join(into: Closed, more: Closed): void {
  into.states.push(...more.states);
  into.accepts.push(...more.accepts);
  into.checks.push(...more.checks);
  into.marks.push(...more.marks);
}

function sorted(states: readonly number[]): number[] {
  return [...new Set(states)].sort((a, b) => a - b);
}
