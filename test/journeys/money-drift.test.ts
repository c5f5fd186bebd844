import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkDrift } from '../../src/gateway/drift-check.ts';
import { openRedisLedger, type RedisLedger } from '../../src/stores/index.ts';
import { eventually } from '../support/money.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const budget = {
  scope: { kind: 'team', id: 't' },
  window: 'total',
  unit: 'nusd',
  limit: 1000,
  hard: true,
  warnPercent: [],
} as const;

describe('drift', () => {
  let redis: RedisServer;
  let ledger: RedisLedger;
  beforeAll(async () => {
    redis = await startRedis();
    ledger = await openRedisLedger({ url: redis.url, keyPrefix: 'llm', owner: 'test', deadline_ms: 5000 });
  });
  afterAll(async () => {
    await ledger.close();
    await redis.stop();
  });
  const spend = async (organization: string, id: string, nusd: number) => {
    const amount = { nusd, tokens: 1 };
    await ledger.reserve({ id, organization, amount, budgets: [budget], rates: [], lease_ms: 10_000, owner: 'test' });
    await ledger.settle({ id, organization, amount, estimated: false });
  };

  test('is looked for in one organisation after the other, and found where it is (PITFALLS 6)', async () => {
    for (const organization of ['a', 'b']) await spend(organization, `first-${organization}`, 10);
    const told: [string, number][] = [];
    const checks = checkDrift(
      ledger,
      () => ['a', 'b'],
      (organization, differences) => {
        told.push([organization, differences.reduce((sum, { counted, rebuilt }) => sum + counted - rebuilt, 0)]);
      },
      5,
    );
    try {
      await eventually('both are looked at', () => told.length >= 4);
      expect(told.slice(0, 4)).toEqual([
        ['a', 0],
        ['b', 0],
        ['a', 0],
        ['b', 0],
      ]);
      await redis.client().hincrby('llm:{b}:budget:team:t:total', 'spent', 7);
      await eventually('the drift is told', () =>
        told.some(([organization, drift]) => organization === 'b' && drift === 7),
      );
      expect(told.filter(([organization, drift]) => organization === 'a' && drift !== 0)).toEqual([]);
      await ledger.reconcile('b', { repair: true });
      const before = told.length;
      await eventually('it is over', () => told.slice(before + 2).some(([organization]) => organization === 'b'));
      expect(told.slice(before + 2).every(([, drift]) => drift === 0)).toBe(true);
    } finally {
      checks.close();
    }
  });

  test('is not what a call in the middle of a look changes', async () => {
    const told: number[] = [];
    const checks = checkDrift(
      ledger,
      () => ['busy'],
      (_, differences) => told.push(differences.length),
      1,
    );
    try {
      for (let call = 0; call < 300; call += 1) await spend('busy', `busy-${call}`, 1);
      await eventually('it was looked at', () => told.length >= 3);
      expect(told.every((count) => count === 0)).toBe(true);
    } finally {
      checks.close();
    }
  });
});
