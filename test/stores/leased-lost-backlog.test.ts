import { expect, test } from 'vitest';
import type { LeasedLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { wayTo } from '../support/redis-way.ts';

const total = budget({ window: 'total', limit: 100_000 });
const house = ledgerHouse();

/** More than one trade tells. */
const calls = 1_100;
const settle = (ledger: LeasedLedger, id: string, nusd: number) =>
  ledger.settle({ id, organization: 'acme', amount: { nusd, tokens: 0 }, estimated: false });

test('what a Redis was told after an outage counts when it loses everything before it has been told the rest', async () => {
  const quiet = { lease_ms: 1_000, ahead_ms: 0 };
  const way = await wayTo(house.server.url);
  try {
    const there = await house.process(quiet);
    const here = await house.process({ ...quiet, url: way.url });
    const held = Array.from({ length: calls }, (_, at) =>
      here.reserve(request(`call-${at}`, { nusd: 10 }, { budgets: [total] })),
    );
    for (const { outcome } of await Promise.all(held)) expect(outcome).toBe('held');
    await here.reap();
    way.shut();
    for (let at = 0; at < calls; at++) await settle(here, `call-${at}`, 10);
    // Told a newer sum of the counter, of which they are no part.
    await there.reserve(request('other', { nusd: 7 }, { budgets: [total] }));
    await settle(there, 'other', 7);
    await there.reap();
    way.open();
    way.holdAfter('"s","call-');
    const last = () =>
      here.flush().then(
        () => way.held,
        () => way.held,
      );
    await expect.poll(last).toBe(true);
    way.shut();
    await house.server.client().flushall();
    way.open();
    const told = () => Promise.all([here.reap(), there.reap()]).catch(() => undefined);
    await expect.poll(told).toBeDefined();
    await expect.poll(told).toBeDefined();
    const [state] = (await there.read('acme', [total], [])).budgets;
    expect(state).toMatchObject({ spent: calls * 10 + 7, held: 0 });
    expect(await there.reconcile('acme', { repair: false })).toEqual([]);
  } finally {
    way.close();
  }
});
