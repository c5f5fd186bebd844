/** Byte values of JSON's punctuation. */
export const quote = 0x22;
export const backslash = 0x5c;
export const colon = 0x3a;
export const comma = 0x2c;
export const openObject = 0x7b;
export const closeObject = 0x7d;
export const openArray = 0x5b;
export const closeArray = 0x5d;

/** Short strings are walked byte by byte; past this many bytes the native search is faster. */
const walkMax = 16;

/** The index after JSON's four kinds of white space. */
export function skipSpace(bytes: Buffer, at: number): number {
  let i = at;
  for (;;) {
    const byte = bytes[i];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return i;
    i += 1;
  }
}

/** The index after the string that opens at `at`, or -1 where it never closes. */
export function skipString(bytes: Buffer, at: number): number {
  const near = Math.min(bytes.length, at + walkMax);
  let i = at + 1;
  while (i < near) {
    const byte = bytes[i];
    if (byte === quote) return i + 1;
    i += byte === backslash ? 2 : 1;
  }
  const from = i;
  for (let close = bytes.indexOf(quote, from); close !== -1; close = bytes.indexOf(quote, close + 1)) {
    let run = close;
    while (run > from && bytes[run - 1] === backslash) run -= 1;
    if ((close - run) % 2 === 0) return close + 1;
  }
  return -1;
}

/**
 * The index after the value that starts at `at`. For bytes already known to be JSON: it finds the end, it does not
 * validate. Throws a RangeError where the bytes end too early.
 */
export function skipValue(bytes: Buffer, at: number): number {
  const first = bytes[at];
  if (first === quote) return endOfString(bytes, at);
  if (first !== openObject && first !== openArray) return skipScalar(bytes, at);
  let depth = 0;
  let i = at;
  while (i < bytes.length) {
    const byte = bytes[i];
    if (byte === quote) {
      i = endOfString(bytes, i);
      continue;
    }
    i += 1;
    if (byte === openObject || byte === openArray) depth += 1;
    else if (byte === closeObject || byte === closeArray) {
      depth -= 1;
      if (depth === 0) return i;
    }
  }
  throw new RangeError('JSON ends in the middle of a value');
}

/** As `skipString`, for bytes known to be JSON. */
export function endOfString(bytes: Buffer, at: number): number {
  const end = skipString(bytes, at);
  if (end === -1) throw new RangeError('JSON ends in the middle of a string');
  return end;
}

function skipScalar(bytes: Buffer, at: number): number {
  let i = at;
  while (i < bytes.length) {
    const byte = bytes[i];
    if (byte === comma || byte === closeObject || byte === closeArray) break;
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) break;
    i += 1;
  }
  if (i === at) throw new RangeError('JSON lacks a value');
  return i;
}
