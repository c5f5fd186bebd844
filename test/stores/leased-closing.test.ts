import { expect, test } from 'vitest';
import { budget, rate, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const house = ledgerHouse();
const budgets = [budget({ window: 'total', limit: 1_000_000 })];
const rates = [rate({ unit: 'tokens', limit: 1_000_000, window_ms: 3_600_000 })];
const settle = (id: string) => ({ id, organization: 'acme', amount: { nusd: 10, tokens: 10 }, estimated: false });

test('a process that is closed takes nothing ahead any more, also not with what it tells last', async () => {
  const watch = await house.watcher();
  const here = await house.process({ ahead_ms: 500, report_ms: 0 });
  for (const round of ['a', 'b']) {
    for (let at = 0; at < 8; at++) {
      const asked = request(`${round}${at}`, { nusd: 10, tokens: 10 }, { budgets, rates });
      expect((await here.reserve(asked)).outcome).toBe('held');
      await here.settle(settle(`${round}${at}`));
    }
    if (round === 'a') await here.flush();
  }
  await here.close();
  expect(await watch.counters('acme')).toMatchObject([{ spent: 160, held: 0 }]);
  expect(await watch.read('acme', budgets, rates)).toMatchObject({ rates: [{ used: 160 }] });
});

test('nor what a trade that is under way takes', async () => {
  const watch = await house.watcher();
  const here = await house.process({ ahead_ms: 500, report_ms: 0 });
  const first = here.reserve(request('a', { nusd: 10, tokens: 10 }, { budgets, rates }));
  await new Promise((resolve) => setTimeout(resolve, 0));
  const closing = here.close();
  expect((await first).outcome).toBe('held');
  await closing;
  expect(await watch.counters('acme')).toMatchObject([{ spent: 0, held: 10 }]);
  expect(await watch.read('acme', budgets, rates)).toMatchObject({ rates: [{ used: 10 }] });
});
