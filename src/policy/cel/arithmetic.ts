import { addTime, subtractTime } from './time.ts';
import { type CelError, failed, int64, Uint, uint64 } from './values.ts';

/** Longest text and longest list an expression may make. */
export const madeMax = { text: 1_000_000, list: 100_000 } as const;

export const byZero = failed('division by zero');
const tooLong = failed(`a text would be longer than ${madeMax.text}, or a list than ${madeMax.list}`);

/** What `a + b` and the like give; undefined where they do not work on these types. */
export type Binary = (a: unknown, b: unknown) => unknown;

export const add: Binary = (a, b) => {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (typeof a === 'string' && typeof b === 'string') return a.length + b.length > madeMax.text ? tooLong : a + b;
  if (typeof a === 'bigint' && typeof b === 'bigint') return int64(a + b);
  if (a instanceof Uint && b instanceof Uint) return uint64(a.value + b.value);
  if (Array.isArray(a) && Array.isArray(b)) return a.length + b.length > madeMax.list ? tooLong : [...a, ...b];
  if (a instanceof Uint8Array && b instanceof Uint8Array) return joinedBytes(a, b);
  return addTime(a, b);
};

function joinedBytes(a: Uint8Array, b: Uint8Array): Uint8Array | CelError {
  if (a.length + b.length > madeMax.text) return tooLong;
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

export const subtract: Binary = (a, b) => {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'bigint' && typeof b === 'bigint') return int64(a - b);
  if (a instanceof Uint && b instanceof Uint) return uint64(a.value - b.value);
  return subtractTime(a, b);
};

export const multiply: Binary = (a, b) => {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  if (typeof a === 'bigint' && typeof b === 'bigint') return int64(a * b);
  return a instanceof Uint && b instanceof Uint ? uint64(a.value * b.value) : undefined;
};

export const divide: Binary = (a, b) => {
  if (typeof a === 'number' && typeof b === 'number') return a / b;
  if (typeof a === 'bigint' && typeof b === 'bigint') return b === 0n ? byZero : int64(a / b);
  if (a instanceof Uint && b instanceof Uint) return b.value === 0n ? byZero : uint64(a.value / b.value);
  return undefined;
};

export const remainder: Binary = (a, b) => {
  if (typeof a === 'bigint' && typeof b === 'bigint') return b === 0n ? byZero : int64(a % b);
  return a instanceof Uint && b instanceof Uint ? (b.value === 0n ? byZero : uint64(a.value % b.value)) : undefined;
};

/** In policies a quotient by zero is an error, not infinity, and `%` takes any numbers. */
export const dividePlain: Binary = (a, b) =>
  typeof a === 'number' && typeof b === 'number' ? (b === 0 ? byZero : a / b) : undefined;
export const remainderPlain: Binary = (a, b) =>
  typeof a === 'number' && typeof b === 'number' ? (b === 0 ? byZero : a % b) : undefined;

export function negate(a: unknown): unknown {
  if (typeof a === 'number') return -a;
  return typeof a === 'bigint' ? int64(-a) : undefined;
}
