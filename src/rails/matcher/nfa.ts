import type { Look, Tree } from './ast.ts';
import type { CharSet } from './char-set.ts';

/** One pattern as the automaton knows it. */
export interface Definition {
  /** In what the matcher was compiled from: every reference that asked for it, the first one named in spans. */
  readonly refs: readonly number[];
  readonly rail: string;
  readonly type: string;
  readonly tree: Tree;
  /** Reads over invisible characters inside a match; checks see the folded text. */
  readonly fold: boolean;
  /** Confirms the match's text. Asked where the tree says `check`, else of every match. */
  readonly check?: (text: string) => boolean;
}

export const op = { char: 0, split: 1, behind: 2, ahead: 3, mark: 4, check: 5, accept: 6 } as const;

/** A state's edges. `arg` is the set, the look or the `back` count; `outs` are where it leads. */
export interface NfaState {
  readonly op: number;
  readonly arg: number;
  readonly outs: number[];
  readonly definition: number;
  readonly slides: boolean;
}

/** All definitions as one automaton with empty edges. */
export class Nfa {
  readonly states: NfaState[] = [];
  readonly sets: CharSet[] = [];
  readonly looks: Look[] = [];
  readonly starts: number[] = [];
  /** Whether a definition has context before its match. */
  readonly marked: boolean[] = [];
  readonly definitions: readonly Definition[];
  readonly #setIds = new Map<string, number>();
  readonly #lookIds = new Map<string, number>();
  readonly #statesMax: number;

  /** Throws RangeError where one definition needs more than `statesMax` states. */
  constructor(definitions: readonly Definition[], statesMax: number) {
    this.definitions = definitions;
    this.#statesMax = statesMax;
    definitions.forEach((definition, index) => {
      const before = this.states.length;
      const accept = this.#add(op.accept, 0, [], index);
      this.starts.push(this.#build(definition.tree, accept, index, before));
      this.marked.push(this.states.slice(before).some((state) => state.op === op.mark));
    });
  }

  #add(kind: number, arg: number, outs: number[], definition: number, slides = false): number {
    this.states.push({ op: kind, arg, outs, definition, slides });
    return this.states.length - 1;
  }

  #setId(set: CharSet): number {
    const key = set.join();
    const known = this.#setIds.get(key);
    if (known !== undefined) return known;
    this.#setIds.set(key, this.sets.length);
    return this.sets.push(set) - 1;
  }

  #lookId(look: Look): number {
    const key = `${look.edge}${look.escapes}${look.through}${look.set.join()}`;
    const known = this.#lookIds.get(key);
    if (known !== undefined) return known;
    this.#lookIds.set(key, this.looks.length);
    return this.looks.push(look) - 1;
  }

  /** The state from which `tree` and then `next` is read. */
  #build(tree: Tree, next: number, definition: number, first: number): number {
    if (this.states.length - first > this.#statesMax) {
      throw new RangeError(`the automaton needs more than ${this.#statesMax} states`);
    }
    switch (tree.kind) {
      case 'set':
        return this.#add(op.char, this.#setId(tree.set), [next], definition);
      case 'sequence':
        return tree.parts.reduceRight((after, part) => this.#build(part, after, definition, first), next);
      case 'choice': {
        const outs = tree.options.map((option) => this.#build(option, next, definition, first));
        return this.#add(op.split, 0, outs, definition);
      }
      case 'repeat':
        return this.#repeat(tree.of, tree.least, tree.most, next, definition, first);
      case 'slide': {
        const outs = [next];
        const again = this.#add(op.split, 0, outs, definition);
        const char = this.#add(op.char, this.#setId(tree.set), [again], definition, true);
        outs.unshift(char);
        return char;
      }
      case 'behind':
        return this.#add(op.behind, this.#lookId(tree.look), [next], definition);
      case 'ahead':
        return this.#add(op.ahead, this.#lookId(tree.look), [next], definition);
      case 'mark':
        return this.#add(op.mark, 0, [next], definition);
      case 'check':
        return this.#add(op.check, 0, [next], definition);
      case 'accept':
        return this.#add(op.accept, tree.back, [], definition);
    }
  }

  #repeat(of: Tree, least: number, most: number, next: number, definition: number, first: number): number {
    let after = next;
    if (most === Number.POSITIVE_INFINITY) {
      const outs: number[] = [];
      after = this.#add(op.split, 0, outs, definition);
      outs.push(this.#build(of, after, definition, first), next);
    } else {
      for (let i = least; i < most; i += 1) {
        after = this.#add(op.split, 0, [this.#build(of, after, definition, first), next], definition);
      }
    }
    for (let i = 0; i < least; i += 1) {
      const before = this.states.length;
      after = this.#build(of, after, definition, first);
      // What reads nothing and asks nothing is the same however often it is said.
      if (this.states.length === before) break;
    }
    return after;
  }
}

/** For each state, whether a target can be reached along edges `open` lets through. */
export function reaching(
  nfa: Nfa,
  target: (state: NfaState) => boolean,
  open: (state: NfaState) => boolean,
): boolean[] {
  const into: number[][] = nfa.states.map(() => []);
  nfa.states.forEach((state, index) => {
    if (open(state)) for (const out of state.outs) into[out]?.push(index);
  });
  const reached = nfa.states.map(target);
  const queue = nfa.states.flatMap((_, index) => (reached[index] ? [index] : []));
  for (let index = queue.pop(); index !== undefined; index = queue.pop()) {
    for (const from of into[index] ?? []) {
      if (reached[from]) continue;
      reached[from] = true;
      queue.push(from);
    }
  }
  return reached;
}
