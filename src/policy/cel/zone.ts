const offsets = /^([+-]?)(\d\d):(\d\d)$/;
interface Zone {
  readonly clock: Intl.DateTimeFormat;
  /** The quarter of an hour that was asked about last, and how far the zone was ahead then. */
  quarter: number;
  ahead_ms: number;
}

const quarter_ms = 900_000;
/** Since 1980 no zone has changed its clocks within a quarter of an hour. */
const regular_ms = Date.UTC(1980, 0, 1);

/** Making one costs as much as a thousand rules: the zones in use are kept, and a flood of names forgets them. */
const zones = new Map<string, Zone | undefined>();
const zonesMax = 100;

/** What a clock in a zone (a name of the IANA's, or `+02:00`) shows, as milliseconds since 1970; undefined for no zone. */
export function localMs(ms: number, zone: string): number | undefined {
  const fixed = offsets.exec(zone);
  if (fixed !== null) return ms + (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000;
  const known = zoneOf(zone);
  if (known === undefined) return undefined;
  const quarter = Math.floor(ms / quarter_ms);
  if (ms >= regular_ms && known.quarter === quarter) return ms + known.ahead_ms;
  const local = read(known.clock, ms);
  known.quarter = quarter;
  known.ahead_ms = local - ms;
  return local;
}

function read(clock: Intl.DateTimeFormat, ms: number): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of clock.formatToParts(ms)) parts[type] = Number(value);
  const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.setUTCHours(hour, minute, second, ((ms % 1000) + 1000) % 1000);
}

function zoneOf(zone: string): Zone | undefined {
  if (zones.has(zone)) return zones.get(zone);
  if (zones.size >= zonesMax) zones.clear();
  const clock = madeZone(zone);
  if (zone.length <= 60) zones.set(zone, clock);
  return clock;
}

function madeZone(zone: string): Zone | undefined {
  const numeric = 'numeric';
  try {
    const clock = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      calendar: 'iso8601',
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
      second: numeric,
    });
    return { clock, quarter: Number.NaN, ahead_ms: 0 };
  } catch {
    return undefined;
  }
}
