import { SyntaxFault } from './fault.ts';
import { bytesOf, textOf } from './literal.ts';

export type TokenKind =
  | 'name'
  | 'quoted'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'parameter'
  | 'sign'
  | 'end';

export interface Token {
  readonly kind: TokenKind;
  readonly at: number;
  readonly end: number;
  /** As written; the text between backticks for a quoted name, the name for a parameter. */
  readonly text: string;
  readonly value?: bigint | number | string | Uint8Array;
}

const blank = /(?:[\t\n\f\r ]+|\/\/[^\n\r]*)+/y;
const name = /[A-Za-z_][A-Za-z0-9_]*/y;
const quotedName = /`([A-Za-z0-9_.\-/ ]+)`/y;
const floating = /(?:\d*\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)/y;
const whole = /(0[xX][0-9a-fA-F]+|\d+)([uU]?)/y;
const stringStart = /([bB]?[rR]?)("""|'''|"|')/y;
const parameter = /\$\{params\.([A-Za-z_]\w*)\}/y;
const signs = /==|!=|<=|>=|&&|\|\||[-+*/%<>!?:.,()[\]{}]/y;

/**
 * The tokens of an expression, an `end` last. `parameters` lets `${params.name}` stand where a value may.
 * @throws SyntaxFault
 */
export function tokensOf(text: string, parameters: boolean): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  const put = (kind: TokenKind, shown: string, length: number, value?: Token['value']) => {
    tokens.push({ kind, at, end: at + length, text: shown, ...(value === undefined ? {} : { value }) });
    at += length;
  };
  for (;;) {
    at += take(blank)?.[0].length ?? 0;
    if (at >= text.length) break;
    const first = text[at] ?? '';
    let found = /["'bBrR]/.test(first) ? take(stringStart) : null;
    if (found !== null) {
      const token = stringToken(text, at, found[1] ?? '', found[2] ?? '');
      tokens.push(token);
      at = token.end;
      continue;
    }
    const digit = (first >= '0' && first <= '9') || first === '.';
    found = digit ? take(floating) : null;
    if (found !== null) {
      put('double', found[0], found[0].length, Number(found[0]));
      after(text, at);
      continue;
    }
    found = digit ? take(whole) : null;
    if (found !== null) {
      put(found[2] === '' ? 'int' : 'uint', found[0], found[0].length, wholeNumber(found[1] ?? '0', at));
      after(text, at);
      continue;
    }
    found = take(name);
    if (found !== null) {
      put('name', found[0], found[0].length);
      continue;
    }
    found = first === '`' ? take(quotedName) : null;
    if (found !== null) {
      put('quoted', found[1] ?? '', found[0].length);
      continue;
    }
    found = parameters && first === '$' ? take(parameter) : null;
    if (found !== null) {
      put('parameter', found[1] ?? '', found[0].length);
      continue;
    }
    found = take(signs);
    if (found === null) throw new SyntaxFault(at, at + 1, unreadable(text, at));
    put('sign', found[0], found[0].length);
  }
  tokens.push({ kind: 'end', at: text.length, end: text.length, text: '' });
  return tokens;
}

// More digits than any 64-bit number has are not worth a big number.
function wholeNumber(digits: string, at: number): bigint {
  if (digits.length > 100) throw new SyntaxFault(at, at + digits.length, 'the number is too large');
  return BigInt(digits);
}

function after(text: string, at: number): void {
  if (/[A-Za-z_]/.test(text[at] ?? '')) throw new SyntaxFault(at, at + 1, 'a number ends in a letter');
}

function unreadable(text: string, at: number): string {
  const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
  if (character === '&' || character === '|') return `a single ${character}: write ${character}${character}`;
  if (character === '=') return 'a single =: write == to compare';
  if (character === '`') return 'a name in backticks may have letters, digits, spaces and any of _ . - /';
  const shown = /[\p{L}\p{N}\p{P}\p{S}]/u.test(character) ? character : `U+${(text.codePointAt(at) ?? 0).toString(16)}`;
  return `${shown} has no meaning here`;
}

function stringToken(text: string, at: number, prefix: string, quotes: string): Token {
  const raw = /[rR]/.test(prefix);
  const bytes = /[bB]/.test(prefix);
  const start = at + prefix.length + quotes.length;
  const stop = closing(text, start, quotes);
  if (stop < 0) throw new SyntaxFault(at, at + prefix.length + quotes.length, 'the text has no end');
  const inner = text.slice(start, stop);
  const end = stop + quotes.length;
  const value = bytes ? bytesOf(inner, raw, start) : textOf(inner, raw, start);
  return { kind: bytes ? 'bytes' : 'string', at, end, text: text.slice(at, end), value };
}

// A backslash keeps the next character from ending the text, in raw texts too.
function closing(text: string, start: number, quotes: string): number {
  const long = quotes.length === 3;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (long ? text.startsWith(quotes, at) : character === quotes) return at;
    else if (!long && (character === '\n' || character === '\r')) return -1;
  }
  return -1;
}
