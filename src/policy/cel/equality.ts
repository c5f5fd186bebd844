import { Unable } from '../unable.ts';
import {
  type CelError,
  CelMap,
  Duration,
  entriesOf,
  failed,
  isMap,
  none,
  Optional,
  sizeOf,
  Timestamp,
  TypeValue,
  Uint,
  valueAt,
} from './values.ts';

/** Most values compared for one answer: shared parts may make a small value a huge one. */
export const comparedMax = 1_000_000;

interface Budget {
  left: number;
}

/** Whether two values are equal, as `==` has it: numbers by what they are worth, lists and maps by their parts. */
export function equals(a: unknown, b: unknown): boolean | CelError {
  if (typeof a !== 'object' && typeof b !== 'object') return sameScalar(a, b);
  const budget = { left: comparedMax };
  const same = equal(a, b, budget);
  return budget.left < 0 ? failed('the values are too large to compare') : same;
}

function sameScalar(a: unknown, b: unknown): boolean {
  return typeof a === typeof b ? a === b : isNumber(a) && isNumber(b) && Number(a) === Number(b);
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function numberOf(value: unknown): number | bigint | undefined {
  return value instanceof Uint ? value.value : isNumber(value) ? value : undefined;
}

function equal(a: unknown, b: unknown, budget: Budget): boolean {
  if (--budget.left < 0) return false;
  if (typeof a !== 'object' && typeof b !== 'object') return sameScalar(a, b);
  if (a === null || b === null) return a === b;
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined || y !== undefined) return x !== undefined && y !== undefined && sameScalar(x, y);
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => equal(item, b[i], budget));
  if (a instanceof Uint8Array)
    return b instanceof Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i]);
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name;
  if (a instanceof Optional)
    return b instanceof Optional && a.present === b.present && (!a.present || equal(a.value, b.value, budget));
  if (!isMap(a) || !isMap(b) || sizeOf(a) !== sizeOf(b)) return false;
  return entriesOf(a).every(([key, value]) => {
    const other = valueAt(b, key);
    return other !== undefined && equal(value, other, budget);
  });
}

/** Whether a list holds a value, or a map a key; undefined where neither can. */
export function holds(container: unknown, value: unknown): boolean | CelError | undefined {
  if (Array.isArray(container)) {
    for (const item of container) {
      if (item instanceof Unable) continue;
      const same = equals(item, value);
      if (same !== false) return same;
    }
    return container.find((item) => item instanceof Unable) ?? false;
  }
  return isMap(container) ? valueAt(container, value) !== undefined : undefined;
}

/** Negative, zero or positive; NaN where nothing is said (a number that is none); undefined where the types do not order. */
export function order(a: unknown, b: unknown): number | undefined {
  if (typeof a === 'string' && typeof b === 'string') return orderTexts(a, b);
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined)
    return typeof x === typeof y ? orderNumbers(x, y) : orderNumbers(Number(x), Number(y));
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Timestamp && b instanceof Timestamp) return sign(a.nanos, b.nanos);
  if (a instanceof Duration && b instanceof Duration) return sign(a.nanos, b.nanos);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return orderBytes(a, b);
  return undefined;
}

// An integer meets a floating-point number as one: the standard compares what is left of it.
function orderNumbers(a: number | bigint, b: number | bigint): number {
  return a < b ? -1 : a > b ? 1 : a === b ? 0 : Number.NaN;
}

function sign(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

// By code point. UTF-16 units order the same way but for those beyond the first plane.
function orderTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    const [high, other] = [surrogate(x), surrogate(y)];
    return high === other ? x - y : high ? 1 : -1;
  }
  return a.length - b.length;
}

function surrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

function orderBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Whether a value is its type's zero: what `optional.ofNonZeroValue` leaves out. */
export function isZero(value: unknown): boolean {
  if (value === null || value === false || value === '' || value === none) return true;
  const number = numberOf(value);
  if (number !== undefined) return sameScalar(number, 0);
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  if (value instanceof Duration) return value.nanos === 0n;
  if (value instanceof CelMap) return value.entries.size === 0;
  return isMap(value) && sizeOf(value) === 0;
}
