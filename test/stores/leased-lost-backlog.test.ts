import { expect, test } from 'vitest';
import type { LeasedLedger } from '../../src/stores/index.ts';
import { LedgerUnavailable } from '../../src/stores/index.ts';
import { leaseFrom } from '../../src/stores/leased/open.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const total = budget({ window: 'total', limit: 100_000 });
const quiet = { lease_ms: 1_000, ahead_ms: 0 };

const house = ledgerHouse();
const settle = (ledger: LeasedLedger, id: string, nusd: number) =>
  ledger.settle({ id, organization: 'acme', amount: { nusd, tokens: 0 }, estimated: false });

/** A process of which Redis hears as many trades as are let through, and answers them or not. */
async function cutOff() {
  const remote = await house.watcher({ ...quiet, owner: 'cut-off' });
  const { slices } = remote;
  const trade = slices.trade.bind(slices);
  let [left, answers] = [Number.POSITIVE_INFINITY, true];
  slices.trade = async (...args) => {
    if (left-- <= 0) throw new LedgerUnavailable('cut off');
    const answer = await trade(...args);
    if (!answers) throw new LedgerUnavailable('not answered');
    return answer;
  };
  const ledger = house.keep(
    leaseFrom(remote, { ...quiet, url: house.server.url, path: house.directory(), report_ms: 0, reap_interval_ms: 0 }),
  );
  return {
    ledger,
    through(count: number, answered = true) {
      [left, answers] = [count, answered];
    },
  };
}

/** One that settles batches of calls of which nobody is told, and another that hears of the counter. */
async function backlog(batches: readonly number[]) {
  const there = await house.process(quiet);
  const { ledger: here, through } = await cutOff();
  const calls = batches.reduce((sum, count) => sum + count, 0);
  const held = Array.from({ length: calls }, (_, at) =>
    here.reserve(request(`call-${at}`, { nusd: 10 }, { budgets: [total] })),
  );
  for (const { outcome } of await Promise.all(held)) expect(outcome).toBe('held');
  const fails = () => expect(here.flush()).rejects.toThrow(LedgerUnavailable);
  through(0);
  let at = 0;
  for (const count of batches) {
    for (const end = at + count; at < end; at++) await settle(here, `call-${at}`, 10);
    // What comes later is told by itself.
    await fails();
  }
  const [one] = (await there.read('acme', [total], [])).budgets;
  expect(one).toMatchObject({ spent: 0, held: calls * 10 });
  return {
    /** So many parts of it are told, and no more. */
    async tell(parts: number, answered = true) {
      through(parts, answered);
      await fails();
    },
    async hear(nusd: number) {
      await there.reserve(request(`other-${nusd}`, { nusd }, { budgets: [total] }));
      await settle(there, `other-${nusd}`, nusd);
      await there.reap();
    },
    async lose(others: number) {
      await house.server.client().flushall();
      through(Number.POSITIVE_INFINITY);
      const told = () => Promise.all([here.reap(), there.reap()]).catch(() => undefined);
      for (let times = 0; times < 2; times++) await expect.poll(told).toBeDefined();
      const [state] = (await there.read('acme', [total], [])).budgets;
      expect(state).toMatchObject({ spent: calls * 10 + others, held: 0 });
      expect(await there.reconcile('acme', { repair: false })).toEqual([]);
    },
  };
}

test.each([
  ['answered at once', [true]],
  ['answered when it was told again', [false, true]],
])(
  'what a Redis was told after an outage counts when it loses everything before it has been told the rest: %s',
  async (_, answers) => {
    const { tell, hear, lose } = await backlog([1_100]);
    await hear(7);
    for (const answered of answers) await tell(1, answered);
    await lose(7);
  },
);

test('and once, where others heard of a part of it before the next one was told', async () => {
  const { tell, hear, lose } = await backlog([600, 1_200]);
  await tell(1);
  await hear(7);
  await tell(1);
  await lose(7);
});
