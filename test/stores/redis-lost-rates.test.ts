import { expect, test } from 'vitest';
import { rate, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { eventually } from '../support/wait.ts';

const house = ledgerHouse();
const organization = 'acme';
const rates = [rate({ unit: 'tokens', limit: 1_000, window_ms: 3_600_000 })];

test('a call that grew counts in a window as far as it grew, where the replica that became the primary had not heard of it', async () => {
  const ledger = await house.watcher();
  const client = house.server.client();
  await ledger.reserve(request('a', { tokens: 10 }, { budgets: [], rates }));
  const copy: [string, Buffer, number][] = [];
  for (const key of await client.keys('*')) {
    const bytes = await client.dumpBuffer(key);
    if (bytes !== null) copy.push([key, bytes, Math.max(0, await client.pttl(key))]);
  }
  const amended = { id: 'a', organization, amount: { nusd: 0, tokens: 100 }, lease_ms: 60_000, budgets: [], rates };
  expect((await ledger.amend(amended)).outcome).toBe('held');
  await client.flushall();
  for (const [key, bytes, ttl_ms] of copy) await client.restore(key, ttl_ms, bytes);
  for (const key of await client.keys('*:epoch:*')) await client.del(key);
  await eventually(() => ledger.release('nothing', organization).then(() => true));
  const used = async () => (await ledger.read(organization, [], rates)).rates[0]?.used;
  expect(await used()).toBe(100);
  await ledger.settle({ id: 'a', organization, amount: { nusd: 0, tokens: 90 }, estimated: false });
  expect(await used()).toBe(90);
});
