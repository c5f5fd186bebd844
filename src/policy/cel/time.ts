import { type CelError, Duration, failed, int64, Timestamp } from './values.ts';
import { localMs } from './zone.ts';

const second = 1_000_000_000n;
const first = -62_135_596_800n * second;
const last = 253_402_300_800n * second - 1n;
const outOfRange = failed('the time is outside the years 1 to 9999');

export function timestampOf(nanos: bigint): Timestamp | CelError {
  return nanos < first || nanos > last ? outOfRange : new Timestamp(nanos);
}

export function durationOf(nanos: bigint): Duration | CelError {
  return typeof int64(nanos) === 'bigint' ? new Duration(nanos) : failed('the duration is longer than 292 years');
}

export function timestampOfMs(ms: number): Timestamp | CelError {
  const nanos = BigInt(Math.floor(ms)) * 1_000_000n + BigInt(Math.round((ms - Math.floor(ms)) * 1e6));
  return timestampOf(nanos);
}

export function addTime(a: unknown, b: unknown): unknown {
  if (a instanceof Timestamp && b instanceof Duration) return timestampOf(a.nanos + b.nanos);
  if (a instanceof Duration && b instanceof Timestamp) return timestampOf(a.nanos + b.nanos);
  return a instanceof Duration && b instanceof Duration ? durationOf(a.nanos + b.nanos) : undefined;
}

export function subtractTime(a: unknown, b: unknown): unknown {
  if (a instanceof Timestamp && b instanceof Timestamp) return durationOf(a.nanos - b.nanos);
  if (a instanceof Timestamp && b instanceof Duration) return timestampOf(a.nanos - b.nanos);
  return a instanceof Duration && b instanceof Duration ? durationOf(a.nanos - b.nanos) : undefined;
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** A time of RFC 3339, to the nanosecond. */
export function parseTimestamp(text: string): Timestamp | CelError {
  const found = text.length > 40 ? null : rfc3339.exec(text);
  if (found === null) return failed('not a time of RFC 3339, such as 2026-01-31T09:00:00Z');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, seconds = 0] = found.slice(1, 7).map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  const [offsetHours, offsetMinutes] = [Number(found[9] ?? 0), Number(found[10] ?? 0)];
  if (!real || hour > 23 || minute > 59 || seconds > 59 || offsetHours > 23 || offsetMinutes > 59)
    return failed('there is no such time');
  const offset = (found[8] === '-' ? -1 : 1) * (offsetHours * 60 + offsetMinutes) * 60;
  const whole = BigInt(date.getTime() / 1000 + hour * 3600 + minute * 60 + seconds - offset);
  return timestampOf(whole * second + BigInt((found[7] ?? '').padEnd(9, '0')));
}

export function timestampText({ nanos }: Timestamp): string {
  const [whole, rest] = split(nanos);
  const date = new Date(Number(whole) * 1000).toISOString().slice(0, 19);
  return `${date}${fraction(rest)}Z`;
}

/** Floor and remainder: the remainder is never negative. */
function split(nanos: bigint): readonly [seconds: bigint, nanos: bigint] {
  const rest = ((nanos % second) + second) % second;
  return [(nanos - rest) / second, rest];
}

function fraction(nanos: bigint): string {
  return nanos === 0n ? '' : `.${nanos.toString().padStart(9, '0').replace(/0+$/, '')}`;
}

const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: second,
  m: 60n * second,
  h: 3_600n * second,
};
const durationShape = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/;

/** `1h30m`, `1.5s`, `-200ms`. */
export function parseDuration(text: string): Duration | CelError {
  const found = text.length > 200 ? null : durationShape.exec(text);
  if (found === null) return failed('not a duration, such as 1h30m or 1.5s');
  let nanos = 0n;
  for (const [, whole = '', part = '', unit = ''] of (found[2] ?? '').matchAll(/(\d*)(?:\.(\d*))?([a-zµμ]+)/g)) {
    const size = units[unit] ?? 0n;
    nanos += BigInt(whole === '' ? 0 : whole) * size;
    if (part !== '') nanos += (BigInt(part) * size) / 10n ** BigInt(part.length);
  }
  return durationOf(found[1] === '-' ? -nanos : nanos);
}

export function durationText({ nanos }: Duration): string {
  const positive = nanos < 0n ? -nanos : nanos;
  return `${nanos < 0n ? '-' : ''}${positive / second}${fraction(positive % second)}s`;
}

/** What a method such as `getHours` reads off a local time. */
const fields: Readonly<Record<string, (date: Date) => number>> = {
  getFullYear: (date) => date.getUTCFullYear(),
  getMonth: (date) => date.getUTCMonth(),
  getDate: (date) => date.getUTCDate(),
  getDayOfMonth: (date) => date.getUTCDate() - 1,
  getDayOfWeek: (date) => date.getUTCDay(),
  getDayOfYear: (date) => Math.floor((date.getTime() - yearStart(date)) / 86_400_000),
  getHours: (date) => date.getUTCHours(),
  getMinutes: (date) => date.getUTCMinutes(),
  getSeconds: (date) => date.getUTCSeconds(),
  getMilliseconds: (date) => date.getUTCMilliseconds(),
};

export const timeFields: readonly string[] = Object.keys(fields);

function yearStart(date: Date): number {
  return new Date(date).setUTCMonth(0, 1) - (date.getTime() - new Date(date).setUTCHours(0, 0, 0, 0));
}

/** A field of a moment in a time zone (a name of the IANA's, or `+02:00`; UTC where none is given), or of a duration. */
export function timeField(name: string, of: unknown, zone: string | undefined): number | CelError | undefined {
  if (of instanceof Duration) return zone === undefined ? durationField(name, of.nanos) : undefined;
  if (!(of instanceof Timestamp)) return undefined;
  const ms = Number(split(of.nanos)[0]) * 1000 + Number(split(of.nanos)[1] / 1_000_000n);
  const local = zone === undefined ? ms : localMs(ms, zone);
  if (local === undefined) return failed(`there is no time zone ${(zone ?? '').slice(0, 60)}`);
  return fields[name]?.(new Date(local));
}

function durationField(name: string, nanos: bigint): number | undefined {
  switch (name) {
    case 'getHours':
      return Number(nanos / (3_600n * second));
    case 'getMinutes':
      return Number(nanos / (60n * second));
    case 'getSeconds':
      return Number(nanos / second);
    case 'getMilliseconds':
      return Number((nanos / 1_000_000n) % 1000n);
    default:
      return undefined;
  }
}
