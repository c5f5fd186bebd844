import { Unable } from '../unable.ts';

/**
 * How values are: `standard` is the language as specified, with 64-bit integers apart from floating-point numbers
 * (bigint, `Uint`, number). In `policy` numbers are one kind, JavaScript's, and what is missing (`undefined`) or not of
 * the type an operator works on is nothing: no comparison with it is true.
 */
export type Dialect = 'standard' | 'policy';

/** An error as a value: it goes on through operators until `&&`, `||` or a conditional makes do without it. */
export class CelError extends Unable {}

export function failed(reason: string): CelError {
  return new CelError(reason);
}

/** An unsigned 64-bit integer (`standard` alone). */
export class Uint {
  readonly value: bigint;

  constructor(value: bigint) {
    this.value = value;
  }
}

/** A moment: nanoseconds since 1970, from year 1 to year 9999. */
export class Timestamp {
  readonly nanos: bigint;

  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** Nanoseconds, in 64 bits: 292 years either way. */
export class Duration {
  readonly nanos: bigint;

  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** A type as a value: what `type(x)` gives. */
export class TypeValue {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** `optional.of(x)`, or `optional.none()`, which has no value. */
export class Optional {
  readonly value: unknown;
  readonly present: boolean;

  constructor(present: boolean, value?: unknown) {
    this.present = present;
    this.value = value;
  }
}

export const none = new Optional(false);

type Key = string | boolean | bigint;

/** A map with keys of several types. Numbers that are equal are one key, whatever their type. */
export class CelMap {
  readonly entries = new Map<Key, { readonly key: unknown; readonly value: unknown }>();

  /** What is wrong with the entry, undefined where it was added. */
  add(key: unknown, value: unknown): CelError | undefined {
    const normal = keyOf(key);
    if (normal === undefined) return failed('unsupported key type');
    if (this.entries.has(normal)) return failed('a key stands twice in a map');
    this.entries.set(normal, { key, value });
    return undefined;
  }
}

export type PlainMap = { readonly [key: string]: unknown };

function keyOf(key: unknown): Key | undefined {
  switch (typeof key) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return key;
    case 'number':
      return Number.isInteger(key) ? BigInt(key) : undefined;
    default:
      return key instanceof Uint ? key.value : undefined;
  }
}

export function isMap(value: unknown): value is CelMap | PlainMap {
  if (value instanceof CelMap) return true;
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The value under a key, undefined where there is none. */
export function valueAt(map: CelMap | PlainMap, key: unknown): unknown {
  if (map instanceof CelMap) {
    const normal = keyOf(key);
    return normal === undefined ? undefined : map.entries.get(normal)?.value;
  }
  return typeof key === 'string' && Object.hasOwn(map, key) ? map[key] : undefined;
}

export function entriesOf(map: CelMap | PlainMap): readonly (readonly [key: unknown, value: unknown])[] {
  if (!(map instanceof CelMap)) return Object.entries(map);
  return Array.from(map.entries.values(), ({ key, value }) => [key, value] as const);
}

export function keysOf(map: CelMap | PlainMap): readonly unknown[] {
  return map instanceof CelMap ? Array.from(map.entries.values(), ({ key }) => key) : Object.keys(map);
}

export function sizeOf(map: CelMap | PlainMap): number {
  return map instanceof CelMap ? map.entries.size : Object.keys(map).length;
}

/** The name of a value's type, as `type(x)` tells it. */
export function typeNameOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    case 'number':
      return 'double';
    default:
      break;
  }
  if (value === null) return 'null_type';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Uint) return 'uint';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp';
  if (value instanceof Duration) return 'google.protobuf.Duration';
  if (value instanceof TypeValue) return 'type';
  if (value instanceof Optional) return 'optional_type';
  return isMap(value) ? 'map' : 'unknown';
}

const least = -(2n ** 63n);
const most = 2n ** 63n - 1n;
const mostUnsigned = 2n ** 64n - 1n;

export function int64(value: bigint): bigint | CelError {
  return value < least || value > most ? failed('the integer is out of range') : value;
}

export function uint64(value: bigint): Uint | CelError {
  return value < 0n || value > mostUnsigned ? failed('the unsigned integer is out of range') : new Uint(value);
}

/** A whole number as the dialect has it. */
export function wholeIn(dialect: Dialect, value: number | bigint): unknown {
  return dialect === 'policy' ? Number(value) : BigInt(value);
}

/** A whole number that was given, as a JavaScript number; undefined for anything else. */
export function wholeOf(dialect: Dialect, value: unknown): number | undefined {
  if (dialect === 'policy') return typeof value === 'number' && Number.isInteger(value) ? value : undefined;
  return typeof value === 'bigint' ? Number(value) : undefined;
}
