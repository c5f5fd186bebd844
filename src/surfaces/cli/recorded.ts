import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type QueryFilter, queryTrail } from '../../observe/index.ts';
import type { RecordedExchange } from '../../policy/index.ts';
import { mustExist, placesOf } from './audit-places.ts';
import { CannotRun, type CommandContext } from './command.ts';

/**
 * Records to decide again, oldest first: of an audit trail (a directory or a file of one; without a path the configured
 * one), or of what `audit export` or `audit query --json` printed. Rejects with `CannotRun`.
 */
export async function recordedExchanges(
  context: CommandContext,
  { path, data, ...filter }: QueryFilter & { readonly path?: string | undefined; readonly data?: string | undefined },
): Promise<readonly RecordedExchange[]> {
  if (path !== undefined) {
    const file = resolve(context.cwd, path);
    mustExist(file, 'record');
    if (statSync(file).isFile()) {
      const exported = exportedIn(readFileSync(file, 'utf8'), path);
      if (exported !== undefined)
        return exported.filter((record) => wanted(record, filter)).slice(-(filter.limit ?? exported.length));
    }
  }
  // Without a configuration a path alone will do: what is personal then stays sealed.
  const places = await placesOf(context, path, data).catch((error: unknown) => {
    if (path === undefined || data !== undefined) throw error;
    return { path: resolve(context.cwd, path), data: '' };
  });
  mustExist(places.path, 'audit trail');
  const keys = statSync(places.data, { throwIfNoEntry: false }) === undefined ? undefined : places.data;
  const records: RecordedExchange[] = [];
  for await (const { record, sealed } of queryTrail(places.path, filter, keys)) records.push({ ...record, sealed });
  return records;
}

interface Exported extends Omit<RecordedExchange, 'time_ms' | 'cost_nusd'> {
  readonly time: string;
  readonly cost_usd: number;
}

/** What a command printed for programs; undefined where the text is of a trail itself. */
function exportedIn(text: string, name: string): readonly RecordedExchange[] | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const [first] = lines;
  if (first === undefined) return [];
  if (/^\{"v":\d/.test(first)) return undefined;
  try {
    const whole =
      lines.length === 1 || first.trim() === '{' ? [JSON.parse(text)] : lines.map((line) => JSON.parse(line));
    const [only] = whole as [{ records?: unknown }];
    const list = (Array.isArray(only?.records) ? only.records : whole) as readonly Exported[];
    return list.map(recordIn);
  } catch (error) {
    throw new CannotRun(`${name} holds no records: ${(error as Error).message}`);
  }
}

function recordIn({ time, cost_usd, ...record }: Exported): RecordedExchange {
  const time_ms = Date.parse(time);
  if (typeof record.exchange !== 'string' || Number.isNaN(time_ms) || typeof record.decision !== 'object')
    throw new TypeError('an entry is no record of an exchange');
  return { ...record, facts: record.facts ?? {}, time_ms, cost_nusd: Math.round(cost_usd * 1e9) };
}

function wanted(record: RecordedExchange, { since, until, team, exchange }: QueryFilter): boolean {
  if (since !== undefined && record.time_ms < since) return false;
  if (until !== undefined && record.time_ms >= until) return false;
  if (exchange !== undefined && record.exchange !== exchange) return false;
  return team === undefined || record.caller?.team === team;
}
