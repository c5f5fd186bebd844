import fs, {
  cpSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EmbeddedLedgerOptions } from '../../src/stores/embedded/index.ts';
import { type EmbeddedLedger, openEmbeddedLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';

let home: string;
let notices: string[];
const opened: EmbeddedLedger[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'rotation-'));
  notices = [];
});
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close();
  rmSync(home, { recursive: true });
});

const place = () => join(home, String(opened.length));
async function open(path: string, over: Partial<EmbeddedLedgerOptions> = {}): Promise<EmbeddedLedger> {
  const ledger = await openEmbeddedLedger({
    path,
    reap_interval_ms: 0,
    segment_bytes_max: 2_000,
    entries_bytes_max: 4_000,
    notice: (text) => notices.push(text),
    ...over,
  });
  opened.push(ledger);
  return ledger;
}

const newest = (path: string) =>
  join(
    path,
    readdirSync(path)
      .filter((name) => name.endsWith('.journal'))
      .sort()
      .at(-1)!,
  );

const total = budget({ window: 'total', limit: 1e9 });
/** Spends one at a time until `enough`; how much that was. */
async function spend(ledger: EmbeddedLedger, prefix: string, enough: (spent: number) => boolean): Promise<number> {
  let spent = 0;
  for (; !enough(spent); spent++) {
    const id = `${prefix}${spent}`;
    await ledger.reserve(request(id, { nusd: 1 }, { budgets: [total] }));
    await ledger.settle({ id, organization: 'acme', amount: { nusd: 1, tokens: 0 }, estimated: false });
  }
  return spent;
}

/** What a process that is killed now leaves behind, without the directory that stood in its way, opened anew. */
async function afterKill(path: string, obstacle: string): Promise<EmbeddedLedger> {
  const next = place();
  cpSync(path, next, { recursive: true });
  rmSync(join(next, 'lock'));
  rmSync(join(next, obstacle), { recursive: true });
  return open(next);
}

test('what is spent after an old segment could not be removed is there after a crash', async () => {
  const path = place();
  const ledger = await open(path);
  const obstacle = 'ledger-00000000.journal';
  // A directory in the place of the oldest segment cannot be removed as a file.
  mkdirSync(join(path, obstacle));
  const spent = await spend(ledger, 'a', () => notices.length > 0);
  const after = await spend(ledger, 'b', (so_far) => so_far === 1);
  expect(notices.join()).toContain(obstacle);
  const second = await afterKill(path, obstacle);
  expect(await second.counters('acme')).toMatchObject([{ spent: spent + after, held: 0 }]);
  expect(await second.reconcile('acme', { repair: false })).toEqual([]);
});

test('a segment that cannot be started leaves no draft on the disk, and nothing is lost', async () => {
  const path = place();
  const ledger = await open(path);
  const obstacle = 'ledger-00000002.journal';
  mkdirSync(join(path, obstacle));
  const spent = await spend(ledger, 'a', () => notices.length > 0);
  expect(notices.join()).toContain('cannot start a new segment');
  expect(readdirSync(path).filter((name) => name.endsWith('.draft'))).toEqual([]);
  const after = await spend(ledger, 'b', (so_far) => so_far === 20);
  const second = await afterKill(path, obstacle);
  expect(await second.counters('acme')).toMatchObject([{ spent: spent + after, held: 0 }]);
});

test('whoever reads entries slowly gets all there were, though the oldest segments are removed meanwhile', async () => {
  const ledger = await open(place());
  const spent = await spend(ledger, 'a', (so_far) => so_far === 40);
  const reading = ledger.entries('acme')[Symbol.asyncIterator]();
  const list = [(await reading.next()).value?.id];
  await spend(ledger, 'b', (so_far) => so_far === 60);
  for (let next = await reading.next(); next.done !== true; next = await reading.next()) list.push(next.value.id);
  const oldest = Number(list[0]?.slice(1));
  expect(list).toEqual(Array.from({ length: spent - oldest }, (_, at) => `a${oldest + at}`));
});

describe('a disk that once did not flush', () => {
  const { fdatasync } = fs;
  let failing = false;
  /** Bytes that no later flush brings to the disk: the system has let go of them. By the file's number. */
  const gone = new Map<number, { from: number; to: number }>();
  const flushed = new Map<number, number>();

  beforeEach(() => {
    fs.fdatasync = ((fd: number, done: (error: Error | null) => void) => {
      const { ino, size } = fstatSync(fd);
      if (!failing) return fdatasync(fd, done);
      failing = false;
      gone.set(ino, { from: flushed.get(ino) ?? 0, to: size });
      setImmediate(done, new Error('EIO: i/o error, fdatasync'));
    }) as typeof fs.fdatasync;
    syncBuiltinESMExports();
  });
  afterEach(() => {
    fs.fdatasync = fdatasync;
    syncBuiltinESMExports();
    gone.clear();
  });

  /** What is there after a power cut. */
  async function afterCut(path: string): Promise<EmbeddedLedger> {
    const next = place();
    cpSync(path, next, { recursive: true });
    rmSync(join(next, 'lock'));
    for (const name of readdirSync(path).filter((name) => name !== 'lock')) {
      const { from, to } = gone.get(fs.statSync(join(path, name)).ino) ?? { from: 0, to: 0 };
      const fd = openSync(join(next, name), 'r+');
      writeSync(fd, Buffer.alloc(to - from), 0, to - from, from);
      fs.closeSync(fd);
    }
    return open(next);
  }

  test('is told of once, however many calls it fails, and fills with no segments', async () => {
    const path = place();
    const ledger = await open(path, { fsync: 'always', segment_bytes_max: 1e6 });
    for (let at = 0; at < 10; at++) {
      failing = true;
      const refused = ledger.reserve(request(`r${at}`, { nusd: 1 }, { budgets: [total] }));
      if (at > 0) await expect(refused).rejects.toThrow('EIO');
      else await refused;
    }
    // Of each of both segments.
    expect(notices).toHaveLength(2);
    expect(readdirSync(path).filter((name) => name.endsWith('.journal'))).toHaveLength(2);
  });

  test('begins no segment once the ledger is closed', async () => {
    const path = place();
    const ledger = await open(path, { fsync: 'always', segment_bytes_max: 1e6 });
    failing = true;
    const late = ledger.reserve(request('late', { nusd: 1 }, { budgets: [total] }));
    await Promise.all([expect(late).rejects.toThrow('EIO'), ledger.close()]);
    expect(readdirSync(path)).toHaveLength(1);
  });

  test('promises nothing in a segment whose name it did not flush', async () => {
    const path = place();
    const ledger = await open(path, { fsync: 'always' });
    const { fsyncSync } = fs;
    let named = readdirSync(path);
    let unnamed = 1;
    fs.fsyncSync = (fd) => {
      if (fstatSync(fd).isDirectory() && unnamed-- > 0) throw new Error('EIO: i/o error, fsync');
      fsyncSync(fd);
      if (fstatSync(fd).isDirectory()) named = readdirSync(path);
    };
    syncBuiltinESMExports();
    try {
      const spent = await spend(ledger, 'a', () => notices.length > 0);
      const after = await spend(ledger, 'b', (so_far) => so_far === 2);
      const next = place();
      cpSync(path, next, { recursive: true, filter: (from) => from === path || named.includes(basename(from)) });
      rmSync(join(next, 'lock'));
      expect(await (await open(next)).counters('acme')).toMatchObject([{ spent: spent + after, held: 0 }]);
    } finally {
      fs.fsyncSync = fsyncSync;
      syncBuiltinESMExports();
    }
  });

  test.each(['always', 'group'] as const)('keeps what is promised after that (fsync: %s)', async (fsync) => {
    const path = place();
    const ledger = await open(path, { fsync, segment_bytes_max: 1e6 });
    await spend(ledger, 'before', (so_far) => so_far === 1);
    const { ino, size } = fs.statSync(newest(path));
    flushed.set(ino, size);
    failing = true;
    await spend(ledger, 'in', (so_far) => so_far === 1).catch(() => {});
    await expect.poll(() => notices.join()).toContain('EIO');
    const spent = (await ledger.counters('acme'))[0]!.spent;
    const after = await spend(ledger, 'after', (so_far) => so_far === 2);
    const second = await afterCut(path);
    expect(await second.counters('acme')).toMatchObject([{ spent: spent + after, held: 0 }]);
  });
});

test('a disk that takes nothing is told of once, and once when it does again', async () => {
  const path = place();
  const ledger = await open(path, { reap_interval_ms: 20 });
  const { writeSync } = fs;
  let refused = 0;
  const full = (): never => {
    refused++;
    throw new Error('ENOSPC: no space left on device, write');
  };
  fs.writeSync = full;
  syncBuiltinESMExports();
  try {
    await expect(ledger.reserve(request('late', { nusd: 1 }))).rejects.toThrow('ENOSPC');
    await expect.poll(() => refused, { interval: 20 }).toBeGreaterThan(2);
  } finally {
    fs.writeSync = writeSync;
    syncBuiltinESMExports();
  }
  await expect.poll(() => notices.at(-1), { interval: 20 }).toContain('can be written again');
  expect(notices).toHaveLength(2);
});

describe('a power cut', () => {
  const { fdatasync } = fs;
  afterEach(() => {
    fs.fdatasync = fdatasync;
    syncBuiltinESMExports();
  });

  /** Left of a directory where these bytes of the newest segment did not reach the disk, opened anew. */
  function without(path: string, from: number, to: number): Promise<EmbeddedLedger> {
    const next = place();
    cpSync(path, next, { recursive: true });
    rmSync(join(next, 'lock'));
    const fd = openSync(newest(next), 'r+');
    writeSync(fd, Buffer.alloc(to - from), 0, to - from, from);
    fs.closeSync(fd);
    return open(next);
  }
  test.each(['always', 'group'] as const)(
    'in the middle of a flush leaves a torn end, whatever came through of it (fsync: %s)',
    async (fsync) => {
      const path = place();
      const ledger = await open(path, { fsync, segment_bytes_max: 1e6 });
      const size = () => fs.statSync(newest(path)).size;
      const began = size();
      let spent = 0;
      // Until what was flushed is told in the journal.
      const told = async () => {
        spent += await spend(ledger, `${spent}-`, (so_far) => so_far === 1);
        return readFileSync(newest(path), 'latin1').split('\nf ').length > 2;
      };
      await expect.poll(told).toBe(true);
      fs.fdatasync = (() => {}) as unknown as typeof fs.fdatasync;
      syncBuiltinESMExports();
      const ends = [size()];
      for (const id of ['lost', 'there']) {
        ledger.reserve(request(id, { nusd: 1 }, { budgets: [total] })).catch(() => {});
        await new Promise(process.nextTick);
        ends.push(size());
      }
      const cut = await without(path, ends[0]!, ends[1]!);
      expect(await cut.counters('acme')).toMatchObject([{ spent, held: 0 }]);
      expect(notices.join()).toContain('cut off');
      await expect(without(path, began, began + 30)).rejects.toThrow('damaged at byte');
    },
  );
});
