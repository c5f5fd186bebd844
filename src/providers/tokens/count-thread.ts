import { parentPort } from 'node:worker_threads';
import { countTokens } from './count.ts';
import type { EncodingName } from './encoding.ts';
import { loadTable } from './load-table.ts';
import type { RankTable, TableMemory } from './rank-table.ts';

/** What the thread is asked: these texts' tokens together, by then (Unix ms). */
export interface CountJob {
  readonly id: number;
  readonly encoding: EncodingName;
  readonly texts: readonly string[];
  readonly until_ms: number;
}

/** What it answers: the tokens, or none where it was too late; and once for each encoding the table it has built. */
export type CountAnswer =
  | { readonly id: number; readonly tokens: number | undefined }
  | { readonly encoding: EncodingName; readonly memory: TableMemory };

const tables = new Map<EncodingName, Promise<RankTable>>();

function tableOf(encoding: EncodingName): Promise<RankTable> {
  let table = tables.get(encoding);
  if (table === undefined) {
    table = loadTable(encoding).then((loaded) => {
      answer({ encoding, memory: loaded.memory });
      return loaded;
    });
    tables.set(encoding, table);
  }
  return table;
}

function answer(message: CountAnswer): void {
  parentPort?.postMessage(message);
}

async function count({ id, encoding, texts, until_ms }: CountJob): Promise<void> {
  const late = (): boolean => Date.now() > until_ms;
  let tokens: number | undefined = 0;
  try {
    const table = await tableOf(encoding);
    for (const text of texts) {
      const more: number | undefined = late() ? undefined : countTokens(table, encoding, text, late);
      if (more === undefined) {
        tokens = undefined;
        break;
      }
      tokens += more;
    }
  } catch {
    tokens = undefined;
  }
  answer({ id, tokens });
}

parentPort?.on('message', (job: CountJob) => void count(job));
