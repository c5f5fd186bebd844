import type { JsonPath } from '../exchange/index.ts';

/**
 * Calls `visit` for every non-empty string in a JSON value, in document order. Members whose key is in `skip` are left
 * out, whatever they hold.
 */
export function eachString(
  value: unknown,
  path: JsonPath,
  skip: ReadonlySet<string>,
  visit: (text: string, path: JsonPath) => void,
): void {
  if (typeof value === 'string') {
    if (value !== '') visit(value, path);
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) eachString(item, [...path, index], skip, visit);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) if (!skip.has(key)) eachString(item, [...path, key], skip, visit);
  }
}
