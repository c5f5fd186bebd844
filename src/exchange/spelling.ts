/** Where an escaped ASCII letter begins. */
const escaped = '\\u00';

/**
 * A JSON document with its escaped ASCII letters as letters, to look for words in: who escapes one says the same to a
 * provider. Not for parsing: an escaped quote would end its string.
 */
export function unescaped(bytes: Buffer): Buffer {
  if (!bytes.includes(escaped)) return bytes;
  const text = bytes.toString('latin1').replace(/\\u00([4-7][0-9a-f])/gi, (_, hex: string) => {
    return String.fromCharCode(Number.parseInt(hex, 16));
  });
  return Buffer.from(text, 'latin1');
}
