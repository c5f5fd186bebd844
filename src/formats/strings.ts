import type { JsonPath } from '../exchange/index.ts';
import { under } from './json/index.ts';

/** What stands at a place: a string, a number, or the name of a member (then the path leads to that member). */
export type TextKind = 'string' | 'number' | 'key';

/** Names of letters alone are names of fields, not something told. */
const fieldName = /^[A-Za-z_-]{1,32}$/;
/** A whole number with fewer digits than this tells of nobody. */
const tellingNumber = 1_000_000;

/**
 * Calls `visit` for everything in a JSON value that can tell something, in document order: strings that are not empty,
 * long whole numbers, and names of members that are more than names. Members whose key is in `skip` are left out,
 * whatever they hold, and bytes in base64.
 */
export function eachText(
  value: unknown,
  path: JsonPath,
  skip: ReadonlySet<string>,
  visit: (text: string, path: JsonPath, kind: TextKind) => void,
): void {
  if (typeof value === 'string') {
    if (value !== '') visit(value, path, 'string');
  } else if (typeof value === 'number') {
    if (Number.isInteger(value) && Math.abs(value) >= tellingNumber) visit(String(value), path, 'number');
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) eachText(item, under(path, index), skip, visit);
  } else if (typeof value === 'object' && value !== null) {
    const encoded = (value as { type?: unknown }).type === 'base64';
    for (const [key, item] of Object.entries(value)) {
      if (!skip.has(key) && !(encoded && key === 'data')) eachInMember(key, item, path, skip, visit);
    }
  }
}

/** The same of one member of the object at `path`: its name and its value. */
export function eachInMember(
  key: string,
  value: unknown,
  path: JsonPath,
  skip: ReadonlySet<string>,
  visit: (text: string, path: JsonPath, kind: TextKind) => void,
): void {
  const at = under(path, key);
  if (!fieldName.test(key)) visit(key, at, 'key');
  eachText(value, at, skip, visit);
}
