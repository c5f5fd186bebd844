import fs, { cpSync, fstatSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EmbeddedLedger } from '../../src/stores/index.ts';
import { request } from '../contracts/ledger.ts';
import { journalHouse, newest, spend, total } from '../support/journal-house.ts';

const house = journalHouse();

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
    const next = house.place();
    cpSync(path, next, { recursive: true });
    rmSync(join(next, 'lock'));
    for (const name of readdirSync(path).filter((name) => name !== 'lock')) {
      const { from, to } = gone.get(fs.statSync(join(path, name)).ino) ?? { from: 0, to: 0 };
      const fd = openSync(join(next, name), 'r+');
      writeSync(fd, Buffer.alloc(to - from), 0, to - from, from);
      fs.closeSync(fd);
    }
    return house.open(next);
  }

  test('is told of once, however many calls it fails, and fills with no segments', async () => {
    const path = house.place();
    const ledger = await house.open(path, { fsync: 'always', segment_bytes_max: 1e6 });
    for (let at = 0; at < 10; at++) {
      failing = true;
      const refused = ledger.reserve(request(`r${at}`, { nusd: 1 }, { budgets: [total] }));
      if (at > 0) await expect(refused).rejects.toThrow('EIO');
      else await refused;
    }
    // Of each of both segments.
    expect(house.notices).toHaveLength(2);
    expect(readdirSync(path).filter((name) => name.endsWith('.journal'))).toHaveLength(2);
  });

  test('begins no segment once the ledger is closed', async () => {
    const path = house.place();
    const ledger = await house.open(path, { fsync: 'always', segment_bytes_max: 1e6 });
    failing = true;
    const late = ledger.reserve(request('late', { nusd: 1 }, { budgets: [total] }));
    await Promise.all([expect(late).rejects.toThrow('EIO'), ledger.close()]);
    expect(readdirSync(path)).toHaveLength(1);
  });

  test('promises nothing in a segment whose name it did not flush', async () => {
    const path = house.place();
    const ledger = await house.open(path, { fsync: 'always' });
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
      const spent = await spend(ledger, 'a', () => house.notices.length > 0);
      const after = await spend(ledger, 'b', (so_far) => so_far === 2);
      const next = house.place();
      cpSync(path, next, { recursive: true, filter: (from) => from === path || named.includes(basename(from)) });
      rmSync(join(next, 'lock'));
      expect(await (await house.open(next)).counters('acme')).toMatchObject([{ spent: spent + after, held: 0 }]);
    } finally {
      fs.fsyncSync = fsyncSync;
      syncBuiltinESMExports();
    }
  });

  test.each(['always', 'group'] as const)('keeps what is promised after that (fsync: %s)', async (fsync) => {
    const path = house.place();
    const ledger = await house.open(path, { fsync, segment_bytes_max: 1e6 });
    await spend(ledger, 'before', (so_far) => so_far === 1);
    const { ino, size } = fs.statSync(newest(path));
    flushed.set(ino, size);
    failing = true;
    await spend(ledger, 'in', (so_far) => so_far === 1).catch(() => {});
    await expect.poll(() => house.notices.join()).toContain('EIO');
    const spent = (await ledger.counters('acme'))[0]!.spent;
    const after = await spend(ledger, 'after', (so_far) => so_far === 2);
    const second = await afterCut(path);
    expect(await second.counters('acme')).toMatchObject([{ spent: spent + after, held: 0 }]);
  });
});

test('a disk that takes nothing is told of once, and once when it does again', async () => {
  const path = house.place();
  const ledger = await house.open(path, { reap_interval_ms: 20 });
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
  await expect.poll(() => house.notices.at(-1), { interval: 20 }).toContain('can be written again');
  expect(house.notices).toHaveLength(2);
});

describe('a power cut', () => {
  const { fdatasync } = fs;
  afterEach(() => {
    fs.fdatasync = fdatasync;
    syncBuiltinESMExports();
  });

  /** Left of a directory where these bytes of the newest segment did not reach the disk, opened anew. */
  function without(path: string, from: number, to: number): Promise<EmbeddedLedger> {
    const next = house.place();
    cpSync(path, next, { recursive: true });
    rmSync(join(next, 'lock'));
    const fd = openSync(newest(next), 'r+');
    writeSync(fd, Buffer.alloc(to - from), 0, to - from, from);
    fs.closeSync(fd);
    return house.open(next);
  }
  test.each(['always', 'group'] as const)(
    'in the middle of a flush leaves a torn end, whatever came through of it (fsync: %s)',
    async (fsync) => {
      const path = house.place();
      const ledger = await house.open(path, { fsync, segment_bytes_max: 1e6 });
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
      expect(house.notices.join()).toContain('cut off');
      await expect(without(path, began, began + 30)).rejects.toThrow('damaged at byte');
    },
  );
});

test('a segment lies on the disk whole when another one begins: entries are read out of all of them (fsync: always)', async () => {
  const path = house.place();
  const ledger = await house.open(path, { fsync: 'always', entries_bytes_max: 1e9 });
  const { fdatasync, fdatasyncSync, renameSync } = fs;
  const flushed = new Map<number, number>();
  const seen = ({ ino, size }: fs.Stats) => flushed.set(ino, size);
  fs.fdatasync = ((fd: number, done: (error: Error | null) => void) => {
    const at = fstatSync(fd);
    fdatasync(fd, (error) => {
      seen(at);
      done(error);
    });
  }) as typeof fs.fdatasync;
  fs.fdatasyncSync = (fd) => {
    fdatasyncSync(fd);
    seen(fstatSync(fd));
  };
  const left: number[] = [];
  fs.renameSync = (from, to) => {
    const { ino, size } = fs.statSync(newest(path));
    left.push(size - (flushed.get(ino) ?? 0));
    renameSync(from, to);
  };
  syncBuiltinESMExports();
  try {
    await spend(ledger, 'a', () => left.length === 3);
    expect(left).toEqual([0, 0, 0]);
  } finally {
    Object.assign(fs, { fdatasync, fdatasyncSync, renameSync });
    syncBuiltinESMExports();
  }
});
