import { UsageError } from './command.ts';

const spans: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** How long `30m`, `12h` or `7d` is, in ms; undefined for another text. */
export function span(text: string): number | undefined {
  const parts = /^(\d+)([mhd])$/.exec(text);
  return parts === null ? undefined : Number(parts[1]) * (spans[parts[2] ?? ''] ?? 0);
}

/** An option that is a time, or how long ago, as Unix ms; undefined where it was not given. Throws `UsageError`. */
export function moment(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ago = span(text);
  const at = ago === undefined ? Date.parse(text) : Date.now() - ago;
  if (Number.isNaN(at))
    throw new UsageError(`--${name} is a time (2026-11-21T09:00:00Z) or how long ago (12h), not '${text}'`);
  return at;
}
