import type { JsonPath, RequestEdits } from '../exchange/index.ts';
import { isObject, type JsonEdit, parsePath, pathText, splice } from './json/index.ts';

interface Quirked {
  readonly body: Buffer;
  readonly warnings: readonly string[];
}

/**
 * A body without the fields its provider refuses, and with those it calls otherwise by their other name. Paths are
 * dotted; `*` stands for every element of an array (`messages.*.name`). What a client set and the provider does not get
 * is told in a warning, after those that were there.
 */
export function applyQuirks(encoded: Quirked, edits: Pick<RequestEdits, 'dropFields' | 'renameFields'>): Quirked {
  const renames = Object.entries(edits.renameFields);
  if (edits.dropFields.length === 0 && renames.length === 0) return encoded;
  if (!mayHave(encoded.body, [...edits.dropFields, ...Object.keys(edits.renameFields)])) return encoded;
  const value: unknown = JSON.parse(encoded.body.toString('utf8'));
  const list: JsonEdit[] = [];
  const warnings = [...encoded.warnings];
  for (const field of edits.dropFields) {
    const paths = expand(value, field);
    for (const path of paths) list.push({ op: 'remove', path });
    if (paths.length > 0) warnings.push(`${field}: not supported by this provider, left out`);
  }
  for (const [field, name] of renames) {
    const key = parsePath(name).at(-1);
    if (key === undefined) continue;
    for (const path of expand(value, field)) list.push({ op: 'rename', path, key: String(key) });
  }
  return { body: splice(encoded.body, list), warnings };
}

/** Whether any of these fields may stand in a body, told without parsing it: nearly none has what its provider refuses. */
function mayHave(body: Buffer, fields: readonly string[]): boolean {
  return body.includes('\\u00') || fields.some((field) => body.includes(String(parsePath(field)[0] ?? '')));
}

/** The paths in a value that a pattern stands for; none where it leads nowhere. */
function expand(value: unknown, pattern: string): JsonPath[] {
  let found: { readonly path: JsonPath; readonly value: unknown }[] = [{ path: [], value }];
  for (const step of parsePath(pattern)) {
    found = found.flatMap(({ path, value: at }) => {
      if (step === '*' && Array.isArray(at)) return at.map((item, index) => ({ path: [...path, index], value: item }));
      if (Array.isArray(at) && typeof step === 'number') {
        return step < at.length ? [{ path: [...path, step], value: at[step] }] : [];
      }
      const key = String(step);
      return isObject(at) && Object.hasOwn(at, key) ? [{ path: [...path, key], value: at[key] }] : [];
    });
  }
  return found.map(({ path }) => path);
}

/** What a translation leaves behind, each kind of field named once: `messages[].name`. */
export function leftBehind(unknown: readonly JsonPath[], provider: string): string[] {
  const names = new Set(unknown.map((path) => pathText(path).replaceAll(/\[\d+\]/g, '[]')));
  return [...names].map((name) => `${name}: cannot be expressed in ${provider}, left out`);
}
