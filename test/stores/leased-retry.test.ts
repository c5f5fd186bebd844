import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { rate, refusalOf, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const house = ledgerHouse();
const rates = [rate({ unit: 'tokens', limit: 55, window_ms: 60_000 })];

test('a call is told when there is room for it, though others took what was free while more was asked for', async () => {
  const here = await house.process({ ahead_ms: 500 });
  const reserve = (id: string, tokens: number) => here.reserve(request(id, { tokens }, { budgets: [], rates }));
  // Nothing of this may be parted by a slot's end.
  await sleep(1_000 - (Date.now() % 1_000));
  const slot = Math.floor(Date.now() / 1_000) - 58;
  const figures = { used: 40, head: slot, last: slot, [slot % 61]: 40 };
  await house.server.client().hset('llm:{acme}:rate:team:research:tokens:60000', figures);
  await reserve('a', 10);
  await here.settle({ id: 'a', organization: 'acme', amount: { nusd: 0, tokens: 5 }, estimated: false });
  house.server.freeze();
  const late = reserve('late', 10);
  await sleep(20);
  expect((await reserve('quick', 5)).outcome).toBe('held');
  house.server.thaw();
  const { kind, ...told } = refusalOf(await late);
  expect({ kind, ...told }).toMatchObject({ kind: 'rate', used: 50 });
  expect('retry_after_ms' in told && told.retry_after_ms).toBeLessThanOrEqual(3_000);
});
