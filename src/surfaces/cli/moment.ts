import { instantOf } from '../instant.ts';
import { UsageError } from './command.ts';

const spans: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A thousand thousand days: what is longer ends at no date. */
const span_ms_max = 86_400_000_000_000;

/** How long `30m`, `12h` or `7d` is, in ms; undefined for another text, and for what is longer than 2,700 years. */
export function span(text: string): number | undefined {
  const parts = /^(\d+)([mhd])$/.exec(text);
  if (parts === null) return undefined;
  const ms = Number(parts[1]) * (spans[parts[2] ?? ''] ?? 0);
  return ms <= span_ms_max ? ms : undefined;
}

/** An option that is a time, or how long ago, as Unix ms; undefined where it was not given. Throws `UsageError`. */
export function moment(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ago = span(text);
  const at = ago === undefined ? instantOf(text) : Math.max(0, Date.now() - ago);
  if (at === undefined)
    throw new UsageError(`--${name} is a time (2026-11-21T09:00:00Z) or how long ago (12h), not '${text}'`);
  return at;
}
