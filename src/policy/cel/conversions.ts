import { durationText, parseDuration, parseTimestamp, timestampOf, timestampText } from './time.ts';
import { type CelError, type Dialect, Duration, failed, int64, Timestamp, Uint, uint64, wholeIn } from './values.ts';

const range = failed('the number is out of range');

/** What `int(x)` and its like give; undefined where they do not take this type. */
type Convert = (value: unknown) => unknown;

function truncated(value: number): bigint | CelError {
  return Number.isFinite(value) ? BigInt(Math.trunc(value)) : range;
}

/** `int`: doubles lose their fraction; 2^63 is no integer, and neither is the double nearest to -2^63. */
export const toInt: Convert = (value) => {
  if (typeof value === 'bigint') return value;
  if (value instanceof Uint) return int64(value.value);
  if (typeof value === 'number') return Math.abs(value) >= 2 ** 63 ? range : truncated(value);
  if (typeof value === 'string') return /^-?\d{1,20}$/.test(value) ? int64(BigInt(value)) : failed('not an integer');
  if (value instanceof Timestamp) return floor(value.nanos);
  return value instanceof Duration ? value.nanos / 1_000_000_000n : undefined;
};

function floor(nanos: bigint): bigint {
  const second = 1_000_000_000n;
  return (nanos - (((nanos % second) + second) % second)) / second;
}

export const toUint: Convert = (value) => {
  if (value instanceof Uint) return value;
  if (typeof value === 'bigint') return uint64(value);
  if (typeof value === 'number') {
    const whole = value < 0 || value >= 2 ** 64 ? range : truncated(value);
    return typeof whole === 'bigint' ? uint64(whole) : whole;
  }
  if (typeof value !== 'string') return undefined;
  return /^\d{1,20}$/.test(value) ? uint64(BigInt(value)) : failed('not an unsigned integer');
};

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const special: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  '+inf': Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
  infinity: Number.POSITIVE_INFINITY,
  '+infinity': Number.POSITIVE_INFINITY,
  '-infinity': Number.NEGATIVE_INFINITY,
};

export const toDouble: Convert = (value) => {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint) return Number(value.value);
  if (typeof value !== 'string') return undefined;
  if (value.length <= 1000 && decimal.test(value)) return Number(value);
  const name = value.length > 10 ? '' : value.toLowerCase();
  return Object.hasOwn(special, name) ? special[name] : failed('not a number');
};

/** The shortest text that reads back as the number, exponents as Go writes them. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e21)) return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  return String(value);
}

export const toText: Convert = (value) => {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return doubleText(value);
  if (value instanceof Uint) return value.value.toString();
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  return value instanceof Uint8Array ? decoded(value) : undefined;
};

function decoded(bytes: Uint8Array): string | CelError {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return failed('invalid UTF-8');
  }
}

export const toBytes: Convert = (value) =>
  typeof value === 'string' ? new TextEncoder().encode(value) : value instanceof Uint8Array ? value : undefined;

const truths: Readonly<Record<string, boolean>> = {
  '1': true,
  t: true,
  true: true,
  TRUE: true,
  True: true,
  '0': false,
  f: false,
  false: false,
  FALSE: false,
  False: false,
};

export const toBool: Convert = (value) => {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'string') return undefined;
  return Object.hasOwn(truths, value) ? truths[value] : failed('neither true nor false');
};

export const toTimestamp: Convert = (value) => {
  if (value instanceof Timestamp) return value;
  if (typeof value === 'string') return parseTimestamp(value);
  const seconds = typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value;
  return typeof seconds === 'bigint' ? timestampOf(seconds * 1_000_000_000n) : undefined;
};

export const toDuration: Convert = (value) => {
  if (value instanceof Duration) return value;
  if (typeof value === 'string') return parseDuration(value);
  const seconds = typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value;
  return typeof seconds === 'bigint' ? parseDuration(`${seconds}s`) : undefined;
};

/** In policies integers are numbers without a fraction. */
export function numbersOf(convert: Convert, dialect: Dialect): Convert {
  if (dialect === 'standard') return convert;
  return (value) => {
    const result = convert(value);
    return typeof result === 'bigint'
      ? wholeIn(dialect, result)
      : result instanceof Uint
        ? Number(result.value)
        : result;
  };
}
