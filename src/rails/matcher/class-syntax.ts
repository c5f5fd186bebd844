import { type CharSet, digits, negate, setOf, unite, wordChars } from './char-set.ts';

const space: CharSet = setOf([0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20]);
const upper: CharSet = [0x41, 0x5a];
const lower: CharSet = [0x61, 0x7a];

/** RE2's named ASCII classes, the inside of `[[:name:]]`. */
const posix: ReadonlyMap<string, CharSet> = new Map([
  ['alnum', unite(digits, upper, lower)],
  ['alpha', unite(upper, lower)],
  ['ascii', [0, 0x7f]],
  ['blank', setOf([0x09, 0x09, 0x20, 0x20])],
  ['cntrl', setOf([0, 0x1f, 0x7f, 0x7f])],
  ['digit', digits],
  ['graph', [0x21, 0x7e]],
  ['lower', lower],
  ['print', [0x20, 0x7e]],
  ['punct', setOf([0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e])],
  ['space', setOf([0x09, 0x0d, 0x20, 0x20])],
  ['upper', upper],
  ['word', wordChars],
  ['xdigit', setOf([0x30, 0x39, 0x41, 0x46, 0x61, 0x66])],
]);

export function posixClass(name: string): CharSet | undefined {
  return name.startsWith('^') ? mapped(posix.get(name.slice(1))) : posix.get(name);
}

function mapped(set: CharSet | undefined): CharSet | undefined {
  return set === undefined ? undefined : negate(set);
}

/** `\d`, `\s`, `\w` and their negations: ASCII, as RE2 has them. */
export function perlClass(letter: string): CharSet | undefined {
  const set = letter === 'd' || letter === 'D' ? digits : letter === 's' || letter === 'S' ? space : wordChars;
  if ('dsw'.includes(letter)) return set;
  return 'DSW'.includes(letter) ? negate(set) : undefined;
}

const properties = new Map<string, CharSet>();

/** `\p{Name}`: a general category or a script. Undefined where Unicode knows no such name. Found once, then kept. */
export function propertyClass(name: string): CharSet | undefined {
  const known = properties.get(name);
  if (known !== undefined) return known;
  if (name === 'Any') return [0, 0x10ffff];
  if (!/^[A-Z][A-Za-z_]{0,40}$/.test(name)) return undefined;
  const tester = propertyTester(name);
  if (tester === undefined) return undefined;
  const pairs: number[] = [];
  let first = -1;
  for (let point = 0; point <= 0x110000; point += 1) {
    const inside = point <= 0x10ffff && tester.test(String.fromCodePoint(point));
    if (inside && first < 0) first = point;
    if (!inside && first >= 0) {
      pairs.push(first, point - 1);
      first = -1;
    }
  }
  const set = setOf(pairs);
  properties.set(name, set);
  return set;
}

function propertyTester(name: string): RegExp | undefined {
  const kinds = name.length <= 2 ? ['gc', 'sc'] : ['sc'];
  for (const kind of kinds) {
    try {
      return new RegExp(`^\\p{${kind}=${name}}$`, 'u');
    } catch {
      // Not a name of this kind.
    }
  }
  return undefined;
}
