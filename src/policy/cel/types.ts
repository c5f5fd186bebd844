import type { Dialect } from './values.ts';

export type Primitive =
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'null'
  | 'timestamp'
  | 'duration'
  | 'dyn';

export type CelType =
  | { readonly kind: Primitive }
  | { readonly kind: 'list'; readonly of: readonly [CelType] }
  | { readonly kind: 'map'; readonly of: readonly [CelType, CelType] }
  | { readonly kind: 'type' }
  /** `optional_type`, and whatever a declaration brings. */
  | { readonly kind: 'opaque'; readonly name: string; readonly of: readonly CelType[] }
  /** A type parameter: the name in a signature, a fresh number where it is used. */
  | { readonly kind: 'parameter'; readonly name: string };

const primitive = (kind: Primitive): CelType => ({ kind });
export const bool = primitive('bool');
export const int = primitive('int');
export const uint = primitive('uint');
export const double = primitive('double');
export const string = primitive('string');
export const bytes = primitive('bytes');
export const nothing = primitive('null');
export const timestamp = primitive('timestamp');
export const duration = primitive('duration');
export const dyn = primitive('dyn');
export const type: CelType = { kind: 'type' };
export const listOf = (element: CelType): CelType => ({ kind: 'list', of: [element] });
export const mapOf = (key: CelType, value: CelType): CelType => ({ kind: 'map', of: [key, value] });
export const optionalOf = (value: CelType): CelType => ({ kind: 'opaque', name: 'optional_type', of: [value] });

export function partsOf(of: CelType): readonly CelType[] {
  return 'of' in of ? of.of : [];
}

export function withParts(whole: CelType, parts: readonly CelType[]): CelType {
  const [first = dyn, second = dyn] = parts;
  if (whole.kind === 'list') return listOf(first);
  if (whole.kind === 'map') return mapOf(first, second);
  return whole.kind === 'opaque' ? { ...whole, of: parts } : whole;
}

/** In policies numbers are one kind. */
export function inDialect(given: CelType, dialect: Dialect): CelType {
  if (dialect === 'standard') return given;
  if (given.kind === 'int' || given.kind === 'uint') return double;
  return 'of' in given
    ? withParts(
        given,
        given.of.map((part) => inDialect(part, dialect)),
      )
    : given;
}

/** A type as the language writes it: `list(int)`. */
export function typeText(given: CelType): string {
  switch (given.kind) {
    case 'list':
    case 'map':
      return `${given.kind}(${given.of.map(typeText).join(', ')})`;
    case 'opaque':
      return given.of.length === 0 ? given.name : `${given.name}(${given.of.map(typeText).join(', ')})`;
    case 'parameter':
      return given.name;
    default:
      return given.kind;
  }
}

const words: Readonly<Partial<Record<CelType['kind'], string>>> = {
  bool: 'true or false',
  int: 'an integer',
  uint: 'an unsigned integer',
  double: 'a number',
  string: 'a text',
  bytes: 'bytes',
  null: 'null',
  timestamp: 'a time',
  duration: 'a duration',
  dyn: 'of any type',
  type: 'a type',
};

/** A type as a message says it: `a list of texts` is `a list`. */
export function typeWords(given: CelType): string {
  if (given.kind === 'list') return 'a list';
  if (given.kind === 'map') return 'a map';
  if (given.kind === 'opaque') return given.name === 'optional_type' ? 'an optional' : `a ${given.name}`;
  return words[given.kind] ?? 'of any type';
}

/** What a function takes and gives. */
export interface Signature {
  readonly parameters: readonly CelType[];
  readonly result: CelType;
  /** False where no type parameter is in it. */
  readonly generic?: boolean;
}

/** What type parameters stand for, and whether types fit each other. One for each expression. */
export class Unifier {
  readonly bindings = new Map<string, CelType>();
  readonly #trail: [name: string, before: CelType | undefined][] = [];
  count = 0;

  fresh(): CelType {
    return { kind: 'parameter', name: `%${this.count++}` };
  }

  /** A signature with parameters of its own. */
  instance<S extends Signature>(signature: S): Signature {
    if (signature.generic === false) return signature;
    const own = new Map<string, CelType>();
    const copy = (one: CelType): CelType => {
      if (one.kind !== 'parameter') return 'of' in one ? withParts(one, one.of.map(copy)) : one;
      const known = own.get(one.name) ?? this.fresh();
      own.set(one.name, known);
      return known;
    };
    return { result: copy(signature.result), parameters: signature.parameters.map(copy) };
  }

  /** Parameters put in; those that stand for nothing are dyn at the end. */
  resolve(given: CelType, end = false): CelType {
    if (given.kind === 'parameter') {
      const bound = this.bindings.get(given.name);
      return bound === undefined ? (end ? dyn : given) : this.resolve(bound, end);
    }
    return 'of' in given
      ? withParts(
          given,
          given.of.map((part) => this.resolve(part, end)),
        )
      : given;
  }

  /** Whether values of these types may stand for those; what parameters stand for is kept only where they all may. */
  fits(from: readonly CelType[], to: readonly CelType[]): boolean {
    if (from.length !== to.length) return false;
    const start = this.#trail.length;
    if (from.every((one, i) => this.#fit(one, to[i] ?? dyn))) return true;
    for (const [name, before] of this.#trail.splice(start).reverse()) {
      if (before === undefined) this.bindings.delete(name);
      else this.bindings.set(name, before);
    }
    return false;
  }

  // What a parameter stood for before is kept, for the case that types do not fit after all.
  #bind(name: string, type: CelType): void {
    this.#trail.push([name, this.bindings.get(name)]);
    this.bindings.set(name, type);
  }

  #fit(from: CelType, to: CelType): boolean {
    const [a, b] = [this.#head(from), this.#head(to)];
    if (a.kind === 'parameter' || b.kind === 'parameter') {
      if (a.kind === 'parameter' && b.kind === 'parameter' && a.name === b.name) return true;
      // The more general of both is what both stand for from now on.
      const [open, bound] = b.kind === 'parameter' ? [b, a] : [a as CelType & { kind: 'parameter' }, b];
      if (this.#holds(bound, open.name)) return false;
      this.#bind(open.name, bound);
      return true;
    }
    if (a.kind === 'dyn' || b.kind === 'dyn') {
      this.#widen(to, a, b);
      return true;
    }
    if (a.kind === 'null') return nullable(b);
    if (b.kind === 'null') return nullable(a);
    if (a.kind !== b.kind || (a.kind === 'opaque' && b.kind === 'opaque' && a.name !== b.name)) return false;
    const [parts, others] = [partsOf(a), partsOf(b)];
    if (parts.length !== others.length || !parts.every((part, i) => this.#fit(part, others[i] ?? dyn))) return false;
    this.#widen(to, a, b);
    return true;
  }

  // A parameter that stood for a type and meets a more general one stands for the general one.
  #widen(to: CelType, a: CelType, b: CelType): void {
    if (to.kind !== 'parameter' || !this.#moreGeneral(a, b)) return;
    let { name } = to;
    for (let next = this.bindings.get(name); next?.kind === 'parameter'; next = this.bindings.get(name))
      name = next.name;
    this.#bind(name, a);
  }

  #moreGeneral(a: CelType, b: CelType): boolean {
    const [x, y] = [this.#head(a), this.#head(b)];
    if (x.kind === 'dyn') return y.kind !== 'dyn';
    const [parts, others] = [partsOf(x), partsOf(y)];
    return x.kind === y.kind && parts.some((part, i) => this.#moreGeneral(part, others[i] ?? dyn));
  }

  #head(given: CelType): CelType {
    let one = given;
    while (one.kind === 'parameter') {
      const bound = this.bindings.get(one.name);
      if (bound === undefined) return one;
      one = bound;
    }
    return one;
  }

  #holds(whole: CelType, name: string): boolean {
    const one = this.#head(whole);
    return one.kind === 'parameter' ? one.name === name : partsOf(one).some((part) => this.#holds(part, name));
  }

  /** The type of a list's elements, a map's values, a conditional's answers: what both are, or dyn. */
  join(a: CelType, b: CelType): CelType {
    if (!this.fits([a], [b])) return dyn;
    const [x, y] = [this.resolve(a), this.resolve(b)];
    if (x.kind === 'null') return y;
    return this.#moreGeneral(y, x) ? y : x;
  }
}

function nullable(given: CelType): boolean {
  return ['null', 'timestamp', 'duration', 'opaque'].includes(given.kind);
}
