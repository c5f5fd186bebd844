import { detector } from './detector.ts';

const octet = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const v4 = `(?:${octet}\\.){3}${octet}`;
const group = '[0-9A-Fa-f]{1,4}';

/**
 * Eight groups, or fewer around one `::`, a decimal digit somewhere: words of `a` to `f` alone are none. `a::b` and `::1`
 * are left to programmers: a short form must begin like an address in use (three or four digits).
 */
export function isIp(text: string): boolean {
  if (!text.includes(':')) return true;
  const halves = text.split('::');
  const groups = text.split(':').filter((part) => part !== '');
  const tail = groups.at(-1)?.includes('.') ? 1 : 0;
  const count = groups.length + tail;
  if (halves.length > 2 || text.includes(':::') || !/[0-9]/.test(text)) return false;
  if (halves.length === 1) return count === 8;
  return count <= 7 && (groups[0]?.length ?? 0) >= 3 && !text.startsWith('::');
}

/** IPv4 in dotted decimals, not inside longer runs of numbers and dots; IPv6 as RFC 4291 writes it. */
export const ip = detector({
  type: 'ip',
  score: 0.95,
  pattern:
    `(?:(?<![0-9A-Za-z._])${v4}(?:(?![0-9A-Za-z._])|\\.(?![0-9])(?E1))` +
    `|(?<![0-9A-Za-z.:_])${group}(?::${group}){7}(?![0-9A-Za-z:_])` +
    `|(?<![0-9A-Za-z.:_])(?:${group}:){1,7}(?::${group}){0,6}(?::${v4}|:)?(?![0-9A-Za-z:_.])` +
    `|(?<![0-9A-Za-z.:_])(?:${group}:){1,7}(?::${group}){1,6}(?![0-9A-Za-z:_]))`,
  check: isIp,
});
