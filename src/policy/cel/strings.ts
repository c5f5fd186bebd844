import { madeMax } from './arithmetic.ts';
import { type CelError, failed } from './values.ts';

const pairs = /[\ud800-\udfff]/;

/** Characters of a text, where a character is a code point. */
export function lengthOf(text: string): number {
  if (!pairs.test(text)) return text.length;
  let length = 0;
  for (const _ of text) length++;
  return length;
}

// Code points where a text has any beyond the first plane; its UTF-16 units where they are the same.
function pointsOf(text: string): string | readonly string[] {
  return pairs.test(text) ? Array.from(text) : text;
}

function part(points: string | readonly string[], from: number, to: number): string {
  return typeof points === 'string' ? points.slice(from, to) : points.slice(from, to).join('');
}

const outside = (index: number): CelError => failed(`index out of range: ${index}`);

export function charAt(text: string, index: number): string | CelError {
  const points = pointsOf(text);
  return index < 0 || index > points.length ? outside(index) : part(points, index, index + 1);
}

export function substring(text: string, from: number, to?: number): string | CelError {
  const points = pointsOf(text);
  const end = to ?? points.length;
  if (from < 0 || from > points.length) return outside(from);
  if (end < 0 || end > points.length) return outside(end);
  return from > end ? failed(`invalid substring range. start: ${from}, end: ${end}`) : part(points, from, end);
}

// Between places in code points and in UTF-16 units.
function unitOf(points: string | readonly string[], index: number): number {
  return typeof points === 'string' ? index : points.slice(0, index).join('').length;
}

function pointOf(points: string | readonly string[], text: string, unit: number): number {
  return typeof points === 'string' || unit < 0 ? unit : lengthOf(text.slice(0, unit));
}

export function indexOf(text: string, wanted: string, from = 0): number | CelError {
  const points = pointsOf(text);
  if (from < 0 || from > points.length) return outside(from);
  return pointOf(points, text, text.indexOf(wanted, unitOf(points, from)));
}

export function lastIndexOf(text: string, wanted: string, from?: number): number | CelError {
  const points = pointsOf(text);
  if (from === undefined) return pointOf(points, text, text.lastIndexOf(wanted));
  if (from < 0 || from > points.length) return outside(from);
  return pointOf(points, text, text.lastIndexOf(wanted, unitOf(points, from)));
}

export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

export function upperAscii(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}

// Unicode's White_Space. JavaScript's own list also has U+FEFF, and not U+0085.
const space = '[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const leading = new RegExp(`^${space}+`);
const blank = new RegExp(space);

export function trim(text: string): string {
  const start = leading.exec(text)?.[0].length ?? 0;
  let end = text.length;
  while (end > start && blank.test(text[end - 1] ?? '')) end--;
  return text.slice(start, end);
}

/** At most `count` replacements; a negative one means all. */
export function replace(text: string, old: string, by: string, count = -1): string | CelError {
  const cuts = old === '' ? ['', ...Array.from(text), ''] : text.split(old);
  const most = count < 0 ? cuts.length - 1 : Math.min(count, cuts.length - 1);
  if (text.length + most * by.length > madeMax.text) return failed('the text would be too long');
  return (
    cuts
      .slice(0, most)
      .map((cut) => cut + by)
      .join('') + cuts.slice(most).join(old)
  );
}

/** At most `count` parts, the last with all that is left; a negative one means all. */
export function split(text: string, by: string, count = -1): readonly string[] | CelError {
  const parts = by === '' ? Array.from(text) : text.split(by);
  if (parts.length > madeMax.list) return failed('the list would be too long');
  if (count < 0 || parts.length <= count) return parts;
  return count === 0 ? [] : [...parts.slice(0, count - 1), parts.slice(count - 1).join(by)];
}

export function join(list: readonly unknown[], by: string): string | CelError | undefined {
  let length = 0;
  for (const item of list) {
    if (typeof item !== 'string') return undefined;
    length += item.length + by.length;
  }
  return length > madeMax.text ? failed('the text would be too long') : list.join(by);
}

const quotes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

export function quote(text: string): string {
  return `"${wellFormed(text).replace(/[\x07\b\f\n\r\t\v\\"]/g, (found) => quotes[found] ?? found)}"`;
}

function wellFormed(text: string): string {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}

export function reversed(text: string): string {
  return Array.from(text).reverse().join('');
}
