const formats = new Map<string, Intl.DateTimeFormat>();
const known = new Set<string>();
const utc = new Set(['UTC', 'Etc/UTC', 'GMT', 'Etc/GMT']);

/**
 * The zone as it was written, `UTC` for none. Aliases are not resolved: which of two names is the right one changes with
 * the version of the system's data (Calcutta, Kolkata), and a counter's key must not. Throws `RangeError` for a zone
 * this system does not know.
 */
export function zoneName(zone: string | undefined): string {
  if (zone === undefined || utc.has(zone)) return 'UTC';
  if (!known.has(zone)) {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    known.add(zone);
  }
  return zone;
}

/** Milliseconds the zone's clocks are ahead of UTC at an instant. `zone` as `zoneName` spells it. */
export function offset(zone: string, at_ms: number): number {
  if (zone === 'UTC') return 0;
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  const field: Record<string, number> = {};
  for (const part of format.formatToParts(at_ms)) field[part.type] = Number(part.value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = field;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at_ms / 1000) * 1000;
}

/**
 * The first instant at which the zone's clocks show `local_ms` (a wall time written as if it were UTC) or later. A wall
 * time that is skipped gives the moment of the change; one that is shown twice, its first time.
 */
export function firstInstant(zone: string, local_ms: number): number {
  if (zone === 'UTC') return local_ms;
  const before = offset(zone, local_ms - 86_400_000);
  const after = offset(zone, local_ms + 86_400_000);
  const early = local_ms - Math.max(before, after);
  const late = local_ms - Math.min(before, after);
  if (early === late || early + offset(zone, early) >= local_ms) return early;
  if (early + offset(zone, late - 1) < local_ms) return late;
  let low = early;
  let high = late;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (middle + offset(zone, middle) >= local_ms) high = middle;
    else low = middle;
  }
  return high;
}
