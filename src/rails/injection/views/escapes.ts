import { textOf } from './bytes.ts';
import { type View, ViewWriter } from './view.ts';

function hexAt(text: string, at: number, length: number): number {
  let value = 0;
  for (let i = at; i < at + length; i++) {
    const code = text.charCodeAt(i);
    const digit =
      code >= 0x30 && code <= 0x39
        ? code - 0x30
        : (code | 0x20) >= 0x61 && (code | 0x20) <= 0x66
          ? (code | 0x20) - 0x57
          : -1;
    if (digit === -1 || Number.isNaN(code)) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/** Runs of `%41` or `=41`, read as bytes of UTF-8. */
function decodeBytes(name: string, sign: number, text: string, before?: Int32Array): View | undefined {
  const writer = new ViewWriter();
  const bytes = new Uint8Array(Math.ceil(text.length / 3));
  let copied = 0;
  for (let from = 0; from < text.length; ) {
    if (text.charCodeAt(from) !== sign) {
      from++;
      continue;
    }
    // A soft line break of quoted-printable.
    if (sign === 0x3d && (text[from + 1] === '\n' || text.startsWith('\r\n', from + 1))) {
      writer.copy(text, copied, from);
      from += text[from + 1] === '\n' ? 2 : 3;
      copied = from;
      writer.changed = true;
      continue;
    }
    let length = 0;
    let to = from;
    for (
      let byte = hexAt(text, to + 1, 2);
      text.charCodeAt(to) === sign && byte !== -1;
      byte = hexAt(text, to + 1, 2)
    ) {
      bytes[length++] = byte;
      to += 3;
    }
    if (length === 0) {
      from++;
      continue;
    }
    const one = length < 3 && bytes.subarray(0, length).every((byte) => byte < 0x80);
    const decoded = one
      ? String.fromCharCode(...bytes.subarray(0, length))
      : (textOf(bytes.subarray(0, length)) ?? latin(bytes, length));
    writer.copy(text, copied, from);
    writer.decoded(decoded, from, to);
    copied = to;
    from = to;
  }
  if (!writer.changed) return undefined;
  writer.copy(text, copied, text.length);
  return writer.view(name, text.length, before);
}

function latin(bytes: Uint8Array, length: number): string {
  return new TextDecoder('utf-8').decode(bytes.subarray(0, length));
}

/** Percent escapes of URLs. */
export function decodeUrl(text: string, before?: Int32Array): View | undefined {
  return decodeBytes('url', 0x25, text, before);
}

/** Quoted-printable, as in e-mail. */
export function decodeQuotedPrintable(text: string, before?: Int32Array): View | undefined {
  return decodeBytes('quoted_printable', 0x3d, text, before);
}

const named: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  num: '#',
  lpar: '(',
  rpar: ')',
  lsqb: '[',
  rsqb: ']',
  excl: '!',
  colon: ':',
  period: '.',
  comma: ',',
};

/** The next `sign` within ten characters, or -1; a search to the end for each opening would be quadratic. */
function closing(text: string, sign: string, at: number): number {
  const within = text.slice(at, at + 11).indexOf(sign);
  return within === -1 ? -1 : at + within;
}

function entityAt(text: string, at: number): { readonly point: number; readonly end: number } | undefined {
  const end = closing(text, ';', at);
  if (end === -1) return undefined;
  const body = text.slice(at + 1, end);
  if (!body.startsWith('#')) {
    const known = named[body.toLowerCase()];
    return known === undefined ? undefined : { point: known.charCodeAt(0), end: end + 1 };
  }
  const point =
    body[1] === 'x' || body[1] === 'X' ? Number.parseInt(body.slice(2), 16) : Number.parseInt(body.slice(1), 10);
  return point > 0 && point <= 0x10ffff ? { point, end: end + 1 } : undefined;
}

function backslashAt(text: string, at: number): { readonly point: number; readonly end: number } | undefined {
  const letter = text[at + 1];
  if (letter === 'u' && text[at + 2] === '{') {
    const close = closing(text, '}', at);
    if (close === -1) return undefined;
    const point = hexAt(text, at + 3, close - at - 3);
    return point > 0 && point <= 0x10ffff ? { point, end: close + 1 } : undefined;
  }
  const width = letter === 'x' ? 2 : letter === 'u' ? 4 : letter === 'U' ? 8 : 0;
  if (width === 0) return undefined;
  const point = hexAt(text, at + 2, width);
  return point > 0 && point <= 0x10ffff ? { point, end: at + 2 + width } : undefined;
}

/** HTML character references and the backslash escapes of programming languages. */
export function decodeCharacterEscapes(text: string, before?: Int32Array): View | undefined {
  const writer = new ViewWriter();
  let copied = 0;
  for (let from = 0; from < text.length; ) {
    const code = text.charCodeAt(from);
    const found = code === 0x26 ? entityAt(text, from) : code === 0x5c ? backslashAt(text, from) : undefined;
    if (found === undefined) {
      from++;
      continue;
    }
    writer.copy(text, copied, from);
    writer.decoded(String.fromCodePoint(found.point), from, found.end);
    copied = found.end;
    from = found.end;
  }
  if (!writer.changed) return undefined;
  writer.copy(text, copied, text.length);
  return writer.view('escapes', text.length, before);
}
