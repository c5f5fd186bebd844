import { expect, test } from 'vitest';
import { rate, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { eventually } from '../support/wait.ts';

const house = ledgerHouse();
const rates = [rate({ unit: 'tokens', limit: 1_000, window_ms: 3_600_000 })];

test.each([true, false])(
  'what was taken ahead of a rate is no call of it any more when Redis has lost data: %s',
  async (isLost) => {
    const watch = await house.watcher();
    const here = await house.process({ ahead_ms: 500 });
    const spend = async (id: string) => {
      expect((await here.reserve(request(id, { tokens: 10 }, { budgets: [], rates }))).outcome).toBe('held');
      await here.settle({ id, organization: 'acme', amount: { nusd: 0, tokens: 10 }, estimated: false });
    };
    const used = async () => (await watch.read('acme', [], rates)).rates[0]?.used;
    await spend('a');
    const client = house.server.client();
    if (isLost) await client.flushall();
    else await client.del(await client.keys('*:epoch:*'));
    await eventually(() => here.flush().then(() => true));
    for (const id of ['b', 'c', 'd']) await spend(id);
    await here.close();
    expect(await used()).toBe(isLost ? 30 : 40);
  },
);
