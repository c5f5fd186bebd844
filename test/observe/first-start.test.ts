import { createHmac } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openSpool, type Spool } from '../../src/observe/index.ts';
import { openKeys } from '../../src/observe/trail/keys.ts';
import { parseLine } from '../../src/observe/trail/line.ts';
import { mountSmallDisk, noMount } from '../support/small-disk.ts';
import { record, temporary } from './records.ts';

function open(path: string): Spool {
  const spool = openSpool({
    path,
    spoolId: 'one',
    fsync: 'group',
    segment_bytes_max: 1 << 20,
    reserve_bytes: 16_384,
    clock: Date.now,
  });
  onTestFinished(() => spool.close());
  return spool;
}

/** What anybody can compute who has the text. */
const unkeyed = (text: string) => createHmac('sha256', '').update(text).digest('hex');

async function works(path: string): Promise<void> {
  const spool = open(path);
  await spool.end(record('a'));
  const segment = readFileSync(join(spool.dir, 'segment-00000001.jsonl'), 'utf8');
  expect(parseLine(segment.trim().split('\n').at(-1) ?? '')?.spool).toBe(spool.id);
  expect(spool.keys.textHash('x')).not.toBe(unkeyed('x'));
  expect(spool.keys.textHash('x')).toBe(openKeys(path).textHash('x'));
  spool.close();
}

describe('a first start', () => {
  test.skipIf(noMount !== undefined)(
    'on a disk that is full after any of its files leaves nothing that a later one stumbles over',
    async () => {
      const root = temporary();
      const disk = mountSmallDisk(root, 1);
      onTestFinished(() => disk.unmount());
      for (let pages = 0; pages < 9; pages += 1) {
        const rooms = Array.from({ length: pages }, (_, at) => join(root, `room-${at}`));
        for (const room of rooms) writeFileSync(room, Buffer.alloc(4096));
        disk.fill();
        for (const room of rooms) rmSync(room);
        const path = join(root, `start-${pages}`);
        let full: unknown;
        try {
          const spool = open(path);
          await spool.end(record('a'));
          spool.close();
        } catch (error) {
          full = error;
        }
        if (pages === 0) expect(full).toMatchObject({ code: 'ENOSPC' });
        disk.free();
        await works(path);
        rmSync(path, { recursive: true });
      }
    },
  );

  test('goes on where an older version left files that it could not write', async () => {
    for (const name of ['signing.pem', 'text.key']) {
      const path = temporary();
      mkdirSync(join(path, 'keys'));
      writeFileSync(join(path, 'keys', name), '');
      await works(path);
    }
  });

  test('files no person under a key that everybody has', () => {
    const path = temporary();
    open(path).close();
    writeFileSync(join(path, 'keys', 'subjects-one.jsonl'), '{}\n');
    truncateSync(join(path, 'keys', 'text.key'));
    expect(() => open(path)).toThrow(/text\.key is empty/);
  });

  test('keeps its name, though the file that tells it was cut anywhere', () => {
    const path = temporary();
    const spool = open(path);
    void spool.end(record('a'));
    spool.close();
    const file = join(spool.dir, 'spool.json');
    for (let size = statSync(file).size - 2; size >= 0; size -= 7) {
      truncateSync(file, size);
      const again = open(path);
      expect(again.id).toBe(spool.id);
      again.close();
    }
  });
});
