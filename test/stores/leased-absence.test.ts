import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Budget, LeasedLedger, LeasedLedgerOptions, RedisLedger } from '../../src/stores/index.ts';
import { budget, refusalOf, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const total = budget({ window: 'total', limit: 1_000 });
const key = 'budget:team:research:total';

const house = ledgerHouse();
let remote: RedisLedger;
beforeEach(async () => {
  remote = await house.watcher();
});

const process = (over: Partial<LeasedLedgerOptions> = {}) => house.process({ idle_ms: 600_000, ...over });

const reserve = (ledger: LeasedLedger, id: string, nusd: number, budgets: readonly Budget[] = [total]) =>
  ledger.reserve(request(id, { nusd }, { budgets }));
const counted = async () => {
  const [one] = await remote.counters('acme');
  return { spent: one?.spent ?? 0, held: one?.held ?? 0, leased: one?.leased ?? 0 };
};
const sound = async () => expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
/** Leases of everyone are over for Redis; what was taken counts as spent, and people forgive it. */
async function forgiveAll(): Promise<void> {
  await house.lapse('acme');
  await remote.reap();
  expect(await counted()).toMatchObject({ held: 0, leased: 0 });
  await remote.reset('acme', key);
}

describe('a machine that slept for longer than its leases', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('admits nothing out of its old slices, whose room others have by now', async () => {
    const [here, there] = [await process(), await process({ ahead_ms: 0 })];
    expect((await reserve(here, 'a', 10)).outcome).toBe('held');
    await here.release('a', 'acme');
    expect((await reserve(here, 'b', 10)).outcome).toBe('held');
    expect((await counted()).leased).toBeGreaterThan(20);
    // The monotonic clock stands still meanwhile, as it does on a machine that sleeps.
    vi.useFakeTimers({ toFake: ['Date'] });
    vi.setSystemTime(Date.now() + 60_000);
    await forgiveAll();
    expect((await reserve(there, 'all', 1_000)).outcome).toBe('held');
    expect(refusalOf(await reserve(here, 'c', 10))).toMatchObject({ asked: 10, held: 1_000 });
    await here.flush();
    expect(await counted()).toEqual({ spent: 0, held: 1_000, leased: 1_000 });
    await sound();
  });

  test('nor does one whose clock is set back, once its lease is over', async () => {
    const slice_lease_ms = 400;
    const [here, there] = [await process({ slice_lease_ms }), await process({ ahead_ms: 0 })];
    expect((await reserve(here, 'a', 10)).outcome).toBe('held');
    vi.useFakeTimers({ toFake: ['Date'] });
    vi.setSystemTime(Date.now() - 3_600_000);
    await sleep(slice_lease_ms);
    await forgiveAll();
    expect((await reserve(there, 'all', 1_000)).outcome).toBe('held');
    expect((await reserve(here, 'c', 10)).outcome).toBe('refused');
  });
});

test('a clock that is days ahead for a moment makes nobody forget the call whose estimate is to be replaced', async () => {
  const ledger = await process();
  expect((await reserve(ledger, 'long', 10)).outcome).toBe('held');
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    const right_ms = Date.now();
    vi.setSystemTime(right_ms + 8 * 86_400_000);
    expect(await ledger.reap()).toBe(1);
    expect(await ledger.reap()).toBe(0);
    vi.setSystemTime(right_ms);
    await ledger.settle({ id: 'long', organization: 'acme', amount: { nusd: 25, tokens: 0 }, estimated: false });
    await ledger.flush();
    expect(await counted()).toMatchObject({ spent: 25, held: 0 });
    await sound();
  } finally {
    vi.useRealTimers();
  }
});

describe('a process that was stopped for longer than its leases', () => {
  const slice_lease_ms = 1_000;
  const home = mkdtempSync(join(tmpdir(), 'absent-'));
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    const entry = new URL('./absent-child.ts', import.meta.url).pathname;
    const settings = { ssr: entry, outDir: join(home, 'out'), minify: false };
    await build({ configFile: false, logLevel: 'silent', ssr: { noExternal: true }, build: settings });
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  afterAll(() => rmSync(home, { recursive: true }));

  async function child() {
    const args = [join(home, 'out', 'absent-child.js'), house.server.url, house.directory(), String(slice_lease_ms)];
    const one = spawn(globalThis.process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(one);
    let output = '';
    one.stdout.on('data', (bytes) => {
      output += bytes;
    });
    const says = (line: RegExp) => expect.poll(() => output).toMatch(line);
    await says(/^ready$/m);
    return {
      says,
      asks: (id: string, nusd: number) => one.stdin.write(`${id} ${nusd} ${total.limit}\n`),
      stop: () => one.kill('SIGSTOP'),
      goOn: () => one.kill('SIGCONT'),
    };
  }

  /** Its leases end and others have all there is: when it goes on, its call `b` is refused. */
  async function findsAllTaken(here: Awaited<ReturnType<typeof child>>): Promise<void> {
    await sleep(slice_lease_ms);
    await forgiveAll();
    const there = await process({ ahead_ms: 0 });
    expect((await reserve(there, 'all', 1_000)).outcome).toBe('held');
    here.goOn();
    await here.says(/^b refused$/m);
    expect(await counted()).toEqual({ spent: 0, held: 1_000, leased: 1_000 });
    await sound();
  }

  test('admits nothing out of its old slices when it goes on', async () => {
    const here = await child();
    here.asks('a', 10);
    await here.says(/^a held$/m);
    here.stop();
    expect((await counted()).leased).toBeGreaterThan(10);
    // Waits in its pipe: it is read before anything is heard of Redis.
    here.asks('b', 10);
    await findsAllTaken(here);
  });

  test('nor with an answer that waited for it all the time', async () => {
    const here = await child();
    here.asks('a', 10);
    await here.says(/^a held$/m);
    house.server.freeze();
    here.asks('b', 700);
    // Sent, and nobody reads what is answered.
    await sleep(300);
    here.stop();
    house.server.thaw();
    await expect.poll(async () => (await counted()).leased).toBeGreaterThan(700);
    await findsAllTaken(here);
  });
});
