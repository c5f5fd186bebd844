import { parsedLine, type SpooledRecord } from './line.ts';

/** Records of one spool that follow each other, as bytes: whole lines, each with its newline. */
export interface Run {
  readonly spool: string;
  /** Number of the first record; the others follow without a gap. */
  readonly from: number;
  readonly to: number;
  /** Of the last one. */
  readonly hash: string;
  /** When the first and the last were appended, Unix ms. */
  readonly first_ms: number;
  readonly last_ms: number;
  /** Valid until every sink has the records: their memory is used again. */
  readonly bytes: readonly Uint8Array[];
}

/** The lines, without their newlines. */
export function linesOf(bytes: readonly Uint8Array[]): readonly string[] {
  return bytes.flatMap((part) =>
    Buffer.from(part.buffer, part.byteOffset, part.length - 1)
      .toString('utf8')
      .split('\n'),
  );
}

/** The records, taken apart. */
export function recordsOf({ bytes }: Run): readonly SpooledRecord[] {
  return linesOf(bytes).map(parsedLine);
}
