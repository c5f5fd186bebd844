import { Alphabet } from './alphabet.ts';
import { type CharSet, setOfChars } from './char-set.ts';
import { invisible } from './fold.ts';
import { type Nfa, op, reaching } from './nfa.ts';

const backslash = setOfChars('\\');
const escapeLetters = setOfChars('nrt');
const numberChars: CharSet = setOfChars('0123456789+-.eE');

/** A look ahead that meets what cannot be seen waits for what follows it. */
export const waits = 2;

/** Everything the determinisation asks about classes and states, looked up instead of searched. */
export class Tables {
  readonly alphabet: Alphabet;
  /** The class that stands for the end of the text. */
  readonly edge: number;
  /** By set, then class. */
  readonly has: readonly Uint8Array[];
  /** By look, then class (and the edge): whether what follows satisfies it. */
  readonly ahead: readonly Uint8Array[];
  readonly isInvisible: Uint8Array;
  readonly isBackslash: Uint8Array;
  /** States from which a check lies ahead: of two threads there, the earlier start does not stand for the later. */
  readonly unchecked: readonly boolean[];
  /** States that can lead to a match by characters of a JSON number alone. */
  readonly inNumber: readonly boolean[];
  readonly numberClasses: readonly number[];
  /** By side: for each look, whether what stands behind satisfies it. A side is what a place has behind it. */
  readonly sides: Uint8Array[] = [];
  readonly startSide: number;
  readonly #sideOf: number[];
  readonly #escapedSideOf: number[];
  readonly #known = new Map<string, number>();
  readonly #unseenSides = new Map<number, number>();
  readonly #through: readonly boolean[];

  constructor(nfa: Nfa) {
    const looks = nfa.looks;
    const escapes = looks.some((look) => look.escapes) ? [backslash, escapeLetters] : [];
    const folds = nfa.definitions.some((definition) => definition.fold) ? [invisible] : [];
    const lookSets = looks.map((look) => look.set);
    this.alphabet = new Alphabet([...nfa.sets, ...lookSets, ...escapes, ...folds, numberChars]);
    this.edge = this.alphabet.size;
    this.has = nfa.sets.map((set) => this.alphabet.flags(set));
    const unseen = this.alphabet.flags(folds.length > 0 ? invisible : []);
    this.ahead = looks.map((look) =>
      Uint8Array.from([
        ...this.alphabet.flags(look.set).map((flag, cls) => (look.through && unseen[cls] === 1 ? waits : flag)),
        look.edge ? 1 : 0,
      ]),
    );
    this.isInvisible = unseen;
    this.isBackslash = this.alphabet.flags(escapes.length > 0 ? backslash : []);
    this.unchecked = reaching(
      nfa,
      (state) => state.op === op.check || (state.op === op.accept && confirms(nfa, state.definition)),
      () => true,
    );
    const number = this.alphabet.flags(numberChars);
    this.numberClasses = [...number.keys()].filter((index) => number[index] === 1);
    this.inNumber = reaching(
      nfa,
      (state) => state.op === op.accept,
      (state) => this.#passesInNumber(state.op, state.arg),
    );

    const classes = [...Array(this.alphabet.size).keys()];
    const behind = looks.map((look) => this.alphabet.flags(look.set));
    const letters = this.alphabet.flags(escapes.length > 0 ? escapeLetters : []);
    const side = (flags: number[]): number => this.#side(flags);
    this.#through = looks.map((look) => look.through);
    // The last flag keeps a backslash's side its own: what it says of the next character depends on it.
    this.startSide = side([...looks.map((look) => (look.edge ? 1 : 0)), 0]);
    this.#sideOf = classes.map((cls) => side([...behind.map((flags) => flags[cls] ?? 0), this.isBackslash[cls] ?? 0]));
    this.#escapedSideOf = classes.map((cls) =>
      letters[cls] === 1
        ? side([...looks.map((look, i) => (look.escapes ? 1 : (behind[i]?.[cls] ?? 0))), 0])
        : (this.#sideOf[cls] ?? 0),
    );
  }

  #passesInNumber(kind: number, arg: number): boolean {
    if (kind === op.char) return this.numberClasses.some((cls) => this.has[arg]?.[cls] === 1);
    if (kind !== op.ahead) return true;
    return [...this.numberClasses, this.edge].some((cls) => this.ahead[arg]?.[cls] === 1);
  }

  #side(flags: readonly number[]): number {
    const key = flags.join('');
    const found = this.#known.get(key);
    if (found !== undefined) return found;
    this.#known.set(key, this.sides.length);
    return this.sides.push(Uint8Array.from(flags)) - 1;
  }

  /** After a character that cannot be seen: looks through it keep their answer. */
  #sideAfterUnseen(side: number, cls: number): number {
    const key = side * this.edge + cls;
    const known = this.#unseenSides.get(key);
    if (known !== undefined) return known;
    const before = this.sides[side];
    const plain = this.sides[this.#sideOf[cls] ?? 0] ?? new Uint8Array();
    const next = this.#side(Array.from(plain, (flag, i) => (this.#through[i] ? (before?.[i] ?? 0) : flag)));
    this.#unseenSides.set(key, next);
    return next;
  }

  /** What a place has behind it once a character of this class was read from a place with that side. */
  sideAfter(side: number, cls: number): number {
    if (this.isInvisible[cls] === 1) return this.#sideAfterUnseen(side, cls);
    const flags = this.sides[side];
    const written = flags !== undefined && flags[flags.length - 1] === 1;
    return (written ? this.#escapedSideOf[cls] : this.#sideOf[cls]) ?? 0;
  }
}

/** Whether a definition's check is asked of each match, not within the pattern. */
export function confirms(nfa: Nfa, definition: number): boolean {
  if (nfa.definitions[definition]?.check === undefined) return false;
  return !nfa.states.some((state) => state.op === op.check && state.definition === definition);
}
