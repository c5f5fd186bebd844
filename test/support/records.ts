import type { AuditRecord } from '../../src/observe/index.ts';

/** How many records one look at the trail shows at the most. */
const shown = 1000;

/**
 * Every record the admin listener knows; `get` asks it for a path. A look that may not have shown all is taken apart by
 * time: how many calls a fast machine made is no matter.
 */
export async function allRecords(
  get: (path: string) => Promise<{ records: readonly AuditRecord[] }>,
  query: Readonly<Record<string, string>> = {},
): Promise<readonly AuditRecord[]> {
  const between = async (since: number, until: number): Promise<readonly AuditRecord[]> => {
    const times = { since: new Date(since).toISOString(), until: new Date(until).toISOString() };
    const filter = new URLSearchParams({ ...query, ...times, limit: String(shown) });
    const { records } = await get(`/admin/v1/records?${filter}`);
    if (records.length < shown) return records;
    if (until - since < 2) throw new Error(`more than ${shown} records of one millisecond`);
    const middle = Math.floor((since + until) / 2);
    return [...(await between(since, middle)), ...(await between(middle, until))];
  };
  const filter = new URLSearchParams({ ...query, limit: String(shown) });
  const { records } = await get(`/admin/v1/records?${filter}`);
  if (records.length < shown) return records;
  return await between(0, Date.now() + 1000);
}
