import type { EncodingName } from './encoding.ts';
import { Merger } from './merge.ts';
import type { RankTable } from './rank-table.ts';
import { Scanner } from './scan.ts';

/** Pieces between two looks at the clock. */
const glance = 1024;
const merger = new Merger();

/**
 * Tokens of a text, exactly as the encoding's own tokeniser counts ordinary text (marks of special tokens are ordinary
 * text, as they are to a provider). Time is linear in the text but for a logarithm; undefined where `late` said so.
 */
export function countTokens(
  table: RankTable,
  encoding: EncodingName,
  text: string,
  late: () => boolean = () => false,
): number | undefined {
  const bytes = Buffer.from(text);
  const scanner = new Scanner(bytes, encoding);
  let tokens = 0;
  let pieces = 0;
  for (let at = 0; at < bytes.length; ) {
    const end = scanner.pieceEnd(at);
    const more = merger.count(table, bytes, at, end, late);
    if (more === undefined) return undefined;
    tokens += more;
    at = end;
    pieces += 1;
    if (pieces % glance === 0 && late()) return undefined;
  }
  return tokens;
}
