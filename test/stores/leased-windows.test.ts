import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { start } from '../../src/stores/embedded/segments.ts';
import { type LeasedLedger, type LeasedLedgerOptions, openLeasedLedger } from '../../src/stores/index.ts';
import { windowKey } from '../../src/stores/window-key.ts';
import { budget, refusalOf, request } from '../contracts/ledger.ts';
import { startRedis } from '../support/redis.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A process on a Redis of its own, with what `lines` leave in its journal. */
async function opened(lines: readonly string[], over: Partial<LeasedLedgerOptions> = {}): Promise<LeasedLedger> {
  const server = await startRedis();
  closing.push(() => server.stop());
  const path = mkdtempSync(join(tmpdir(), 'leased-'));
  closing.push(() => rmSync(path, { recursive: true, force: true }));
  start(path, 1, false, (next) => {
    for (const text of ['leased 1 before', 'O 1 0 acme', ...lines, 'E']) next().letters(`${text}\n`);
  });
  const options = { url: server.url, keyPrefix: 'llm', owner: 'here', deadline_ms: 30_000, path };
  const ledger = await openLeasedLedger({ ...options, ...over });
  closing.push(() => ledger.close());
  return ledger;
}

test.each([500, 0])('%i ms ahead: a call of a window that is over grows under its limit', async (ahead_ms) => {
  const minute = budget({ window: 'minute', limit: 1_000 });
  const lease_ms = 60_000;
  const before_ms = Date.now() - lease_ms;
  const { key, start_ms, end_ms } = windowKey(minute, before_ms);
  const ledger = await opened(
    [
      `B 1 1 nusd 1000 1 ${start_ms} ${end_ms} ${end_ms + 86_400_000} ${key}`,
      `r stream 1 here ${Date.now() + lease_ms} 100 0 0 1 -`,
    ],
    { ahead_ms },
  );
  const grow = (nusd: number) =>
    ledger.amend({ id: 'stream', organization: 'acme', amount: { nusd, tokens: 0 }, lease_ms, budgets: [], rates: [] });
  const then = async () => (await ledger.counters('acme')).find((one) => one.key === key);

  expect((await grow(100)).outcome).toBe('held');
  expect(await grow(600)).toMatchObject({ outcome: 'held', budgets: [{ spent: 0, held: 600 }] });
  expect(refusalOf(await grow(1_001))).toMatchObject({ kind: 'budget', limit: 1_000, held: 600, asked: 401 });
  // Who comes now has the window of now.
  expect((await ledger.reserve(request('now', { nusd: 1_000 }, { budgets: [minute] }))).outcome).toBe('held');
  expect((await grow(1_000)).outcome).toBe('held');
  expect(await then()).toMatchObject({ spent: 0, held: 1_000 });
  expect((await grow(300)).outcome).toBe('held');
  await ledger.flush();
  expect(await then()).toMatchObject({ spent: 0, held: 300, leased: 300 });
  await ledger.settle({ id: 'stream', organization: 'acme', amount: { nusd: 250, tokens: 0 }, estimated: false });
  await ledger.release('now', 'acme');
  expect(await then()).toMatchObject({ spent: 250, held: 0, requests: 1 });
  expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
});
