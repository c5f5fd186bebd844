import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Ledger, RedisLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { eventually } from '../support/wait.ts';

/** How long those are waited for that do not come when Redis has lost everything. */
const lease_ms = 200;
const organization = 'acme';
const total = budget({ window: 'total', limit: 1_000_000 });
const rolling = budget({ window: 'rolling', rolling_ms: 86_400_000, limit: 1_000_000 });
const limits = { budgets: [total, rolling], rates: [] };

const house = ledgerHouse();
let remote: RedisLedger;
beforeEach(async () => {
  remote = await house.watcher({ lease_ms });
});

/** Each does by itself nothing: who is away is one that is not asked for anything. */
const quiet = { deadline_ms: 10_000, reap_interval_ms: 0, lease_ms };
const kinds = {
  redis: (at: number) => house.watcher({ ...quiet, owner: `gateway-${at}` }),
  leased: () => house.process({ ...quiet, ahead_ms: 0 }),
};
type Kind = keyof typeof kinds;
type Process = Ledger & { reap(): Promise<number>; close(): Promise<void> };

let calls = 0;
async function call(ledger: Process, nusd: number, lease?: number): Promise<string> {
  const id = `call-${calls++}`;
  const asked = { ...request(id, { nusd, tokens: 0 }, limits), ...(lease === undefined ? {} : { lease_ms: lease }) };
  expect((await ledger.reserve(asked)).outcome).toBe('held');
  return id;
}
const settle = (ledger: Process, id: string, nusd: number) =>
  ledger.settle({ id, organization, amount: { nusd, tokens: 0 }, estimated: false });

async function spend(ledger: Process, nusd: number): Promise<void> {
  await settle(ledger, await call(ledger, nusd), nusd);
  await ledger.reap();
  // Of sums that were told at one time the larger counts.
  await sleep(2);
}

async function loseAll(): Promise<void> {
  await house.server.client().flushall();
}

/** It comes, and waits for those it knows. */
const come = (ledger: Process) =>
  eventually(() =>
    ledger.reap().then(
      () => true,
      () => false,
    ),
  );

async function spent(): Promise<number[]> {
  const { budgets } = await remote.read(organization, limits.budgets, []);
  return budgets.map((one) => one.spent);
}
const sound = async () => expect(await remote.reconcile(organization, { repair: false })).toEqual([]);

describe.each(Object.keys(kinds) as Kind[])('%s: Redis has lost everything, and was opened without one', (kind) => {
  const open = async (): Promise<[Process, Process]> => [await kinds[kind](1), await kinds[kind](2)];

  test('that nobody knew of: what it spent counts beside what was spent since', async () => {
    const [here, there] = await open();
    await spend(here, 400);
    await spend(there, 300);
    await loseAll();
    await come(here);
    await spend(here, 20);
    expect(await spent()).toEqual([420, 420]);
    await come(there);
    await expect.poll(spent).toEqual([720, 720]);
    await spend(here, 5);
    await spend(there, 7);
    expect(await spent()).toEqual([732, 732]);
    await sound();
  });

  test('whose calls others had heard of: they count once', async () => {
    const [here, there] = await open();
    await spend(there, 300);
    await spend(here, 400);
    await loseAll();
    await come(here);
    await spend(here, 20);
    await come(there);
    await there.reap();
    expect((await spent())[0]).toBe(720);
    await sound();
  });

  test('that was waited for, and comes in vain twice', async () => {
    const [here, there] = await open();
    await spend(there, 300);
    await spend(here, 400);
    await spend(there, 50);
    await loseAll();
    await come(here);
    await come(there);
    await spend(there, 1);
    await come(here);
    expect((await spent())[0]).toBe(751);
    await sound();
  });
});

test('leased: an estimate of one that comes late is taken back where its call ends', async () => {
  const [here, there] = [await kinds.leased(), await kinds.leased()];
  await spend(here, 400);
  const id = await call(there, 300, 1);
  await sleep(5);
  expect(await there.reap()).toBe(1);
  await loseAll();
  await come(here);
  await spend(here, 20);
  await come(there);
  expect(await spent()).toEqual([720, 720]);
  await settle(there, id, 100);
  await there.reap();
  expect(await spent()).toEqual([520, 520]);
  await sound();
});

test.each(Object.keys(kinds) as Kind[])(
  '%s: whoever comes late, every amount counts once',
  { timeout: 120_000 },
  async (kind) => {
    const at = fc.nat(2);
    const cost = fc.integer({ min: 1, max: 500 });
    const some = fc.array(fc.record({ at, cost }), { maxLength: 8 });
    const rounds = fc.record({ before: some, away: fc.subarray([0, 1, 2], { maxLength: 2 }), since: some, order: at });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(rounds, async ({ before, away, since, order }) => {
        await loseAll();
        run++;
        const all: Process[] = [];
        for (const place of [0, 1, 2]) all.push(await kinds[kind](run * 3 + place));
        let sum = 0;
        for (const one of before) {
          await spend(all[one.at]!, one.cost);
          sum += one.cost;
        }
        await loseAll();
        await Promise.all(all.map((one, place) => (away.includes(place) ? undefined : come(one))));
        for (const one of since) {
          if (away.includes(one.at)) continue;
          await spend(all[one.at]!, one.cost);
          sum += one.cost;
        }
        const late = [...away, ...away].slice(order % 2, (order % 2) + away.length);
        for (const place of late) {
          await come(all[place]!);
          await spend(all[place]!, 1);
          sum += 1;
        }
        for (const one of all) await come(one);
        expect((await spent())[0]).toBe(sum);
        await sound();
        for (const one of all) await one.close();
      }),
      { numRuns: 30 },
    );
  },
);
