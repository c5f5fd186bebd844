import { isAscii, isUtf8 } from 'node:buffer';
import { Failure } from '../../exchange/index.ts';
import { locate } from './locate.ts';
import { closeArray, closeObject, colon, openArray, openObject, quote, skipString } from './skip.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export interface StrictOptions {
  /** Deepest nesting accepted; default 128. */
  readonly depthMax?: number;
  /** Longest document accepted, bytes; default none (the surface limits bodies). */
  readonly bytesMax?: number;
}

const depthDefault = 128;

/** Whether a JSON value is an object (not null, not an array). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The value of a JSON document that every parser reads alike: valid UTF-8, no key twice in one object, bounded depth.
 * Throws `invalid_request` that names the byte, line and column, and the path where there is one.
 */
export function parseStrict(bytes: Buffer, options: StrictOptions = {}): unknown {
  if (options.bytesMax !== undefined && bytes.length > options.bytesMax) {
    throw new Failure('request_too_large', `The JSON document is longer than ${options.bytesMax} bytes.`);
  }
  const read = unambiguous(bytes, options.depthMax);
  if (read.ok) return read.value;
  const place = locate(bytes, options.depthMax ?? depthDefault);
  if (place === undefined) throw new Failure('invalid_request', `The body is not acceptable JSON: ${read.problem}.`);
  const where = `at byte ${place.offset} (line ${place.line}, column ${place.column})`;
  throw new Failure(
    'invalid_request',
    `The body is not acceptable JSON: ${place.problem} ${where}.`,
    place.path === '' ? {} : { param: place.path },
  );
}

/** The value of a document that reads only one way, or why it does not. One parse and one pass over the bytes. */
export function unambiguous(
  bytes: Buffer,
  depthMax = depthDefault,
): { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problem: string } {
  const ascii = isAscii(bytes);
  if (!ascii && !isUtf8(bytes)) return { ok: false, problem: 'it is not valid UTF-8' };
  const keys = countKeyColons(bytes, depthMax);
  if (keys === tooDeep) return { ok: false, problem: `it is nested deeper than ${depthMax} levels` };
  let value: unknown;
  try {
    // The same text either way; where there is nothing to decode it is a copy.
    value = JSON.parse(ascii ? bytes.toString('latin1') : bytes.toString('utf8'));
  } catch {
    return { ok: false, problem: 'it is not JSON' };
  }
  // JSON.parse keeps the last of two equal keys: then the text has more key colons than the value has keys.
  if (keys !== countKeys(value)) return { ok: false, problem: 'a key appears twice in one object' };
  return { ok: true, value };
}

const tooDeep = -1;

/** Colons outside strings: in valid JSON, one for each key. `tooDeep` where nesting passes the limit. */
function countKeyColons(bytes: Buffer, depthMax: number): number {
  let keys = 0;
  let depth = 0;
  let i = 0;
  while (i < bytes.length) {
    const byte = bytes[i];
    if (byte === quote) {
      i = skipString(bytes, i);
      if (i === -1) return keys;
      continue;
    }
    if (byte === colon) keys += 1;
    else if (byte === openObject || byte === openArray) {
      depth += 1;
      if (depth > depthMax) return tooDeep;
    } else if (byte === closeObject || byte === closeArray) depth -= 1;
    i += 1;
  }
  return keys;
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let keys = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') keys += countKeys(item);
    return keys;
  }
  const object = value as JsonObject;
  for (const key in object) {
    keys += 1;
    const item = object[key];
    if (typeof item === 'object') keys += countKeys(item);
  }
  return keys;
}
