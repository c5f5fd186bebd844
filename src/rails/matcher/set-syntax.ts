import { type CharSet, negate, unite } from './char-set.ts';
import { perlClass, posixClass, propertyClass } from './class-syntax.ts';
import { withCases, withFolds } from './fold.ts';

export interface SyntaxOptions {
  /** Every set also takes the other ways of writing its members (full width, other digits, typographic dashes). */
  readonly fold: boolean;
  readonly ignoreCase: boolean;
  /**
   * Our own patterns may also say: `(?=set)` `(?!set)` `(?<=set)` `(?<!set)` of one character, the edge of the text
   * passing the negated ones; `\K` the match begins here; `(?C)` ask the check; `(?E2)` the match ended two characters
   * ago (at most 63); `(?@set)` one or more at the start, sliding.
   */
  readonly own: boolean;
}

export interface Flags {
  ignoreCase: boolean;
  manyLines: boolean;
  dotAll: boolean;
}

const simpleEscapes: ReadonlyMap<string, number> = new Map([
  ['a', 0x07],
  ['f', 0x0c],
  ['t', 0x09],
  ['n', 0x0a],
  ['r', 0x0d],
  ['v', 0x0b],
]);

/** Reads characters and sets of them: what stands in brackets and behind backslashes. */
export class SetReader {
  protected readonly chars: readonly string[];
  protected readonly options: SyntaxOptions;
  protected at = 0;

  constructor(source: string, options: SyntaxOptions) {
    this.chars = [...source];
    this.options = options;
  }

  protected peek(ahead = 0): string {
    return this.chars[this.at + ahead] ?? '';
  }

  protected starts(text: string): boolean {
    for (let i = 0; i < text.length; i += 1) if (this.peek(i) !== text[i]) return false;
    return true;
  }

  protected take(text: string): boolean {
    if (!this.starts(text)) return false;
    this.at += text.length;
    return true;
  }

  protected until(end: string): string {
    let out = '';
    while (!this.take(end)) {
      if (this.at >= this.chars.length) throw new SyntaxError(`missing ${end}`);
      out += this.peek();
      this.at += 1;
    }
    return out;
  }

  protected number(): number {
    let text = '';
    while (this.peek() >= '0' && this.peek() <= '9' && this.peek() !== '') {
      text += this.peek();
      this.at += 1;
    }
    return text === '' ? Number.NaN : Number(text);
  }

  protected leaf(set: CharSet, flags: Flags): CharSet {
    const cased = flags.ignoreCase ? withCases(set) : set;
    return this.options.fold ? withFolds(cased) : cased;
  }

  /** `\d`, `\pL`, `\x41`, `\.` and the like, inside and outside brackets. */
  protected escapedSet(flags: Flags): CharSet {
    this.at += 1;
    const letter = this.peek();
    this.at += 1;
    const perl = perlClass(letter.toLowerCase());
    if (perl !== undefined && 'dswDSW'.includes(letter)) {
      const wide = this.leaf(perl, flags);
      return letter === letter.toLowerCase() ? wide : negate(wide);
    }
    if (letter === 'p' || letter === 'P') return this.property(letter === 'P', flags);
    const point = this.escapedPoint(letter);
    return this.leaf([point, point], flags);
  }

  protected property(negated: boolean, flags: Flags): CharSet {
    let name = this.peek();
    this.at += 1;
    if (name === '{') name = this.until('}');
    const inverted = name.startsWith('^');
    const set = propertyClass(inverted ? name.slice(1) : name);
    if (set === undefined) throw new SyntaxError(`unknown character class ${name}`);
    const wide = this.leaf(set, flags);
    return negated !== inverted ? negate(wide) : wide;
  }

  protected escapedPoint(letter: string): number {
    const simple = simpleEscapes.get(letter);
    if (simple !== undefined) return simple;
    if (letter === 'x') {
      let hex = '';
      if (this.take('{')) hex = this.until('}');
      else {
        hex = this.peek() + this.peek(1);
        this.at += 2;
      }
      const point = /^[0-9A-Fa-f]{1,8}$/.test(hex) ? Number.parseInt(hex, 16) : Number.NaN;
      if (!(point <= 0x10ffff)) throw new SyntaxError('not a code point');
      return point;
    }
    if (letter >= '0' && letter <= '7') {
      let octal = letter;
      while (octal.length < 3 && this.peek() >= '0' && this.peek() <= '7' && this.peek() !== '') {
        octal += this.peek();
        this.at += 1;
      }
      return Number.parseInt(octal, 8);
    }
    if (letter === '' || /[A-Za-z0-9]/.test(letter)) throw new SyntaxError(`unknown escape \\${letter}`);
    return letter.codePointAt(0) ?? 0;
  }

  protected bracket(flags: Flags): CharSet {
    this.at += 1;
    const negated = this.take('^');
    let set: CharSet = [];
    for (let first = true; first || this.peek() !== ']'; first = false) {
      if (this.at >= this.chars.length) throw new SyntaxError('missing ]');
      set = unite(set, this.bracketItem(flags));
    }
    this.at += 1;
    return negated ? negate(set) : set;
  }

  protected bracketItem(flags: Flags): CharSet {
    if (this.take('[:')) {
      const named = posixClass(this.until(':]'));
      if (named === undefined) throw new SyntaxError('unknown class between [: and :]');
      return this.leaf(named, flags);
    }
    if (this.peek() === '\\' && 'dswDSWpP'.includes(this.peek(1))) return this.escapedSet(flags);
    const first = this.bracketPoint();
    if (this.peek() !== '-' || this.peek(1) === ']') return this.leaf([first, first], flags);
    this.at += 1;
    const last = this.bracketPoint();
    if (last < first) throw new SyntaxError('a range runs backwards');
    return this.leaf([first, last], flags);
  }

  protected bracketPoint(): number {
    const char = this.peek();
    this.at += 1;
    if (char === '') throw new SyntaxError('missing ]');
    if (char !== '\\') return char.codePointAt(0) ?? 0;
    const letter = this.peek();
    this.at += 1;
    return this.escapedPoint(letter);
  }
}
