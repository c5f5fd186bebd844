import { toTimestamp } from '../cel/conversions.ts';
import { timeField } from '../cel/time.ts';
import { Duration, failed, Timestamp } from '../cel/values.ts';
import { Unable } from '../unable.ts';
import { computed, expression, type PolicyFunction } from './function.ts';

const family = 'dates';
const monday = { request: { time: '2026-01-05T09:30:00Z' } };
const sunday = { request: { time: '2026-01-04T23:30:00Z' } };
const field = (method: string, after = '') =>
  expression([`request.time.${method}()${after}`], ['zone', `request.time.${method}(zone)${after}`]);
const zoned = ['() int', '(string) int'];
const asked = ['() bool', '(string) bool'];

/** Dates and times. What time it is, is the fact `request.time`: recorded, and the same in a replay. */
export const dateFunctions: readonly PolicyFunction[] = [
  {
    name: 'now',
    family,
    signatures: ['() timestamp'],
    gives: 'when the request came',
    cost: 1,
    aliases: ['Now', 'CurrentTime'],
    example: ['string(now())', '2026-01-05T09:30:00Z', monday],
    is: expression(['request.time']),
  },
  {
    name: 'hourOfDay',
    family,
    signatures: zoned,
    gives: 'the hour, 0 to 23, in a time zone (UTC where none is given)',
    cost: 20,
    aliases: ['HourOfDay', 'GetHour', 'CurrentHour'],
    example: ['hourOfDay("Europe/Vienna")', 10, monday],
    is: field('getHours'),
  },
  {
    name: 'minuteOfHour',
    family,
    signatures: zoned,
    gives: 'the minute, 0 to 59',
    cost: 20,
    aliases: ['MinuteOfHour'],
    example: ['minuteOfHour()', 30, monday],
    is: field('getMinutes'),
  },
  {
    name: 'dayOfWeek',
    family,
    signatures: zoned,
    gives: 'the day of the week, 0 for Sunday',
    cost: 20,
    aliases: ['DayOfWeek', 'GetDayOfWeek'],
    example: ['dayOfWeek()', 1, monday],
    is: field('getDayOfWeek'),
  },
  {
    name: 'dayOfMonth',
    family,
    signatures: zoned,
    gives: 'the day of the month, from 1',
    cost: 20,
    aliases: ['DayOfMonth'],
    example: ['dayOfMonth("Asia/Tokyo")', 5, sunday],
    is: field('getDate'),
  },
  {
    name: 'monthOfYear',
    family,
    signatures: zoned,
    gives: 'the month, from 1',
    cost: 20,
    aliases: ['MonthOfYear', 'GetMonth'],
    example: ['monthOfYear()', 1, monday],
    is: field('getMonth', ' + 1'),
  },
  {
    name: 'yearOf',
    family,
    signatures: zoned,
    gives: 'the year',
    cost: 20,
    aliases: ['Year', 'GetYear'],
    example: ['yearOf()', 2026, monday],
    is: field('getFullYear'),
  },
  {
    name: 'isWeekend',
    family,
    signatures: asked,
    gives: 'whether it is Saturday or Sunday',
    cost: 20,
    aliases: ['IsWeekend'],
    example: ['isWeekend("Europe/Vienna")', false, sunday],
    is: field('getDayOfWeek', ' in [0, 6]'),
  },
  {
    name: 'isWeekday',
    family,
    signatures: asked,
    gives: 'whether it is Monday to Friday',
    cost: 20,
    aliases: ['IsWeekday', 'IsBusinessDay'],
    example: ['isWeekday()', true, monday],
    is: field('getDayOfWeek', ' in [1, 2, 3, 4, 5]'),
  },
  {
    name: 'isBusinessHours',
    family,
    signatures: asked,
    gives: "whether it is Monday to Friday, from 9 up to 17 o'clock",
    cost: 40,
    aliases: ['IsBusinessHours', 'IsWorkingHours'],
    example: ['isBusinessHours("Europe/Vienna")', true, monday],
    is: expression(
      ['isWeekday() && inTimeRange("09:00", "17:00")'],
      ['zone', 'cel.bind(zone_, zone, isWeekday(zone_) && inTimeRange("09:00", "17:00", zone_))'],
    ),
  },
  {
    name: 'inTimeRange',
    family,
    signatures: ['(string, string) bool', '(string, string, string) bool'],
    gives: 'whether the time of day is from one on and before another (`"22:00", "06:00"` goes over midnight)',
    cost: 30,
    aliases: ['InTimeRange', 'IsTimeBetween'],
    example: ['inTimeRange("22:00", "06:00", "UTC")', true, sunday],
    is: expression(
      ['from', 'to', 'timeInRange(request.time, from, to, "UTC")'],
      ['from', 'to', 'zone', 'timeInRange(request.time, from, to, zone)'],
    ),
  },
  {
    name: 'timeInRange',
    family,
    signatures: ['(timestamp, string, string, string) bool'],
    gives: 'the same of any moment',
    cost: 30,
    example: ['timeInRange(timestamp("2026-01-05T09:30:00Z"), "09:00", "10:00", "UTC")', true],
    is: computed(timeInRange),
  },
  {
    name: 'addDuration',
    family,
    signatures: ['(timestamp, duration) timestamp'],
    gives: 'the moment so much later',
    cost: 10,
    aliases: ['AddDuration'],
    example: ['string(addDuration(timestamp("2026-01-05T09:30:00Z"), duration("1h")))', '2026-01-05T10:30:00Z'],
    is: expression(['time', 'by', 'time + by']),
  },
  {
    name: 'parseDate',
    family,
    signatures: ['(string) timestamp'],
    gives: 'the moment a text of RFC 3339 tells; of a date alone, its midnight in UTC',
    cost: 10,
    aliases: ['ParseDate', 'ParseTime', 'parseTime'],
    example: ['string(parseDate("2026-01-05"))', '2026-01-05T00:00:00Z'],
    is: computed((text) =>
      typeof text === 'string' ? toTimestamp(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text) : undefined,
    ),
  },
  {
    name: 'before',
    family,
    signatures: ['(timestamp, timestamp) bool'],
    gives: 'whether the first moment is earlier',
    cost: 10,
    aliases: ['Before', 'IsBefore'],
    example: ['before(now(), parseDate("2027-01-01"))', true, monday],
    is: expression(['time', 'other', 'time < other']),
  },
  {
    name: 'after',
    family,
    signatures: ['(timestamp, timestamp) bool'],
    gives: 'whether the first moment is later',
    cost: 10,
    aliases: ['After', 'IsAfter'],
    example: ['after(now(), parseDate("2027-01-01"))', false, monday],
    is: expression(['time', 'other', 'time > other']),
  },
  {
    name: 'hoursBetween',
    family,
    signatures: ['(timestamp, timestamp) double'],
    gives: 'the hours from one moment to another',
    cost: 10,
    aliases: ['HoursBetween'],
    example: ['hoursBetween(parseDate("2026-01-05"), now())', 9.5, monday],
    is: computed(span(3_600)),
  },
  {
    name: 'daysBetween',
    family,
    signatures: ['(timestamp, timestamp) double'],
    gives: 'the days (of 24 hours) from one moment to another',
    cost: 10,
    aliases: ['DaysBetween', 'DateDiff'],
    example: ['daysBetween(parseDate("2026-01-05"), parseDate("2026-01-07"))', 2],
    is: computed(span(86_400)),
  },
  {
    name: 'seconds',
    family,
    signatures: ['(duration) double'],
    gives: 'the seconds of a duration',
    cost: 1,
    example: ['seconds(duration("1m30s"))', 90],
    is: computed((value) => (value instanceof Duration ? Number(value.nanos) / 1e9 : undefined)),
  },
];

function span(unit_seconds: number) {
  return (from: unknown, to: unknown) =>
    from instanceof Timestamp && to instanceof Timestamp
      ? Number(to.nanos - from.nanos) / 1e9 / unit_seconds
      : undefined;
}

const clock = /^([01]\d|2[0-3]):([0-5]\d)$/;

function timeInRange(time: unknown, from: unknown, to: unknown, zone: unknown): unknown {
  if (typeof from !== 'string' || typeof to !== 'string' || typeof zone !== 'string') return undefined;
  const [start, end] = [minutesOf(from), minutesOf(to)];
  if (start === undefined || end === undefined) return failed('a time of day is written as 09:00');
  const [hours, minutes] = [timeField('getHours', time, zone), timeField('getMinutes', time, zone)];
  if (hours instanceof Unable || typeof hours !== 'number' || typeof minutes !== 'number') return hours;
  const at = hours * 60 + minutes;
  return start <= end ? at >= start && at < end : at >= start || at < end;
}

function minutesOf(text: string): number | undefined {
  const found = clock.exec(text);
  return found === null ? undefined : Number(found[1]) * 60 + Number(found[2]);
}
