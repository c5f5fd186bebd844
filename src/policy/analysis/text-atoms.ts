import { canonicalJson } from '../canonical.ts';
import type { Json } from '../policy.ts';
import { type Atom, opposed } from './literal.ts';
import { networksIn, within } from './networks.ts';
import { sampleOf } from './sample.ts';

const opaque = new Set(['contains', 'starts_with', 'ends_with', 'matches', 'glob', 'cidr']);

/** Looks into a text, so that constants alone do not tell values apart. */
export function isOpaque({ operator }: Atom): boolean {
  return opaque.has(operator);
}

/** Whether two of the comparisons cannot both come out as wanted, whatever the value. */
export function clashes(atoms: readonly Atom[]): boolean {
  return atoms.some((a, i) => atoms.some((b, j) => i !== j && clash(a, b, i < j)));
}

function clash(a: Atom, b: Atom, once: boolean): boolean {
  if (once && a.operator === b.operator && opposed(a.want, b.want) && same(a.value, b.value)) return true;
  if (a.want !== 'true') return false;
  if (b.want === 'true') return apart(a, b);
  return (b.want === 'false' || b.want === 'not_true') && implies(a, b);
}

const same = (a: Json | undefined, b: Json | undefined) => canonicalJson(a ?? null) === canonicalJson(b ?? null);

/** Whether the one being true makes the other true. */
function implies(a: Atom, b: Atom): boolean {
  if (b.operator === 'exists') return true;
  if (a.operator === 'cidr' && b.operator === 'cidr') {
    const [inner, outer] = [networksIn(a.value), networksIn(b.value)];
    return inner.every((one) => outer.some((other) => within(one, other)));
  }
  const [x, y] = [a.value, b.value];
  if (typeof x !== 'string' || typeof y !== 'string') return false;
  if (b.operator === 'starts_with') return a.operator === 'starts_with' && x.startsWith(y);
  if (b.operator === 'ends_with') return a.operator === 'ends_with' && x.endsWith(y);
  if (b.operator !== 'contains') return false;
  return (a.operator === 'starts_with' || a.operator === 'ends_with') && x.includes(y);
}

/** Whether no value makes both true. */
function apart(a: Atom, b: Atom): boolean {
  if (a.operator !== b.operator) return false;
  if (a.operator === 'cidr') {
    const [x, y] = [networksIn(a.value), networksIn(b.value)];
    return x.every((one) => y.every((other) => !within(one, other) && !within(other, one)));
  }
  const [x, y] = [a.value, b.value];
  if (typeof x !== 'string' || typeof y !== 'string') return false;
  if (a.operator === 'starts_with') return !x.startsWith(y) && !y.startsWith(x);
  return a.operator === 'ends_with' && !x.endsWith(y) && !y.endsWith(x);
}

/** Texts that may serve comparisons that look into them. */
export function composed(atoms: readonly Atom[]): readonly string[] {
  const wanted = atoms.filter((atom) => isOpaque(atom) && atom.want === 'true');
  if (wanted.length === 0) return [];
  const of = (operator: string) =>
    wanted.flatMap((atom) => (atom.operator === operator && typeof atom.value === 'string' ? [atom.value] : []));
  const longest = (texts: readonly string[]) => texts.reduce((a, b) => (b.length > a.length ? b : a), '');
  const [head, tail, parts] = [longest(of('starts_with')), longest(of('ends_with')), of('contains')];
  const globs = wanted.flatMap(({ operator, value }) =>
    operator === 'glob' ? (Array.isArray(value) ? value : [value]).map(String) : [],
  );
  const samples = of('matches').flatMap((source) => sampleOf(source) ?? []);
  const inside = [...samples, ...parts];
  const whole = [head + inside.join(' ') + tail, head + inside.join('') + tail, head + tail];
  const shaped = globs.flatMap((pattern) =>
    ['', 'x', ...inside].map((run) => pattern.replaceAll('*', run).replaceAll('?', 'x')),
  );
  return [...new Set([...whole, `${whole[0]}-`, `-${whole[0]}`, ...inside, ...shaped])];
}
