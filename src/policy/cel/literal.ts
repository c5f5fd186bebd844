import { SyntaxFault } from './fault.ts';

const plain: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  '"': 34,
  "'": 39,
  '?': 63,
  '\\': 92,
  '`': 96,
};
const numbered = /[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})/y;

/** What stands between the quotes of a text. `at` is where it stands in the expression. */
export function textOf(inner: string, raw: boolean, at: number): string {
  if (raw || !inner.includes('\\')) return inner;
  let text = '';
  each(inner, at, (code) => {
    text += typeof code === 'string' ? code : String.fromCodePoint(code.value);
  });
  return text;
}

/** What stands between the quotes of bytes: UTF-8 of its characters; `\x` and octal escapes are single bytes. */
export function bytesOf(inner: string, raw: boolean, at: number): Uint8Array {
  const encoder = new TextEncoder();
  if (raw || !inner.includes('\\')) return encoder.encode(inner);
  const bytes: number[] = [];
  each(inner, at, (code, place) => {
    if (typeof code === 'string') for (const byte of encoder.encode(code)) bytes.push(byte);
    else if (code.long) throw new SyntaxFault(place, place + 2, 'bytes take no \\u and \\U: write their UTF-8');
    else bytes.push(code.value);
  });
  return Uint8Array.from(bytes);
}

function each(
  inner: string,
  at: number,
  use: (code: string | { readonly value: number; readonly long: boolean }, place: number) => void,
): void {
  for (let i = 0; i < inner.length; ) {
    const next = inner.indexOf('\\', i);
    if (next !== i) {
      const stop = next < 0 ? inner.length : next;
      use(inner.slice(i, stop), at + i);
      i = stop;
      continue;
    }
    const simple = plain[inner[i + 1] ?? ''];
    if (simple !== undefined) {
      use({ value: simple, long: false }, at + i);
      i += 2;
      continue;
    }
    numbered.lastIndex = i + 1;
    const found = numbered.exec(inner);
    if (found === null) throw new SyntaxFault(at + i, at + i + 2, 'unknown escape in a text');
    const [all, hex, short, long, octal] = found;
    const value = octal === undefined ? Number.parseInt(hex ?? short ?? long ?? '0', 16) : Number.parseInt(octal, 8);
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
      throw new SyntaxFault(at + i, at + i + 1 + all.length, 'this escape is no Unicode character');
    use({ value, long: short !== undefined || long !== undefined }, at + i);
    i += 1 + all.length;
  }
}
