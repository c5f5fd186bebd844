import { expect, test } from 'vitest';
import { rate, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { eventually } from '../support/wait.ts';

const house = ledgerHouse();
const rates = [rate({ unit: 'tokens', limit: 1_000, window_ms: 3_600_000 })];
const key = (client: { keys: (pattern: string) => Promise<string[]> }, of: string) => client.keys(`*${of}*`);

/** A gateway that has taken some of a rate ahead, and the rate as somebody else reads it. */
async function ahead() {
  const watch = await house.watcher();
  const here = await house.process({ ahead_ms: 500 });
  const spend = async (id: string) => {
    expect((await here.reserve(request(id, { tokens: 10 }, { budgets: [], rates }))).outcome).toBe('held');
    await here.settle({ id, organization: 'acme', amount: { nusd: 0, tokens: 10 }, estimated: false });
  };
  const used = async () => (await watch.read('acme', [], rates)).rates[0]?.used;
  await spend('a');
  return { here, spend, used, client: house.server.client() };
}

test('what was taken ahead of a rate is for no call any more when Redis has lost it', async () => {
  const { here, spend, used, client } = await ahead();
  await client.flushall();
  await eventually(() => here.flush().then(() => true));
  for (const id of ['b', 'c', 'd']) await spend(id);
  await here.close();
  expect(await used()).toBe(30);
});

test('and takes nothing from what others used, who are counted in that slot alone', async () => {
  const { here, used, client } = await ahead();
  const [window = ''] = await key(client, 'rate:');
  const slots = Object.keys(await client.hgetall(window)).filter((field) => /^\d+$/.test(field));
  // As a replica has it that heard of another gateway's use of this slot, and not of what was taken here.
  for (const field of ['used', ...slots]) await client.hset(window, field, 500);
  await client.del(await key(client, ':epoch:'));
  await eventually(() => here.flush().then(() => true));
  await here.close();
  expect(await used()).toBeGreaterThanOrEqual(500);
});
