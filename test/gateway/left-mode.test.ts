import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Settings } from '../../src/config.ts';
import { openLedger } from '../../src/gateway/open-stores.ts';
import { openLog } from '../../src/observe/index.ts';
import { leaseFrom } from '../../src/stores/leased/open.ts';
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
  ['exact', 'leased', 'shares'],
  ['leased', 'exact', 'slices'],
] as const)(
  'what a gateway in %s mode could not tell is told when it starts in %s mode',
  async (before, after, name) => {
    const path = house.directory();
    const journal = join(path, name);
    const client = house.server.client();
    const connections = async () => String(await client.client('LIST')).split('\n').length;
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
    expect(existsSync(journal)).toBe(true);
    const both = await connections();
    const entries = async () => {
      const ids: string[] = [];
      for await (const { id } of watcher.entries('acme')) ids.push(id);
      return ids;
    };
    expect(await watcher.counters('acme')).toMatchObject([{ spent: 60, held: 30 }]);
    // Whose call it was that nobody ended is known, and nothing is held of it.
    await expect.poll(() => watcher.counters('acme'), { timeout: 5_000 }).toMatchObject([{ spent: 90, held: 0 }]);
    expect((await entries()).sort()).toEqual(['open', 'seen']);
    expect(await watcher.reconcile('acme', { repair: false })).toEqual([]);
    // There is nothing in the journal any more, and neither a connection that waits for more of it.
    await expect.poll(() => existsSync(journal)).toBe(false);
    await expect.poll(connections).toBe(both - 1);
    await second.close();

    await (await ledgerIn(before, path)).close();
    expect((await entries()).sort()).toEqual(['open', 'seen']);
  },
);

test('a journal of which not all was told is kept', async () => {
  const path = house.directory();
  const first = await ledgerIn('leased', path);
  expect((await first.reserve(request('open', { nusd: 30 }, { budgets: [shared], lease_ms: 600_000 }))).outcome).toBe(
    'held',
  );
  await first.close();
  const second = await ledgerIn('exact', path);
  await second.close();
  expect(existsSync(join(path, 'slices'))).toBe(true);
  const third = await ledgerIn('leased', path);
  await third.settle({ id: 'open', organization: 'acme', amount: { nusd: 20, tokens: 0 }, estimated: false });
  expect(await third.counters('acme')).toMatchObject([{ spent: 20, held: 0 }]);
});

test('a ledger that cannot close what is left closes its own connection', async () => {
  const remote = await house.watcher();
  const left = { close: () => Promise.reject(new Error('a full disk')) };
  const ledger = leaseFrom(remote, { url: house.server.url, path: house.directory() }, left);
  await expect(ledger.close()).rejects.toThrow('a full disk');
  await expect(remote.counters('acme')).rejects.toThrow('closed');
});
