import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Journal } from '../../src/stores/embedded/journal.ts';
import { type EmbeddedLedger, LedgerUnavailable, openEmbeddedLedger } from '../../src/stores/index.ts';
import { budget, entriesOf, rate, request } from '../contracts/ledger.ts';
import { frame } from '../support/frame.ts';

let path: string;
let now: number;
let notices: string[];
const opened: EmbeddedLedger[] = [];

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'ledger-'));
  now = Date.parse('2026-11-21T09:06:10Z');
  notices = [];
});
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close();
  rmSync(path, { recursive: true });
});

async function open(over = {}): Promise<EmbeddedLedger> {
  const notice = (text: string) => notices.push(text);
  const ledger = await openEmbeddedLedger({ path, clock: () => now, reap_interval_ms: 0, notice, ...over });
  opened.push(ledger);
  return ledger;
}

const newest = () =>
  join(
    path,
    readdirSync(path)
      .filter((name) => name.endsWith('.journal'))
      .sort()
      .at(-1)!,
  );
const settle = (ledger: EmbeddedLedger, id: string, nusd: number) =>
  ledger.settle({ id, organization: 'acme', amount: { nusd, tokens: 0 }, estimated: false });

describe('a journal', () => {
  test('brings everything back: sums, holds, rates, limits, and what was settled', async () => {
    const rates = [
      rate({ limit: 5 }),
      rate({ unit: 'tokens', limit: 100 }),
      rate({ unit: 'concurrent', limit: 2, window_ms: 0 }),
    ];
    const berlin = budget({ timeZone: 'Europe/Berlin', unit: 'tokens', hard: false, limit: 40 });
    const first = await open();
    await first.reserve(request('a', { nusd: 100, tokens: 30 }, { budgets: [budget(), berlin], rates }));
    await first.reserve(request('b', { nusd: 50, tokens: 20 }, { budgets: [budget(), berlin], rates }));
    await settle(first, 'a', 70);
    const before = [
      await first.counters('acme'),
      await first.holds('acme'),
      await first.read('acme', [budget(), berlin], rates),
    ];
    await first.close();
    const second = await open();
    const after = [
      await second.counters('acme'),
      await second.holds('acme'),
      await second.read('acme', [budget(), berlin], rates),
    ];
    expect(after).toEqual(before);
    expect((await settle(second, 'a', 70)).outcome).toBe('repeated');
    const settled = await settle(second, 'b', 10);
    expect(settled.budgets.map((one) => one.budget)).toEqual([budget(), berlin]);
    expect((await second.read('acme', [], rates)).rates.map((one) => one.used)).toEqual([2, 0, 0]);
  });

  test("settles a dead process's holds at the estimate once their lease is over, and its real settlement replaces that", async () => {
    const first = await open();
    await first.reserve(request('a', { nusd: 100 }, { lease_ms: 5_000 }));
    await first.close();
    const second = await open();
    now += 4_999;
    expect(await second.reap()).toBe(0);
    expect(await second.reap(now + 1)).toBe(1);
    expect(await second.counters('acme')).toMatchObject([{ spent: 100, held: 0 }]);
    await second.close();
    const third = await open();
    expect((await settle(third, 'a', 20)).outcome).toBe('settled');
    expect(await third.counters('acme')).toMatchObject([{ spent: 20, held: 0, requests: 1 }]);
    expect(await third.reconcile('acme', { repair: false })).toEqual([]);
  });

  test('with a torn end is cut off there, with a notice, for every length of the tear', async () => {
    const first = await open();
    await first.reserve(request('a', { nusd: 100 }));
    const file = newest();
    const whole = statSync(file).size;
    await first.reserve(request('b', { nusd: 200 }));
    const bytes = readFileSync(file);
    await first.close();
    for (let size = whole + 1; size < bytes.length; size += 7) {
      for (const name of readdirSync(path)) rmSync(join(path, name));
      writeFileSync(file, bytes.subarray(0, size));
      notices = [];
      const ledger = await open();
      expect(await ledger.counters('acme')).toMatchObject([{ held: 100 }]);
      expect(notices.join()).toContain(`at byte ${whole}`);
      await ledger.close();
    }
  });

  test('damaged in its middle is an error that says where', async () => {
    const first = await open();
    await first.reserve(request('a', { nusd: 100 }));
    const file = newest();
    const at = statSync(file).size;
    await first.reserve(request('b', { nusd: 200 }));
    await first.reserve(request('c', { nusd: 300 }));
    await first.close();
    const bytes = readFileSync(file);
    bytes[at + 30]! ^= 1;
    writeFileSync(file, bytes);
    await expect(open()).rejects.toThrow(`${file}: damaged at byte ${at}`);
    expect(existsSync(join(path, 'lock'))).toBe(false);
  });

  test('whose newest segment was never finished goes on from the one before it', async () => {
    const first = await open();
    await first.reserve(request('a', { nusd: 100 }));
    await first.close();
    writeFileSync(join(path, 'ledger-00000009.journal'), '#0000');
    const second = await open();
    expect(await second.counters('acme')).toMatchObject([{ held: 100 }]);
    expect(notices.join()).toContain('never finished');
  });

  test('does not grow for ever, and its counters can still be rebuilt', async () => {
    const ledger = await open({ segment_bytes_max: 4_000, entries_bytes_max: 20_000 });
    const wide = { budgets: [budget({ limit: 1e9 })], rates: [rate({ limit: 1e9 })] };
    for (let at = 0; at < 400; at++) {
      now += 50;
      await ledger.reserve(request(`g${at}`, { nusd: 10 }, wide));
      await settle(ledger, `g${at}`, 7);
    }
    const files = readdirSync(path).filter((name) => name.endsWith('.journal'));
    expect(files.length).toBeGreaterThan(2);
    const bytes = files.reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
    expect(bytes).toBeLessThan(40_000);
    expect(await ledger.counters('acme')).toMatchObject([{ spent: 2_800, held: 0, requests: 400 }]);
    expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
    const entries = await entriesOf(ledger);
    expect(entries.length).toBeLessThan(400);
    expect(entries.at(-1)).toMatchObject({ id: 'g399' });
    expect(notices).toEqual([]);
  });

  test('that cannot be written refuses calls and gives back what it had not promised', async () => {
    if (!existsSync('/dev/full')) return;
    let undone = 0;
    const options = { fsync: 'group', segment_bytes_max: 1e9, notice: (text: string) => notices.push(text) } as const;
    const full = { file: '/dev/full', fd: openSync('/dev/full', 'r+'), size: 0 };
    const journal = new Journal(full, { ...options, rotate: () => full, held: () => true });
    journal.next().letters('r a\n');
    await expect(journal.commit(1, () => undone++)).rejects.toThrow(LedgerUnavailable);
    expect(undone).toBe(1);
    expect(journal.failure).toBeInstanceOf(LedgerUnavailable);
    expect(notices).toHaveLength(1);
    await expect(journal.close()).rejects.toThrow();
  });
});

test('a journal that cannot be written is tried again by one timer, however often it is asked how far it reaches, and not once it is closed', async () => {
  if (!existsSync('/dev/full')) return;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const full = { file: '/dev/full', fd: openSync('/dev/full', 'r+'), size: 0 };
    const journal = new Journal(full, {
      fsync: 'group',
      segment_bytes_max: 1e9,
      rotate: () => full,
      held: () => true,
      notice: () => {},
    });
    // Whoever wrote this has it written at the end of the step: by then the journal is closed.
    journal.next().letters('s a\n');
    for (let asked = 0; asked < 20; asked++) expect(() => journal.position()).toThrow(LedgerUnavailable);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(1_000);
    expect(vi.getTimerCount()).toBe(1);
    await expect(journal.close()).rejects.toThrow();
    expect(vi.getTimerCount()).toBe(0);
    journal.next().letters('s b\n');
    await expect(journal.commit(1)).rejects.toThrow(LedgerUnavailable);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

describe('reconcile', () => {
  test('says where a counter differs, and puts it right', async () => {
    const first = await open();
    await first.reserve(request('a', { nusd: 100 }));
    await settle(first, 'a', 60);
    await first.reserve(request('b', { nusd: 30 }));
    await first.close();
    // Someone edits the sums by hand, with a checksum that fits.
    appendFileSync(newest(), frame('k 2 75 31 1 0\n'));
    const second = await open();
    const key = 'budget:team:research:day:2026-11-21';
    const differences = [
      { key, counted: 75, rebuilt: 60 },
      { key: `${key}#held`, counted: 31, rebuilt: 30 },
    ];
    expect(await second.reconcile('acme', { repair: false })).toEqual(differences);
    expect(await second.reconcile('acme', { repair: true })).toEqual(differences);
    expect(await second.reconcile('acme', { repair: false })).toEqual([]);
    await second.close();
    expect(await (await open()).counters('acme')).toMatchObject([{ spent: 60, held: 30 }]);
  });
});

describe('the directory', () => {
  test('belongs to one: a second opener is told whose it is', async () => {
    const first = await open();
    await expect(open()).rejects.toThrow(`process ${process.pid}`);
    await first.close();
    await open();
  });

  test('is taken over from a process that is dead, or whose pid is another process now', async () => {
    for (const dead of [
      { pid: 4_194_303, started: '1' },
      { pid: process.pid, started: '1' },
      { pid: 4_194_303, started: '' },
    ]) {
      writeFileSync(join(path, 'lock'), JSON.stringify({ ...dead, host: hostname() }));
      await (await open()).close();
    }
  });

  test('is left alone while an owner on another host shows signs of life', async () => {
    writeFileSync(join(path, 'lock'), JSON.stringify({ pid: 1, started: '1', host: 'elsewhere' }));
    await expect(open()).rejects.toThrow('elsewhere');
  });
});

test('a directory that another process took over while this one stood still is its own: nothing more is admitted or written', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  try {
    const ledger = await open({ segment_bytes_max: 500 });
    await ledger.reserve(request('before', { nusd: 1 }));
    writeFileSync(join(path, 'lock'), JSON.stringify({ pid: 1, started: '1', host: 'elsewhere' }));
    const theirs = join(path, 'ledger-00000002.journal');
    writeFileSync(theirs, 'theirs');
    vi.advanceTimersByTime(5_000);
    await expect(ledger.reserve(request('after', { nusd: 1 }))).rejects.toThrow('another process');
    for (let at = 0; at < 20; at++) await settle(ledger, 'before', 1).catch(() => {});
    expect(readFileSync(theirs, 'utf8')).toBe('theirs');
    expect(notices).toEqual([expect.stringContaining('another process')]);
    await expect(opened.pop()!.close()).rejects.toThrow(LedgerUnavailable);
    expect(readFileSync(join(path, 'lock'), 'utf8')).toContain('elsewhere');
  } finally {
    vi.useRealTimers();
  }
});

test('a closed ledger is unavailable', async () => {
  const ledger = await open();
  await ledger.close();
  await expect(ledger.reserve(request('a', { nusd: 1 }))).rejects.toThrow(LedgerUnavailable);
  await expect(settle(ledger, 'a', 1)).rejects.toThrow(LedgerUnavailable);
});

test('a journal of the first version goes on as it stood', async () => {
  const lines = [
    'ledger 1 1 1795250000000',
    'E',
    'O 1 acme',
    'K 2 1 nusd 0 0 budget:team:research:total',
    'L 2 700 1',
    'R 3 1 tokens 100 61 1000 rate:team:research:tokens:60000',
    `r a 1 here ${now} ${now + 60_000} 100 30 2 3 -`,
    `r b 1 here ${now} ${now + 60_000} 50 20 2 3 -`,
    `s a 1 ${now} 70 25 0 - 2`,
  ];
  writeFileSync(join(path, 'ledger-00000001.journal'), frame(`${lines.join('\n')}\n`));
  const ledger = await open();
  expect(await ledger.counters('acme')).toMatchObject([{ spent: 70, held: 50, requests: 1, tokens: 25, limit: 700 }]);
  expect((await ledger.read('acme', [], [rate({ unit: 'tokens', limit: 100 })])).rates[0]!.used).toBe(45);
  expect((await settle(ledger, 'b', 40)).outcome).toBe('settled');
  expect((await entriesOf(ledger)).map(({ id, amount }) => [id, amount.nusd])).toEqual([
    ['a', 70],
    ['b', 40],
  ]);
  expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
});
