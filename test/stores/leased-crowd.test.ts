import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Budget, type Ledger, openLeasedLedger, type Rate } from '../../src/stores/index.ts';
import { budget, rate, request } from '../contracts/ledger.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

/** More than a script of Redis can hand to one command (about 8,000 words). */
const crowd = 4_100;

describe('a process with thousands of calls under way', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  async function leased(work: (ledger: Ledger) => Promise<void>): Promise<void> {
    const path = mkdtempSync(join(tmpdir(), 'crowd-'));
    const options = { url: server.url, keyPrefix: 'llm', owner: 'here', path, deadline_ms: 20_000 };
    const ledger = await openLeasedLedger({ ...options, lease_ms: 600_000 });
    try {
      await work(ledger);
    } finally {
      await ledger.close();
      rmSync(path, { recursive: true, force: true });
    }
  }

  const all = async (
    ledger: Ledger,
    limits: (at: number) => { budgets: readonly Budget[]; rates: readonly Rate[] },
  ) => {
    const ids = Array.from({ length: crowd }, (_, at) => `call${at}`);
    const held = await Promise.all(
      ids.map((id, at) => ledger.reserve(request(id, { nusd: 10, tokens: 1 }, { ...limits(at), lease_ms: 600_000 }))),
    );
    expect(held.filter(({ outcome }) => outcome === 'held')).toHaveLength(crowd);
    const end = { organization: 'acme', amount: { nusd: 7, tokens: 1 }, estimated: false };
    await Promise.all(ids.map((id) => ledger.settle({ id, ...end })));
  };

  test('each of another user with a budget: all of them are counted, once', async () => {
    await leased(async (ledger) => {
      const total = budget({ window: 'total', limit: 10_000_000 });
      await all(ledger, (at) => ({
        budgets: [total, budget({ scope: { kind: 'user', id: `u${at}` }, window: 'total' })],
        rates: [],
      }));
      const spent = (await ledger.counters('acme')).map((one) => one.spent);
      expect(spent).toHaveLength(crowd + 1);
      expect(Math.max(...spent)).toBe(7 * crowd);
      expect(spent.filter((one) => one === 7)).toHaveLength(crowd);
    });
  }, 120_000);

  test('one after the other, of more users than are remembered: what was let go is asked for anew, and adds up', async () => {
    const [users, again] = [12_800, 1_600];
    const settled = new Set<string>();
    await leased(async (ledger) => {
      // The first to come are the first to be let go; they come again.
      for (const [round, most] of [users, again].entries()) {
        for (let from = 0; from < most; from += 800) {
          const ids = Array.from({ length: 800 }, (_, at) => `r${round}c${from + at}`);
          await Promise.all(
            ids.map(async (id, at) => {
              const user = { kind: 'project' as const, id: `p${from + at}` };
              const limits = { budgets: [budget({ scope: user, window: 'total' })], rates: [rate({ scope: user })] };
              const reserved = await ledger.reserve(request(id, { nusd: 10, tokens: 1 }, limits));
              if (reserved.outcome === 'held') settled.add(id);
              await ledger.settle({ id, organization: 'acme', amount: { nusd: 7, tokens: 1 }, estimated: false });
            }),
          );
        }
      }
      expect(settled.size).toBe(users + again);
      const counters = (await ledger.counters('acme')).filter(({ key }) => key.startsWith('budget:project:'));
      expect(counters).toHaveLength(users);
      expect(counters.filter(({ spent }) => spent === 14)).toHaveLength(again);
      expect(counters.filter(({ spent }) => spent === 7)).toHaveLength(users - again);
    });
  }, 240_000);

  test('all under one limit on calls at once', async () => {
    await leased(async (ledger) => {
      const seats = rate({ unit: 'concurrent', window_ms: 0, limit: 20_000 });
      await all(ledger, () => ({ budgets: [], rates: [seats] }));
      expect((await ledger.read('acme', [], [seats])).rates[0]?.used).toBe(0);
    });
  }, 120_000);
});
