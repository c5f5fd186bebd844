import type { Lines } from '../../stores/index.ts';

const point = 0x2e;

/** As `JSON.stringify` spells it. */
export function writeNumber(lines: Lines, value: number): void {
  if (Number.isFinite(value)) lines.number(value);
  else lines.letters('null');
}

/** Milliseconds, to the microsecond: a duration's further digits tell nothing and are dear to spell. */
export function writeDuration(lines: Lines, value: number): void {
  if (!(value >= 0 && value < 1e9)) {
    writeNumber(lines, value);
    return;
  }
  const us = Math.round(value * 1000);
  const rest = us % 1000;
  lines.whole((us - rest) / 1000);
  if (rest === 0) return;
  // A point in place of the leading one.
  const at = lines.size;
  lines.whole(1000 + rest);
  lines.bytes[at] = point;
}

/** What `JSON.stringify` says. */
export function writeJson(lines: Lines, value: unknown): void {
  lines.text(JSON.stringify(value) ?? 'null');
}
