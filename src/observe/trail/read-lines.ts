import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';

/** Whole lines of a file, many at a time, and whether the last one lacks its newline. */
export interface LineBatch {
  readonly lines: readonly string[];
  readonly torn: boolean;
}

function decode(bytes: Buffer): string[] {
  const text = bytes.toString('utf8');
  const lines = text.split('\n');
  if (isUtf8(bytes)) return lines;
  // A decoder would turn different wrong bytes into the same character: such a line is no line of ours.
  return lines.map((line) => (line.includes('\uFFFD') ? '' : line));
}

/** Reads a file of lines without holding it whole. */
export async function* readLines(path: string, chunk_bytes = 1 << 20): AsyncGenerator<LineBatch> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: chunk_bytes }) as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(10);
    rest = bytes.subarray(end + 1);
    if (end >= 0) yield { lines: decode(bytes.subarray(0, end)), torn: false };
  }
  if (rest.length > 0) yield { lines: decode(rest), torn: true };
}
