import { choice, emptyTree, type Look, sequence, type Tree } from './ast.ts';
import { type CharSet, everything, negate, setOf, wordChars } from './char-set.ts';
import { withCases, withFolds } from './fold.ts';
import { type Flags, SetReader, type SyntaxOptions } from './set-syntax.ts';

const repeatMost = 1000;
const newline: CharSet = [0x0a, 0x0a];
const look = (set: CharSet, edge: boolean): Look => ({ set, edge, escapes: false, through: false });

/** A boundary (or its absence) between word characters and others, from both sides. */
function wordBoundary(wanted: boolean): Tree {
  const word = look(wordChars, false);
  const other = look(negate(wordChars), true);
  const both = (left: Look, right: Look): Tree =>
    sequence({ kind: 'behind', look: left }, { kind: 'ahead', look: right });
  return wanted ? choice(both(word, other), both(other, word)) : choice(both(word, word), both(other, other));
}

class Reader extends SetReader {
  #depth = 0;

  whole(): Tree {
    const tree = this.#choice({ ignoreCase: this.options.ignoreCase, manyLines: false, dotAll: false });
    if (this.at < this.chars.length) throw new SyntaxError('unexpected )');
    return tree;
  }

  #choice(outer: Flags): Tree {
    this.#depth += 1;
    if (this.#depth > 100) throw new SyntaxError('nested too deep');
    // Flags set inside a group hold to the end of the group.
    const flags = { ...outer };
    const options = [this.#sequence(flags)];
    while (this.take('|')) options.push(this.#sequence(flags));
    this.#depth -= 1;
    return choice(...options);
  }

  #sequence(flags: Flags): Tree {
    const parts: Tree[] = [];
    while (this.at < this.chars.length && this.peek() !== '|' && this.peek() !== ')') {
      if (this.take('\\Q')) {
        while (this.at < this.chars.length && !this.take('\\E')) parts.push(this.#literal(flags));
        continue;
      }
      parts.push(this.#repeated(this.#atom(flags)));
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : sequence(...parts);
  }

  #literal(flags: Flags): Tree {
    const point = this.peek().codePointAt(0) ?? 0;
    this.at += 1;
    return { kind: 'set', set: this.leaf([point, point], flags) };
  }

  #repeated(of: Tree): Tree {
    const counts = this.#quantifier();
    if (counts === undefined) return of;
    this.take('?');
    if (this.#quantifier() !== undefined) throw new SyntaxError('a repetition cannot be repeated');
    const [least, most] = counts;
    if (least > most || least > repeatMost || (most !== Number.POSITIVE_INFINITY && most > repeatMost)) {
      throw new SyntaxError(`a repetition counts up to ${repeatMost}`);
    }
    return { kind: 'repeat', of, least, most };
  }

  #quantifier(): readonly [number, number] | undefined {
    if (this.take('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.take('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.take('?')) return [0, 1];
    if (this.peek() !== '{') return undefined;
    const start = this.at;
    this.at += 1;
    const least = this.number();
    let most = least;
    if (this.take(',')) most = this.peek() === '}' ? Number.POSITIVE_INFINITY : this.number();
    if (Number.isNaN(least) || Number.isNaN(most) || !this.take('}')) {
      this.at = start;
      return undefined;
    }
    return [least, most];
  }

  #atom(flags: Flags): Tree {
    if (this.take('(')) return this.#group(flags);
    if (this.peek() === '[') return { kind: 'set', set: this.bracket(flags) };
    if (this.take('.')) return { kind: 'set', set: flags.dotAll ? everything : negate(newline) };
    if (this.take('^')) return { kind: 'behind', look: this.#look(flags.manyLines ? newline : [], true) };
    if (this.take('$')) return { kind: 'ahead', look: this.#look(flags.manyLines ? newline : [], true) };
    if (this.peek() === '\\') return this.#escape(flags);
    if ('*+?'.includes(this.peek())) throw new SyntaxError(`nothing to repeat before ${this.peek()}`);
    return this.#literal(flags);
  }

  #group(flags: Flags): Tree {
    if (this.options.own) {
      const own = this.#ownGroup(flags);
      if (own !== undefined) return own;
    }
    let inner = flags;
    if (this.take('?P<') || this.take('?<')) {
      if (!/^\w+$/.test(this.until('>'))) throw new SyntaxError('a group has no such name');
    } else if (this.take('?')) {
      const changed = this.#flags(flags);
      if (this.take(')')) {
        Object.assign(flags, changed);
        return emptyTree;
      }
      if (!this.take(':')) throw new SyntaxError('unknown group');
      inner = changed;
    }
    const tree = this.#choice(inner);
    if (!this.take(')')) throw new SyntaxError('missing )');
    return tree;
  }

  #flags(flags: Flags): Flags {
    const changed = { ...flags };
    let value = true;
    for (; this.peek() !== ':' && this.peek() !== ')'; this.at += 1) {
      const flag = this.peek();
      if (flag === '-' && value) value = false;
      else if (flag === 'i') changed.ignoreCase = value;
      else if (flag === 'm') changed.manyLines = value;
      else if (flag === 's') changed.dotAll = value;
      else if (flag !== 'U') throw new SyntaxError('unknown flag or group');
    }
    return changed;
  }

  #ownGroup(flags: Flags): Tree | undefined {
    let tree: Tree;
    if (this.take('?C')) tree = { kind: 'check' };
    else if (this.take('?E')) tree = { kind: 'accept', back: this.number() };
    else if (this.take('?@')) tree = { kind: 'slide', set: this.#one(flags) };
    else if (this.take('?=')) tree = { kind: 'ahead', look: this.#look(this.#one(flags), false) };
    else if (this.take('?!')) tree = { kind: 'ahead', look: this.#look(negate(this.#one(flags)), true) };
    else if (this.take('?<=')) tree = { kind: 'behind', look: this.#look(this.#one(flags), false) };
    else if (this.take('?<!')) {
      tree = { kind: 'behind', look: { ...this.#look(negate(this.#one(flags)), true), escapes: true } };
    } else return undefined;
    if (!this.take(')')) throw new SyntaxError('missing )');
    return tree;
  }

  #look(set: CharSet, edge: boolean): Look {
    return { set, edge, escapes: false, through: this.options.fold };
  }

  /** One character's set. */
  #one(flags: Flags): CharSet {
    const tree = this.#atom(flags);
    if (tree.kind !== 'set') throw new SyntaxError('one character is wanted');
    return tree.set;
  }

  #escape(flags: Flags): Tree {
    const letter = this.peek(1);
    if (letter === 'b' || letter === 'B' || letter === 'A' || letter === 'z' || (letter === 'K' && this.options.own)) {
      this.at += 2;
      if (letter === 'A') return { kind: 'behind', look: look([], true) };
      if (letter === 'z') return { kind: 'ahead', look: look([], true) };
      return letter === 'K' ? { kind: 'mark' } : wordBoundary(letter === 'b');
    }
    return { kind: 'set', set: this.escapedSet(flags) };
  }
}

/** Reads a pattern in RE2's syntax. Throws SyntaxError with what is wrong, in words. */
export function readPattern(source: string, options: SyntaxOptions): Tree {
  return new Reader(source, options).whole();
}

/** A literal text, each character with its other cases and ways of writing as asked. */
export function literalTree(text: string, options: Omit<SyntaxOptions, 'own'>): Tree {
  const parts: Tree[] = [];
  for (const char of text) {
    const point = char.codePointAt(0) ?? 0;
    const cased = options.ignoreCase ? withCases([point, point]) : setOf([point, point]);
    parts.push({ kind: 'set', set: options.fold ? withFolds(cased) : cased });
  }
  return sequence(...parts);
}
