import { expect, test } from 'vitest';
import type { Settings } from '../../src/config.ts';
import { openLedger } from '../../src/gateway/open-stores.ts';
import { openLog } from '../../src/observe/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const house = ledgerHouse();
const shared = budget({ window: 'total', onLoss: 'local_share' });

/** A gateway's ledger in one of its modes, on one disk. */
async function ledgerIn(mode: 'exact' | 'leased', path: string) {
  const secret = { empty: false, reveal: () => house.server.url };
  const state = { driver: 'redis', mode, path, url: secret, key_prefix: 'llm', deadline_ms: 500, lease_ms: 2_000 };
  const settings = { state: { ...state, on_loss: 'closed', fsync: 'group' } } as unknown as Settings;
  return house.keep(await openLedger(settings, `gateway-${mode}`, openLog({ level: 'silent' })));
}

test.each([
  ['exact', 'leased'],
  ['leased', 'exact'],
] as const)('what a gateway in %s mode could not tell is told when it starts in %s mode', async (before, after) => {
  const path = house.directory();
  const first = await ledgerIn(before, path);
  const reserve = (id: string, nusd: number) =>
    first.reserve(request(id, { nusd, tokens: nusd }, { budgets: [shared], lease_ms: 1_000 }));
  const settle = { organization: 'acme', amount: { nusd: 60, tokens: 60 }, estimated: false };
  await reserve('seen', 100);
  // Sees how the budget stands.
  if (before === 'exact') await first.release('seen', 'acme');
  house.server.freeze();
  if (before === 'exact') expect((await reserve('seen', 100)).outcome).toBe('held');
  expect((await reserve('open', 30)).outcome).toBe('held');
  expect((await first.settle({ ...settle, id: 'seen' })).outcome).toBe('settled');
  await first.close();
  house.server.thaw();

  const second = await ledgerIn(after, path);
  const watcher = await house.watcher();
  expect(await watcher.counters('acme')).toMatchObject([{ spent: 60, held: 30 }]);
  // Whose call it was that nobody ended is known, and nothing is held of it.
  await expect.poll(() => watcher.counters('acme'), { timeout: 5_000 }).toMatchObject([{ spent: 90, held: 0 }]);
  const ids: string[] = [];
  for await (const { id } of watcher.entries('acme')) ids.push(id);
  expect(ids.sort()).toEqual(['open', 'seen']);
  expect(await watcher.reconcile('acme', { repair: false })).toEqual([]);
  await second.close();
});
