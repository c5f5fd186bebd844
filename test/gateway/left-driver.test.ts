import { expect, test } from 'vitest';
import type { Settings } from '../../src/config.ts';
import { openLedger } from '../../src/gateway/open-stores.ts';
import { openLog } from '../../src/observe/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const house = ledgerHouse();
const total = budget({ window: 'total' });

function settingsOf(path: string, over: object): Settings {
  const url = { empty: false, reveal: () => house.server.url };
  const state = { mode: 'exact', path, url, key_prefix: 'llm', deadline_ms: 500, lease_ms: 2_000, on_loss: 'closed' };
  return { state: { ...state, fsync: 'group', ...over } } as unknown as Settings;
}

/** What an embedded ledger on that directory says at its start. */
async function warned(path: string, reader = false) {
  const lines: string[] = [];
  const log = openLog({ level: 'warn', destination: { write: (line: string) => lines.push(line) } });
  await house.keep(await openLedger(settingsOf(path, { driver: 'embedded' }), 'embedded', log, { reader })).close();
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test.each([
  ['exact', 'ledger-outbox', 1, 60],
  ['leased', 'slices', 2, 90],
] as const)(
  'a gateway that goes from Redis in %s mode to the embedded ledger says what was never told',
  async (mode, name, count, nusd) => {
    const path = house.directory();
    const log = openLog({ level: 'silent' });
    const first = house.keep(await openLedger(settingsOf(path, { driver: 'redis', mode }), 'before', log));
    const reserve = (id: string, nusd: number) => first.reserve(request(id, { nusd }, { budgets: [total] }));
    expect((await reserve('told', 10)).outcome).toBe('held');
    await first.settle({ id: 'told', organization: 'acme', amount: { nusd: 10, tokens: 0 }, estimated: false });
    expect((await reserve('seen', 100)).outcome).toBe('held');
    expect((await reserve('open', 30)).outcome).toBe('held');
    // Told.
    await first.counters('acme');
    house.server.freeze();
    await first
      .settle({ id: 'seen', organization: 'acme', amount: { nusd: 60, tokens: 0 }, estimated: false })
      .catch(() => {});
    await first.close();

    const [warning, ...more] = await warned(path);
    expect(warning).toMatchObject({ level: 'warn', file: `${path}/${name}`, count, cost_nusd: nusd });
    expect(warning?.msg).toContain('never told');
    expect(more).toEqual([]);
    expect(await warned(path, true)).toEqual([]);

    house.server.thaw();
    const last = house.keep(await openLedger(settingsOf(path, { driver: 'redis', mode }), 'after', log));
    await last.release('open', 'acme');
    await expect.poll(async () => (await last.counters('acme'))[0]?.spent).toBe(70);
    await last.close();
    expect(await warned(path)).toEqual([]);
  },
);
