import { beforeEach, expect, test } from 'vitest';
import type { LeasedLedger, Rate, RedisLedger } from '../../src/stores/index.ts';
import { rate, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const hour = rate({ limit: 100, window_ms: 3_600_000 });
const atOnce = rate({ unit: 'concurrent', limit: 10, window_ms: 0 });

const house = ledgerHouse();
let remote: RedisLedger;
beforeEach(async () => {
  remote = await house.watcher();
});

const call = async (ledger: LeasedLedger, id: string, ...rates: readonly Rate[]) =>
  (await ledger.reserve(request(id, { tokens: 10 }, { budgets: [], rates }))).outcome;
const used = async (...rates: readonly Rate[]) => (await remote.read('acme', [], rates)).rates.map((one) => one.used);

test('seats that nobody sits on go to a process that starves, though calls come all the time', async () => {
  const [busy, starving] = [await house.process({ report_ms: 20, idle_ms: 600_000 }), await house.process()];
  const ids = Array.from({ length: 8 }, (_, at) => `a${at}`);
  for (const id of ids) expect(await call(busy, id, atOnce)).toBe('held');
  for (const id of ids) await busy.release(id, 'acme');
  expect((await used(atOnce))[0]).toBeGreaterThanOrEqual(8);
  let held = 0;
  const starve = async () => {
    if ((await call(starving, `b${held}`, atOnce)) === 'held') held++;
    // It goes on with one call at a time.
    const id = `busy${held}`;
    if ((await call(busy, id, atOnce)) === 'held') await busy.release(id, 'acme');
    return held;
  };
  await expect.poll(starve).toBe(10);
});

test('who starved for something is forgotten when that is over, however many there were', async () => {
  const ledger = await house.process();
  const client = house.server.client();
  const wanted = 'llm:{acme}:wanted';
  await client.hset(wanted, 'budget:team:old:total', 'somebody 1', 'budget:team:new:total', 'somebody 9000000000000');
  expect(await call(ledger, 'a', hour)).toBe('held');
  expect(await client.hkeys(wanted)).toEqual(['budget:team:new:total']);
});
