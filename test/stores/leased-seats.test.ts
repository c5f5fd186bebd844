import { beforeEach, expect, test } from 'vitest';
import type { LeasedLedger, LeasedLedgerOptions, RedisLedger } from '../../src/stores/index.ts';
import { rate, refusalOf, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const limit = 40;
const atOnce = rate({ unit: 'concurrent', limit, window_ms: 0 });

const house = ledgerHouse();
let remote: RedisLedger;
beforeEach(async () => {
  remote = await house.watcher();
});

const process = (over: Partial<LeasedLedgerOptions> = {}) =>
  house.process({ idle_ms: 0, slice_lease_ms: 60_000, ...over });

const call = (ledger: LeasedLedger, id: string, nusd = 0) =>
  ledger.reserve(request(id, { nusd }, { budgets: [], rates: [atOnce] }));
async function calls(ledger: LeasedLedger, name: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, at) => `${name}${at}`);
  for (const id of ids) expect((await call(ledger, id)).outcome).toBe('held');
  return ids;
}
const used = async () => (await remote.read('acme', [], [atOnce])).rates[0]!.used;
/** The leases of all slices that there are, are over for Redis. */
async function lapse(): Promise<void> {
  await house.lapse('acme');
  await remote.reap();
  expect(await used()).toBe(0);
}
const end = (ledger: LeasedLedger, ids: readonly string[]) => Promise.all(ids.map((id) => ledger.release(id, 'acme')));

test("a seat that comes free while more calls run than may is no new call's, wherever it comes free", async () => {
  const [here, there] = [await process(), await process({ ahead_ms: 0 })];
  const mine = await calls(here, 'a', 30);
  await lapse();
  const theirs = await calls(there, 'b', 40);
  // Those who were away go on, and everyone may know of it.
  await here.flush();
  expect(await used()).toBe(70);
  await end(here, mine.splice(0, 1));
  expect(refusalOf(await call(here, 'new')).kind).toBe('rate');
  await end(here, mine.splice(0, 1));
  expect((await call(here, 'new')).outcome).toBe('refused');
  await there.flush();
  await end(there, theirs.splice(0, 1));
  expect((await call(there, 'new')).outcome).toBe('refused');
  for (const one of [here, there]) await one.flush();
  expect(await used()).toBe(67);
  await end(here, mine);
  await end(there, theirs.splice(1));
  for (const one of [here, there]) await one.flush();
  expect(await used()).toBe(1);
  await calls(here, 'c', 20);
  await here.flush();
  await calls(there, 'd', 19);
  for (const one of [here, there]) expect((await call(one, 'over')).outcome).toBe('refused');
});

test('nor is one that comes free while a trade is under way', async () => {
  const [here, there] = [await process(), await process({ ahead_ms: 0 })];
  const mine = await calls(here, 'a', 30);
  await lapse();
  await calls(there, 'b', 40);
  await here.flush();
  const trade = here.flush();
  await end(here, mine.splice(0, 1));
  const outcomes = [call(here, 'new'), trade.then(() => call(here, 'newer'))];
  for (const one of await Promise.all(outcomes)) expect(one.outcome).toBe('refused');
});

test('a seat that nobody sits on goes back with the next report, once others who were away sit again', async () => {
  const here = await process({ ahead_ms: 0 });
  await calls(here, 'a', 38);
  await lapse();
  const there = await process({ report_ms: 50, idle_ms: 600_000, slice_lease_ms: 600_000 });
  await calls(there, 'b', 4);
  expect(await used()).toBeGreaterThan(4);
  await here.flush();
  await expect.poll(used).toBe(42);
  expect((await call(there, 'new')).outcome).toBe('refused');
});

test('seats of which nothing has changed are not written anew with each trade, and last for a lease from each', async () => {
  const here = await process({ ahead_ms: 0 });
  const client = house.server.client();
  const ends = async () => {
    const [, ...words] = await client.zrange('llm:{acme}:rate:team:research:concurrent', '0', '-1', 'WITHSCORES');
    return new Set(words.filter((_, at) => at % 2 === 0).map(Number));
  };
  await calls(here, 'a', 30);
  const first = await ends();
  for (const more of ['b', 'c']) {
    const asked_ms = Date.now();
    await calls(here, more, 1);
    expect(Math.min(...(await ends()))).toBeGreaterThanOrEqual(asked_ms + 60_000);
  }
  expect(await ends()).toEqual(first);
  expect(await used()).toBe(32);
});

test('a Redis that lost everything knows who sits before it admits others', async () => {
  const [here, there] = [await process(), await process()];
  const mine = await calls(here, 'a', 35);
  await calls(there, 'b', 1);
  await house.server.restart();
  const answers: string[] = [];
  await expect
    .poll(async () => {
      const [one, id] = [there, `new${answers.length}`];
      const { outcome } = await call(one, id).catch(() => ({ outcome: 'lost' }));
      if (outcome !== 'lost') answers.push(outcome);
      return answers.at(-1);
    })
    .toBe('refused');
  expect(answers.filter((one) => one === 'held')).toHaveLength(4);
  await here.flush();
  expect(await used()).toBe(40);
  await end(here, mine);
  await here.flush();
  expect(await used()).toBe(5);
});
