import { Unable } from '../unable.ts';
import { madeMax } from './arithmetic.ts';
import { doubleText } from './conversions.ts';
import { durationText, timestampText } from './time.ts';
import { type CelError, Duration, entriesOf, failed, isMap, Timestamp, TypeValue, typeNameOf, Uint } from './values.ts';

/** `"%s costs %.2f".format([...])`. `%%` is a percent sign. */
export function format(pattern: string, values: readonly unknown[]): string | CelError {
  let out = '';
  let next = 0;
  for (let at = 0; at < pattern.length; ) {
    const sign = pattern.indexOf('%', at);
    out += pattern.slice(at, sign < 0 ? pattern.length : sign);
    if (sign < 0) break;
    const clause = /%(?:%|(?:\.(\d{1,3}))?([a-zA-Z]))/y;
    clause.lastIndex = sign;
    const found = clause.exec(pattern);
    if (found === null) return failed('could not parse formatting clause: missing or unknown letter');
    at = clause.lastIndex;
    if (found[0] === '%%') {
      out += '%';
      continue;
    }
    if (next >= values.length) return failed(`index ${next} out of range`);
    const text = formatted(found[2] ?? '', values[next++], found[1] === undefined ? undefined : Number(found[1]));
    if (typeof text !== 'string') return text;
    out += text;
    if (out.length > madeMax.text) return failed('the text would be too long');
  }
  return out;
}

function formatted(letter: string, value: unknown, precision: number | undefined): string | CelError {
  const refused = (what: string) => failed(`error during formatting: ${what}, was given ${typeNameOf(value)}`);
  const number = integer(value);
  switch (letter) {
    case 's':
      return shownText(value, { left: 100_000 }) ?? refused('string clause cannot show every type');
    case 'd':
      if (typeof value === 'number') return Number.isFinite(value) ? String(value) : doubleName(value);
      return number === undefined ? refused('decimal clause can only be used on integers') : number.toString();
    case 'f':
    case 'e': {
      const given = typeof value === 'number' ? value : number === undefined ? undefined : Number(number);
      const kind = letter === 'f' ? 'fixed-point' : 'scientific';
      if (given === undefined) return refused(`${kind} clause can only be used on doubles`);
      if (!Number.isFinite(given)) return doubleName(given);
      const digits = Math.min(precision ?? 6, 100);
      return letter === 'f' ? fixed(given, digits) : scientific(given, digits);
    }
    case 'b':
      if (typeof value === 'boolean') return value ? '1' : '0';
      return number === undefined ? refused('only integers and bools can be formatted as binary') : number.toString(2);
    case 'o':
      return number === undefined ? refused('octal clause can only be used on integers') : number.toString(8);
    case 'x':
    case 'X': {
      const hex = hexOf(value, number);
      if (hex === undefined) return refused('only integers, byte buffers, and strings can be formatted as hex');
      return letter === 'X' ? hex.toUpperCase() : hex;
    }
    default:
      return failed(`could not parse formatting clause: unrecognized formatting clause "${letter}"`);
  }
}

function integer(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : undefined;
  return typeof value === 'bigint' ? value : value instanceof Uint ? value.value : undefined;
}

function doubleName(value: number): string {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

/** Half to even on the exact value, as C's `printf`: `toFixed` rounds 2.5 up. */
function fixed(value: number, digits: number): string {
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}${digits > 0 ? `.${'0'.repeat(digits)}` : ''}`;
  const text = value.toFixed(digits);
  const exact = value.toFixed(Math.min(100, digits + 30));
  const rest = exact.slice(text.length + (digits === 0 ? 1 : 0));
  if (!/^50*$/.test(rest)) return text;
  const down = exact.slice(0, text.length);
  return Number(down.at(-1)) % 2 === 0 ? down : text;
}

function scientific(value: number, digits: number): string {
  return value.toExponential(digits).replace(/e([+-])(\d)$/, 'e$10$2');
}

function hexOf(value: unknown, number: bigint | undefined): string | undefined {
  if (number !== undefined) return number.toString(16);
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return bytes instanceof Uint8Array
    ? Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    : undefined;
}

// `left` bounds the values that are shown: shared parts may make a small value a huge text.
function shownText(value: unknown, budget: { left: number }): string | undefined {
  if (--budget.left < 0 || value instanceof Unable) return undefined;
  if (value === null) return 'null';
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? doubleText(value) : doubleName(value);
  if (value instanceof Uint) return value.value.toString();
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof TypeValue) return value.name;
  if (Array.isArray(value)) {
    const parts = value.map((item) => shownText(item, budget));
    return parts.includes(undefined) ? undefined : `[${parts.join(', ')}]`;
  }
  if (!isMap(value)) return undefined;
  const parts = entriesOf(value).map(([key, member]) => {
    const [name, text] = [shownText(key, budget), shownText(member, budget)];
    return name === undefined || text === undefined ? undefined : ([name, text] as const);
  });
  const whole = parts.filter((part) => part !== undefined);
  if (whole.length < parts.length) return undefined;
  whole.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${whole.map(([key, text]) => `${key}: ${text}`).join(', ')}}`;
}
