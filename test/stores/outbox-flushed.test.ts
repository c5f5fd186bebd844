import fs, { fstatSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Message, Outbox } from '../../src/stores/redis/outbox.ts';

const { fdatasync, fdatasyncSync, fsyncSync, renameSync } = fs;
const message = (id: string): Message => ({
  op: 'settle',
  id,
  organization: 'acme',
  nusd: 7,
  tokens: 1,
  estimated: false,
  at_ms: 0,
});

let home: string;
let path: string;
let notices: string[];
/** Bytes of files that are on the disk, by their numbers. */
let flushed: Map<number, number>;
/** Bytes on the disk of what takes the place of another file, and all of them. */
let replaced: { readonly on_disk: number; readonly size: number }[];
let failing: number;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'outbox-'));
  path = join(home, 'outbox');
  notices = [];
  flushed = new Map();
  replaced = [];
  failing = 0;
  const flush = (fd: number): void => {
    if (failing-- > 0) throw new Error('EIO: i/o error');
    const { ino, size } = fstatSync(fd);
    flushed.set(ino, size);
  };
  fs.fdatasyncSync = flush;
  fs.fsyncSync = flush;
  fs.fdatasync = ((fd: number, done: (error: Error | null) => void) => {
    try {
      flush(fd);
      setImmediate(done, null);
    } catch (error) {
      setImmediate(done, error as Error);
    }
  }) as typeof fs.fdatasync;
  fs.renameSync = (from, to) => {
    const { ino, size } = statSync(from);
    replaced.push({ on_disk: flushed.get(ino) ?? 0, size });
    renameSync(from, to);
  };
  syncBuiltinESMExports();
});
afterEach(() => {
  Object.assign(fs, { fdatasync, fdatasyncSync, fsyncSync, renameSync });
  syncBuiltinESMExports();
  rmSync(home, { recursive: true });
});
const open = () => new Outbox(path, (text) => notices.push(text));
const onDisk = () => flushed.get(statSync(path).ino);

test('what waits is on the disk soon, and before it takes the place of lines that are there', async () => {
  const first = open();
  for (const id of ['a', 'b']) await first.keep(message(id));
  await expect.poll(onDisk).toBe(statSync(path).size);
  first.close();
  const second = open();
  expect(second.waiting().map(({ id }) => id)).toEqual(['a', 'b']);
  expect(replaced.length).toBeGreaterThan(0);
  for (const { on_disk, size } of replaced) expect(on_disk).toBe(size);
  second.close();
});

test('after a flush that failed all that waits goes into another file, which is told', async () => {
  const outbox = open();
  await outbox.keep(message('a'));
  const { ino } = statSync(path);
  failing = 2;
  await expect.poll(() => statSync(path).ino, { timeout: 5_000 }).not.toBe(ino);
  await outbox.keep(message('b'));
  await expect.poll(onDisk).toBe(statSync(path).size);
  expect(readFileSync(path, 'utf8').match(/"id":"."/g)).toEqual(['"id":"a"', '"id":"b"']);
  await expect
    .poll(() => notices)
    .toEqual(['the outbox cannot be flushed: EIO: i/o error', 'the outbox is written again']);
  outbox.close();
});

test('a flush that fails as it is closed is told, and the next process finds it free', async () => {
  const outbox = open();
  await outbox.keep(message('a'));
  failing = 1;
  outbox.close();
  expect(notices).toEqual(['the outbox cannot be flushed: EIO: i/o error']);
  const next = open();
  expect(next.waiting()).toHaveLength(1);
  next.close();
});
