import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import type { Ledger } from '../../src/stores/index.ts';
import { openLeasedLedger, openSharingLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const shared = budget({ window: 'total', limit: 100_000, onLoss: 'local_share' });
const aside = budget({ window: 'total', scope: { kind: 'team', id: 'aside' }, onLoss: 'local_share' });
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  vi.useRealTimers();
});

async function two(open: typeof openLeasedLedger | typeof openSharingLedger) {
  const server = await startRedis();
  closing.push(() => server.stop());
  const times = { deadline_ms: 1_000, reap_interval_ms: 100, lease_ms: 2_000 };
  const one = async (): Promise<Ledger> => {
    const path = mkdtempSync(join(tmpdir(), 'lost-'));
    closing.push(() => rmSync(path, { recursive: true, force: true }));
    const onLoss = () => 'local_share' as const;
    const ledger = await open({ url: server.url, keyPrefix: 'llm', owner: 'here', path, onLoss, ...times });
    closing.push(() => ledger.close());
    return ledger;
  };
  return { server, ledgers: [await one(), await one()] as const };
}

const settle = (ledger: Ledger, id: string, nusd: number) =>
  ledger.settle({ id, organization: 'acme', amount: { nusd, tokens: 0 }, estimated: false });

async function spend(ledger: Ledger, id: string, nusd: number, of = shared): Promise<void> {
  expect((await ledger.reserve(request(id, { nusd }, { budgets: [of] }))).outcome).toBe('held');
  await settle(ledger, id, nusd);
}

async function spentIn(server: RedisServer, team = 'research'): Promise<number> {
  const client = server.client();
  const value = await client.hget(`llm:{acme}:budget:team:${team}:total`, 'spent');
  client.disconnect();
  return Number(value ?? '0');
}

test.each([
  ['slices of it', openLeasedLedger],
  ['shares of it', openSharingLedger],
])(
  'a Redis that lost everything counts what each spent meanwhile of %s, beside what was told before',
  async (_, open) => {
    const { server, ledgers } = await two(open);
    const [one, other] = ledgers;
    await spend(one, 'before', 10_000);
    await expect.poll(() => spentIn(server)).toBe(10_000);
    // Both are told of it, and each of the other.
    for (const [at, ledger] of ledgers.entries()) {
      await ledger.reserve(request(`runs${at}`, { nusd: 2_000 }, { budgets: [shared] }));
    }
    await sleep(3_000);
    if (open === openSharingLedger) {
      // What was settled long ago is not told again one by one.
      vi.useFakeTimers({ toFake: ['Date'] });
      vi.setSystemTime(Date.now() + 180_000);
      for (const ledger of ledgers) {
        await ledger.reserve(request('aside', { nusd: 1 }, { budgets: [aside] }));
        await ledger.release('aside', 'acme');
      }
    }
    await server.kill();
    for (const [at, ledger] of ledgers.entries()) {
      await spend(ledger, `first${at}`, 300 + at);
      await spend(ledger, `second${at}`, 500);
    }
    await server.restart();
    await expect.poll(() => spentIn(server).catch(() => 0)).toBe(11_601);
    // And once: nobody tells it again.
    await sleep(500);
    expect(await spentIn(server)).toBe(11_601);
    for (const [at, ledger] of ledgers.entries()) await settle(ledger, `runs${at}`, 1_000);
    await expect.poll(() => spentIn(server)).toBe(13_601);
    expect(await other.reconcile('acme', { repair: false })).toEqual([]);
  },
);

test('what Redis told of a counter counts once where a share of another one was told after that', async () => {
  const { server, ledgers } = await two(openSharingLedger);
  const [ledger] = ledgers;
  const beside = { ...aside, limit: 100_000 };
  await spend(ledger, 'beside', 10_000, beside);
  await spend(ledger, 'before', 5_000);
  await expect.poll(() => spentIn(server, 'aside')).toBe(10_000);
  // The sums are told with the next calls.
  for (const [at, of] of [beside, shared].entries()) {
    await ledger.reserve(request(`looks${at}`, { nusd: 1 }, { budgets: [of] }));
    await ledger.release(`looks${at}`, 'acme');
  }
  server.freeze();
  await spend(ledger, 'share', 300);
  server.thaw();
  await expect.poll(() => spentIn(server)).toBe(5_300);
  const client = server.client();
  await client.flushall();
  await expect.poll(() => client.hget('llm:{acme}:primary', 'state')).toBe('open');
  client.disconnect();
  expect([await spentIn(server), await spentIn(server, 'aside')]).toEqual([5_300, 10_000]);
});
