import type { Budget, Scope, ScopeKind, Window } from './ledger.ts';
import { firstInstant, offset, zoneName } from './zone.ts';

/** The counter a budget has at a moment, and the window it counts. */
export interface WindowKey {
  /** `budget:team:research:day:2026-11-21`: the part after the organisation's tag. */
  readonly key: string;
  readonly start_ms: number;
  /** First moment of the next window; 0 for `total`. */
  readonly end_ms: number;
}

interface Bounds {
  readonly label: string;
  readonly start_ms: number;
  readonly end_ms: number;
}

const minute_ms = 60_000;
const hour_ms = 3_600_000;
const day_ms = 86_400_000;
const latest = new Map<string, Bounds>();

type Counted = Pick<Budget, 'scope' | 'window' | 'timeZone' | 'rolling_ms' | 'unit'>;

/**
 * The counter of `budget` at `now_ms`. Weeks start on Monday (ISO 8601). A day that a clock change shortens or
 * lengthens is one window; an hour shown twice is two. The key names the zone unless it is UTC, and the unit unless it
 * is money: `budget:team:research:day:2026-11-21@Europe/Berlin:tokens`. A rolling window has one counter for ever, named
 * by its length: `budget:team:research:rolling:86400s`. Throws `RangeError` for an unknown zone.
 */
export function windowKey(budget: Counted, now_ms: number): WindowKey {
  if (budget.window === 'rolling') return { key: seriesKey(budget), start_ms: 0, end_ms: 0 };
  const zone = budget.window === 'total' ? 'UTC' : zoneName(budget.timeZone);
  const bounds = boundsAt(budget.window, zone, now_ms);
  let key = `budget:${scopeKey(budget.scope)}:${budget.window}`;
  if (bounds.label !== '') key += `:${bounds.label}`;
  if (zone !== 'UTC') key += `@${zone}`;
  if (budget.unit !== 'nusd') key += `:${budget.unit}`;
  return { key, start_ms: bounds.start_ms, end_ms: bounds.end_ms };
}

/** A budget through all its windows: its counter's key without the date, `budget:team:research:day@Europe/Berlin:tokens`. */
export function seriesKey(budget: Counted): string {
  let key = `budget:${scopeKey(budget.scope)}:${budget.window}`;
  if (budget.window === 'rolling') key += `:${Math.round((budget.rolling_ms ?? 0) / 1_000)}s`;
  else if (budget.window !== 'total' && zoneName(budget.timeZone) !== 'UTC') key += `@${zoneName(budget.timeZone)}`;
  return budget.unit === 'nusd' ? key : `${key}:${budget.unit}`;
}

/** `seriesKey` of the budget that a counter's key belongs to. */
export function seriesOfKey(key: string): string {
  const [, head, window, rest = ''] = /^(budget:[^:]*:[^:]*:([a-z]+))(.*)$/.exec(key) ?? [];
  if (head === undefined || window === 'total' || window === 'rolling') return key;
  return head + rest.replace(/^:[^@:]*/, '');
}

/** The budget a `seriesKey` names; undefined for a text that is none. */
export function budgetOfSeries(series: string): Counted | undefined {
  const [head, kind, id, named = '', ...rest] = series.split(':');
  if (head !== 'budget' || kind === undefined || id === undefined || named === '') return undefined;
  const [window = '', zone] = named.split('@');
  return counted(kind, id, window, zone, window === 'rolling' ? rest[0] : undefined, rest.at(-1));
}

/** `team:research`, with everything that could be read as punctuation percent-encoded. */
export function scopeKey(scope: Scope): string {
  return `${scope.kind}:${encoded(scope.id)}`;
}

/** An id as one word: only letters, digits and `._~@+/-` stand for themselves. */
export function encoded(id: string): string {
  if (/^[A-Za-z0-9._~@+/-]*$/.test(id)) return id;
  return Buffer.from(id, 'utf8')
    .toString('latin1')
    .replace(/[^A-Za-z0-9._~@+/-]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** What a counter's key says of its budget, and when its window turns; undefined for a key that is none. */
export function budgetOfKey(key: string): { readonly budget: Counted; readonly end_ms: number } | undefined {
  const [head, kind, id, window, ...rest] = key.split(':');
  if (head !== 'budget' || kind === undefined || id === undefined || window === undefined) return undefined;
  const dated = window !== 'total' && window !== 'rolling';
  const [label = '', zone] = dated ? (rest[0] ?? '').split('@') : [];
  const budget = counted(kind, id, window, zone, rest[0], rest.at(-1));
  return { budget, end_ms: dated ? endOf(window as CalendarWindow, zone ?? 'UTC', label) : 0 };
}

function counted(
  kind: string,
  id: string,
  window: string,
  zone: string | undefined,
  length: string | undefined,
  last: string | undefined,
): Counted {
  return {
    scope: { kind: kind as ScopeKind, id: decodeURIComponent(id) },
    window: window as Window,
    unit: last === 'tokens' || last === 'requests' ? last : 'nusd',
    ...(zone === undefined ? {} : { timeZone: zone }),
    ...(window === 'rolling' ? { rolling_ms: Number.parseInt(length ?? '0', 10) * 1_000 } : {}),
  };
}

type CalendarWindow = Exclude<Window, 'rolling'>;

function boundsAt(window: CalendarWindow, zone: string, now_ms: number): Bounds {
  if (window === 'total') return { label: '', start_ms: 0, end_ms: 0 };
  const name = `${window}@${zone}`;
  const known = latest.get(name);
  if (known !== undefined && now_ms >= known.start_ms && now_ms < known.end_ms) return known;
  const bounds =
    window === 'minute' || window === 'hour' ? clock(window, zone, now_ms) : calendar(window, zone, now_ms);
  latest.set(name, bounds);
  return bounds;
}

function clock(window: 'minute' | 'hour', zone: string, now_ms: number): Bounds {
  const size = window === 'minute' ? minute_ms : hour_ms;
  const ahead = offset(zone, now_ms);
  const local = Math.floor((now_ms + ahead) / size) * size;
  const text = new Date(local).toISOString();
  const time = window === 'minute' ? text.slice(0, 13) + text.slice(14, 16) : text.slice(0, 13);
  // The offset tells the two hours apart that have one name when clocks go back.
  const label = zone === 'UTC' ? time : time + offsetLabel(ahead);
  return { label, start_ms: local - ahead, end_ms: local - ahead + size };
}

function calendar(window: 'day' | 'week' | 'month', zone: string, now_ms: number): Bounds {
  let local = floorDate(window, now_ms + offset(zone, now_ms));
  for (;;) {
    const next = nextDate(window, local);
    const start_ms = firstInstant(zone, local);
    const end_ms = firstInstant(zone, next);
    if (now_ms >= start_ms && now_ms < end_ms) return { label: dateLabel(window, local), start_ms, end_ms };
    // Clocks that go back over midnight show yesterday's date once more: it is today all the same.
    local = now_ms < start_ms ? floorDate(window, local - 1) : next;
  }
}

function floorDate(window: 'day' | 'week' | 'month', local: number): number {
  const day = Math.floor(local / day_ms) * day_ms;
  if (window === 'day') return day;
  const date = new Date(day);
  if (window === 'month') return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
  return day - ((date.getUTCDay() + 6) % 7) * day_ms;
}

function nextDate(window: 'day' | 'week' | 'month', local: number): number {
  if (window === 'day') return local + day_ms;
  if (window === 'week') return local + 7 * day_ms;
  const date = new Date(local);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}

function dateLabel(window: 'day' | 'week' | 'month', local: number): string {
  const text = new Date(local).toISOString();
  if (window === 'day') return text.slice(0, 10);
  if (window === 'month') return text.slice(0, 7);
  const thursday = local + 3 * day_ms;
  const year = new Date(thursday).getUTCFullYear();
  const week = Math.floor((thursday - Date.UTC(year, 0, 1)) / (7 * day_ms)) + 1;
  return `${year}-W${String(week).padStart(2, '0')}`;
}

function offsetLabel(ahead: number): string {
  const minutes = Math.abs(ahead) / minute_ms;
  const digits = Math.floor(minutes / 60) * 100 + Math.floor(minutes % 60);
  return (ahead < 0 ? '-' : '+') + String(digits).padStart(4, '0');
}

function endOf(window: CalendarWindow, zone: string, label: string): number {
  if (window === 'total') return 0;
  if (window === 'minute' || window === 'hour') {
    const [, date = '', hour = '', minute = '00', sign = '+', hours = '00', minutes = '00'] =
      /^(\d{4}-\d\d-\d\d)T(\d\d)(\d\d)?(?:([+-])(\d\d)(\d\d))?$/.exec(label) ?? [];
    const ahead = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -minute_ms : minute_ms);
    return Date.parse(`${date}T${hour}:${minute}:00Z`) - ahead + (window === 'minute' ? minute_ms : hour_ms);
  }
  return firstInstant(zone, nextDate(window, localOf(window, label)));
}

function localOf(window: 'day' | 'week' | 'month', label: string): number {
  if (window !== 'week') return Date.parse(window === 'day' ? `${label}T00:00:00Z` : `${label}-01T00:00:00Z`);
  const [year = 0, week = 1] = label.split('-W').map(Number);
  return floorDate('week', Date.UTC(year, 0, 4)) + (week - 1) * 7 * day_ms;
}

/** How long a counter is kept after its window ended (`rolling`: beyond its length), for people and for late settlements. */
export const kept_ms: Readonly<Record<Exclude<Window, 'total'>, number>> = {
  minute: day_ms,
  hour: 7 * day_ms,
  day: 92 * day_ms,
  week: 400 * day_ms,
  month: 800 * day_ms,
  rolling: day_ms,
};
