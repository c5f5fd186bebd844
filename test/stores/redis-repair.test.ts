import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { Line } from '../../src/stores/redis/line.ts';
import { reconcile } from '../../src/stores/redis/reconcile.ts';
import { scripts } from '../../src/stores/redis/scripts.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { eventually } from '../support/wait.ts';

const organization = 'acme';
const total = budget({ window: 'total', limit: 1_000 });
const rolling = budget({ window: 'rolling', rolling_ms: 86_400_000, limit: 1_000 });
const [key, rolls] = ['budget:team:research:total', 'budget:team:research:rolling:86400s'];

const house = ledgerHouse();

/** A ledger on which 300 was spent and 50 are held, and whose counter says something else. */
async function drifted(spent: number, held = 0) {
  const ledger = await house.watcher({ lease_ms: 200 });
  for (const [id, nusd] of [
    ['a', 300],
    ['open', 50],
  ] as const) {
    await ledger.reserve(request(id, { nusd }, { budgets: [total, rolling] }));
  }
  await ledger.settle({ id: 'a', organization, amount: { nusd: 300, tokens: 0 }, estimated: false });
  const client = house.server.client();
  await client.hincrby(`llm:{acme}:${key}`, 'spent', spent);
  await client.hincrby(`llm:{acme}:${key}`, 'held', held);
  const slot = await client.hget(`llm:{acme}:${rolls}`, 'head');
  await client.hset(`llm:{acme}:${rolls}`, 'spent', 300 + spent, String(Number(slot) % 61), `${300 + spent} 1 0`);
  return ledger;
}

/** Repairs, and what is done between looking and writing comes first. */
async function repair(meanwhile: () => Promise<unknown>) {
  const redis = new Redis(house.server.url);
  const line = new Line(redis, { deadline_ms: 5_000, onState: () => {} });
  let did: Promise<unknown> | undefined;
  const slow = {
    run: async (...asked: Parameters<Line['run']>) => {
      if (asked[0] === scripts.repair) {
        did ??= meanwhile();
        await did;
      }
      return line.run(...asked);
    },
    call: (...asked: Parameters<Line['call']>) => line.call(...asked),
  } as unknown as Line;
  try {
    return await reconcile({ line: slow, prefix: 'llm:', entries_max: 1_000 }, organization, true);
  } finally {
    line.close();
  }
}

test.each([120, -120])('two that repair at once put a counter right once, that is wrong by %i', async (wrong) => {
  const ledger = await drifted(wrong, 40);
  const both = [];
  both.push(await repair(async () => both.push(await ledger.reconcile(organization, { repair: true }))));
  for (const found of both.filter(Array.isArray)) expect(found).toHaveLength(3);
  expect(await ledger.reconcile(organization, { repair: false })).toEqual([]);
  const { budgets } = await ledger.read(organization, [total, rolling], []);
  expect(budgets.map(({ spent, held }) => [spent, held])).toEqual([
    [300, 50],
    [300, 50],
  ]);
});

test('what people set to zero while it is repaired stays at zero', async () => {
  const ledger = await drifted(-120);
  await repair(async () => {
    for (const one of [key, rolls]) await ledger.reset(organization, one);
  });
  expect(await ledger.reconcile(organization, { repair: false })).toEqual([]);
  const { budgets } = await ledger.read(organization, [total, rolling], []);
  expect(budgets.map(({ spent, held }) => [spent, held])).toEqual([
    [0, 50],
    [0, 50],
  ]);
});

test('what is repaired of one Redis is not written to another that came in its place', async () => {
  const ledger = await drifted(-120);
  await repair(async () => {
    await house.server.client().flushall();
    await eventually(() => ledger.release('nothing', organization).then(() => true));
  });
  expect(await ledger.reconcile(organization, { repair: false })).toEqual([]);
});

test('calls that end while it is repaired count, and the rest is put right', async () => {
  const ledger = await drifted(120, 40);
  await repair(() => ledger.settle({ id: 'open', organization, amount: { nusd: 70, tokens: 0 }, estimated: false }));
  expect(await ledger.reconcile(organization, { repair: false })).toEqual([]);
  const { budgets } = await ledger.read(organization, [total, rolling], []);
  expect(budgets.map(({ spent, held }) => [spent, held])).toEqual([
    [370, 0],
    [370, 0],
  ]);
});

test.each([120, -120])(
  'what was put right stays right when Redis loses everything, that was wrong by %i',
  async (wrong) => {
    const ledger = await drifted(wrong);
    // As every call does, it heard the sum that was wrong.
    await ledger.reserve(request('heard', { nusd: 1 }, { budgets: [total, rolling] }));
    await ledger.release('heard', organization);
    await ledger.reconcile(organization, { repair: true });
    await house.server.client().flushall();
    await eventually(() => ledger.release('nothing', organization).then(() => true));
    const { budgets } = await ledger.read(organization, [total, rolling], []);
    expect(budgets.map(({ spent, held }) => [spent, held])).toEqual([
      [300, 50],
      [300, 50],
    ]);
    expect(await ledger.reconcile(organization, { repair: false })).toEqual([]);
  },
);
