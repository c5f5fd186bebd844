import { Determiniser, type Fire, type Live, type Step } from './determinise.ts';
import type { Definition } from './nfa.ts';
import { Nfa } from './nfa.ts';

/** What one character does beyond changing the state. */
export interface Action {
  readonly next: number;
  /** Which generation of the cache `next` belongs to. */
  readonly generation: number;
  readonly from: Int16Array;
  /** Groups that leave their sliding: their start is taken where it has come to. */
  readonly slid: Uint8Array;
  /** Which groups of `next` slide. */
  readonly sliding: readonly boolean[];
  readonly before: readonly Fire[];
  readonly after: readonly Fire[];
  readonly checks: Step['checks'];
  /** By the answers of its checks; undefined where it has none. */
  readonly variants: Map<number, Action> | undefined;
}

/** Cells of the transition table, each four bytes; past it the cache starts anew. */
const cellsMax = 2_000_000;
const statesMax = 16_384;
const actionsMax = 65_536;
const variantsMax = 64;

/**
 * The deterministic automaton of a set of definitions, built as texts are read and kept for all lanes. A cell of
 * `table` is the next state (already multiplied by `stride`), `unknown`, or `-2 - action`.
 */
export class Machine {
  static readonly unknown = -1;
  readonly definitions: readonly Definition[];
  readonly determiniser: Determiniser;
  readonly stride: number;
  readonly edge: number;
  table: Int32Array;
  generation = 0;
  start = 0;
  readonly #statesMax: number;
  /** The live states by number (divided by `stride`); a new array with each generation. */
  lives: Live[] = [];
  #ids = new Map<string, number>();
  #actions: Action[] = [];
  #inNumber: Uint8Array = new Uint8Array(64);

  /** Throws RangeError where a definition needs more than `nfaStatesMax` states. */
  constructor(
    definitions: readonly Definition[],
    nfaStatesMax: number = Number.POSITIVE_INFINITY,
    cells: number = cellsMax,
  ) {
    this.definitions = definitions;
    this.determiniser = new Determiniser(new Nfa(definitions, nfaStatesMax));
    this.edge = this.determiniser.tables.edge;
    this.stride = this.edge + 1;
    this.#statesMax = Math.max(4, Math.min(statesMax, Math.floor(cells / this.stride)));
    this.table = new Int32Array(Math.min(64, this.#statesMax) * this.stride).fill(Machine.unknown);
    this.start = this.intern(this.determiniser.start());
  }

  /** The live state behind a number given in this generation. */
  live(state: number): Live {
    return this.lives[state / this.stride] ?? this.determiniser.start();
  }

  /** Whether nothing is live, not even context. */
  isIdle(state: number): boolean {
    const live = this.live(state);
    return live.groups.length + live.context.length + live.ready.length === 0;
  }

  /** The number of a live state; may start a new generation, after which older numbers mean nothing. */
  intern(live: Live): number {
    const key = keyOf(live);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    if (this.lives.length >= this.#statesMax || this.#actions.length >= actionsMax) this.#startAnew();
    const number = this.lives.length;
    const cells = (number + 1) * this.stride;
    if (cells > this.table.length) {
      const wider = new Int32Array(Math.min(this.table.length * 2, this.#statesMax * this.stride));
      wider.set(this.table);
      wider.fill(Machine.unknown, this.table.length);
      this.table = wider;
    }
    if (number >= this.#inNumber.length) {
      const wider = new Uint8Array(this.#inNumber.length * 2);
      wider.set(this.#inNumber);
      this.#inNumber = wider;
    }
    this.lives.push(live);
    this.#ids.set(key, number * this.stride);
    return number * this.stride;
  }

  #startAnew(): void {
    this.generation += 1;
    this.lives = [];
    this.#ids = new Map();
    this.#actions = [];
    this.#inNumber.fill(0);
    this.table.fill(Machine.unknown);
    this.start = this.intern(this.determiniser.start());
  }

  /** The action of reading a character of class `cls` in `state`, built where it is new. */
  action(state: number, cls: number): Action {
    const cell = this.table[state + cls] ?? Machine.unknown;
    if (cell <= -2) {
      const known = this.#actions[-2 - cell];
      if (known !== undefined) return known;
    }
    const generation = this.generation;
    const live = this.live(state);
    const action = this.#build(live, cls, 0);
    if (generation === this.generation) {
      if (isPlain(live, action)) this.table[state + cls] = action.next;
      else this.table[state + cls] = -2 - (this.#actions.push(action) - 1);
    }
    return action;
  }

  /** The same action under the answers its checks were given. */
  variant(live: Live, cls: number, action: Action, passed: number): Action {
    const known = action.variants?.get(passed);
    if (known !== undefined && known.generation === this.generation) return known;
    const built = this.#build(live, cls, passed);
    if ((action.variants?.size ?? 0) >= variantsMax) action.variants?.clear();
    action.variants?.set(passed, built);
    return built;
  }

  #build(live: Live, cls: number, passed: number): Action {
    const step = this.determiniser.step(live, cls, passed);
    const next = this.intern(step.next);
    const slid = step.from.map((from, group) =>
      from >= 0 && live.groups[from]?.slides && !step.next.groups[group]?.slides ? 1 : 0,
    );
    return {
      next,
      generation: this.generation,
      from: Int16Array.from(step.from),
      slid: Uint8Array.from(slid),
      sliding: step.next.groups.map((group) => group.slides),
      before: step.before,
      after: step.after,
      checks: step.checks,
      variants: step.checks.length > 0 ? new Map() : undefined,
    };
  }

  /** Whether a JSON number that led to this state may still hold a match. */
  mayMatchInNumber(state: number): boolean {
    const index = state / this.stride;
    const known = this.#inNumber[index];
    if (known === 1 || known === 2) return known === 2;
    const may = this.determiniser.mayMatchInNumber(this.live(state));
    this.#inNumber[index] = may ? 2 : 1;
    return may;
  }
}

function isPlain(live: Live, action: Action): boolean {
  return (
    action.before.length + action.after.length + action.checks.length === 0 &&
    action.from.length === live.groups.length &&
    action.from.every((from, group) => from === group) &&
    action.sliding.every((slides, group) => slides === live.groups[group]?.slides)
  );
}

function keyOf(live: Live): string {
  let key = `${live.side};${live.context.join()};${live.ready.join()}`;
  for (const group of live.groups) key += `${group.slides ? '~' : '|'}${group.states.join()}`;
  return key;
}
