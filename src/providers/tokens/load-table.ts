import type { EncodingName } from './encoding.ts';
import { buildTable, type RankTable } from './rank-table.ts';

/** Reads one encoding's ranks and builds its table: megabytes, and a tenth of a second, so only when it is needed. */
export async function loadTable(encoding: EncodingName): Promise<RankTable> {
  return buildTable(await ranksOf(encoding));
}

async function ranksOf(encoding: EncodingName): Promise<string> {
  switch (encoding) {
    case 'o200k_base':
      return (await import('js-tiktoken/ranks/o200k_base')).default.bpe_ranks;
    case 'cl100k_base':
      return (await import('js-tiktoken/ranks/cl100k_base')).default.bpe_ranks;
  }
}
