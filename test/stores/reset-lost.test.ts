import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Ledger, LedgerUnavailable, type RedisLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { wayTo } from '../support/redis-way.ts';
import { eventually } from '../support/wait.ts';

const organization = 'acme';
const budgets = [
  budget({ window: 'total', limit: 1_000_000 }),
  budget({ window: 'total', unit: 'tokens', limit: 1_000_000 }),
  budget({ window: 'total', unit: 'requests', limit: 1_000_000 }),
  budget({ window: 'rolling', rolling_ms: 86_400_000, limit: 1_000_000 }),
];
const aside = budget({ window: 'total', scope: { kind: 'team', id: 'aside' } });
const keys = ['total', 'total:tokens', 'total:requests', 'rolling:86400s'].map((one) => `budget:team:research:${one}`);

const house = ledgerHouse();
const quiet = { deadline_ms: 10_000, reap_interval_ms: 0, lease_ms: 200 };
const kinds = {
  redis: (owner: string) => house.watcher({ ...quiet, owner }),
  leased: (owner: string) => house.process({ ...quiet, owner, ahead_ms: 0 }),
};
type Kind = keyof typeof kinds;
type Process = Ledger & { reap(): Promise<number> };

async function hold(ledger: Process, id: string, nusd: number, lease_ms = 60_000): Promise<void> {
  const asked = { ...request(id, { nusd, tokens: nusd * 10 }, { budgets }), lease_ms };
  expect((await ledger.reserve(asked)).outcome).toBe('held');
}
const settle = (ledger: Process, id: string, nusd: number) =>
  ledger.settle({ id, organization, amount: { nusd, tokens: nusd * 10 }, estimated: false });
async function spend(ledger: Process, id: string, nusd: number): Promise<void> {
  await hold(ledger, id, nusd);
  await settle(ledger, id, nusd);
  await ledger.reap();
  await sleep(2);
}
async function reset(ledger: Process): Promise<void> {
  for (const key of keys) expect(await ledger.reset(organization, key)).toBe(true);
  await sleep(2);
}
const come = (ledger: Process) => eventually(() => ledger.reap().then(() => true));
const loseAll = () => house.server.client().flushall();

/** What Redis says of each budget. */
async function spent(): Promise<number[]> {
  const all = new Map((await watch.counters(organization)).map((one) => [one.key, one.spent]));
  return keys.map((key) => all.get(key) ?? 0);
}
const sums = (nusd: number, calls: number) => [nusd, nusd * 10, calls, nusd];
const sound = async () => expect(await watch.reconcile(organization, { repair: false })).toEqual([]);
let watch: RedisLedger;
beforeEach(async () => {
  watch = await house.watcher();
});

describe.each(Object.keys(kinds) as Kind[])('%s: a counter that people set to zero', (kind) => {
  const open = async (): Promise<[Process, Process]> => {
    const both: [Process, Process] = [await kinds[kind]('here'), await kinds[kind]('there')];
    // They know each other, and that there is such an organisation.
    for (const [at, one] of both.entries()) {
      await one.reserve(request(`aside-${at}`, { nusd: 1 }, { budgets: [aside] }));
      await one.release(`aside-${at}`, organization);
      await one.reap();
    }
    return both;
  };
  const places = [
    ['where it was spent', 0],
    ['where nobody called on it', 1],
  ] as const;

  test.each(places)('%s: stays at zero when Redis loses everything, and what was spent since counts', async (_, at) => {
    const both = await open();
    await spend(both[0], 'a', 300);
    await reset(both[at]);
    for (const [nusd, calls] of [
      [0, 0],
      [20, 1],
    ] as const) {
      if (calls > 0) await spend(both[0], 'b', nusd);
      expect(await spent()).toEqual(sums(nusd, calls));
      await loseAll();
      await Promise.all(both.map(come));
      expect(await spent()).toEqual(sums(nusd, calls));
      await sound();
    }
  });

  test('is at zero again when the one comes late who set it to zero, and what others spent since counts', async () => {
    const [here, there] = await open();
    await spend(here, 'a', 300);
    await reset(there);
    await loseAll();
    await come(here);
    await spend(here, 'b', 20);
    await come(there);
    await expect.poll(async () => (await spent())[0]).toBe(20);
    await sound();
    await spend(there, 'c', 7);
    expect((await spent())[0]).toBe(27);
    await sound();
  });

  test('stays at zero when the one comes late who spent before', async () => {
    const [here, there] = await open();
    await spend(here, 'a', 300);
    await reset(there);
    await loseAll();
    await come(there);
    await spend(there, 'b', 20);
    await come(here);
    await expect.poll(async () => (await spent())[0]).toBe(20);
    await sound();
    await spend(here, 'c', 7);
    expect((await spent())[0]).toBe(27);
    await sound();
  });

  test('is not set to zero once more by one that tells it to a Redis that knows', async () => {
    const [here, there] = await open();
    await spend(here, 'a', 300);
    await reset(there);
    await spend(here, 'b', 20);
    const client = house.server.client();
    await client.del(await client.keys('*:epoch:*'));
    await Promise.all([come(here), come(there)]);
    expect(await spent()).toEqual(sums(20, 1));
    await sound();
  });

  test('holds what is held, and counts what that costs', async () => {
    const [here, there] = await open();
    await hold(here, 'open', 50);
    await spend(here, 'a', 300);
    await reset(there);
    await loseAll();
    await Promise.all([come(here), come(there)]);
    await settle(here, 'open', 40);
    await here.reap();
    expect((await spent())[0]).toBe(40);
    await sound();
  });

  test('counts of an estimate of before what the call cost beyond it', async () => {
    const [here, there] = await open();
    await hold(here, 'slow', 300, 1);
    await sleep(5);
    expect((await here.reap()) + (await there.reap())).toBe(1);
    await reset(there);
    await loseAll();
    await Promise.all([come(here), come(there)]);
    expect((await spent())[0]).toBe(0);
    await settle(here, 'slow', 310);
    await here.reap();
    expect((await spent())[0]).toBe(10);
    await sound();
  });
});

test('what people set to zero after Redis had lost everything stays at zero when those come late who spent before', async () => {
  const open = ['here', 'there', 'third'].map((owner) => kinds.redis(owner));
  const [here, there, third] = (await Promise.all(open)) as [RedisLedger, RedisLedger, RedisLedger];
  await spend(there, 'a', 300);
  await spend(third, 'b', 400);
  await spend(here, 'c', 1);
  await loseAll();
  await come(here);
  await reset(here);
  await spend(here, 'd', 20);
  for (const late of [there, third]) {
    await come(late);
    expect((await spent())[0]).toBe(20);
    await sound();
  }
  await spend(third, 'e', 7);
  expect((await spent())[0]).toBe(27);
  await sound();
});

test.each(['after', 'before'] as const)(
  'one whose answer never came is remembered where Redis did it: %s others spent',
  async (order) => {
    const way = await wayTo(house.server.url);
    house.keep({ close: async () => way.close() });
    const here = await house.watcher({ ...quiet, owner: 'here', url: way.url });
    const there = await kinds.redis('there');
    await spend(here, 'a', 300);
    await spend(there, 'b', 5);
    await come(here);
    way.muteAfter('[[7,');
    const [key = ''] = keys;
    const unheard = here.reset(organization, key).catch((error: Error) => error);
    await expect.poll(async () => (await spent())[0]).toBe(0);
    if (order === 'after') await spend(there, 'c', 20);
    way.shut();
    expect(await unheard).toBeInstanceOf(LedgerUnavailable);
    way.open();
    await come(here);
    if (order === 'before') await spend(there, 'c', 20);
    await loseAll();
    await Promise.all([here, there].map(come));
    expect((await spent())[0]).toBe(20);
    await sound();
  },
);

test('one that Redis never did is not remembered', async () => {
  const way = await wayTo(house.server.url);
  house.keep({ close: async () => way.close() });
  const here = await house.watcher({ ...quiet, owner: 'here', url: way.url });
  const [key = ''] = keys;
  await spend(here, 'a', 300);
  await here.reset(organization, key);
  await spend(here, 'b', 20);
  way.holdAfter('hget');
  const unheard = here.reset(organization, key).catch((error: Error) => error);
  await expect.poll(() => way.held).toBe(true);
  way.shut();
  expect(await unheard).toBeInstanceOf(LedgerUnavailable);
  way.open();
  await come(here);
  await loseAll();
  await come(here);
  expect((await spent())[0]).toBe(20);
  await sound();
});
