import fs, { cpSync, existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fileSink, openSpool, openTrail, type Spool } from '../../src/observe/index.ts';
import { parseHead } from '../../src/observe/trail/head.ts';
import { parseLine, recordOf } from '../../src/observe/trail/line.ts';
import { openEmbeddedQueue } from '../../src/stores/index.ts';
import { intent, record, temporary, until } from './records.ts';

/** Puts another function in place of one of `node:fs`, for everybody, until the test is over. */
function instead<Name extends 'openSync' | 'fsyncSync' | 'fdatasyncSync' | 'writeFileSync'>(
  name: Name,
  make: (real: (typeof fs)[Name]) => (typeof fs)[Name],
) {
  const real = fs[name];
  const put = (one: (typeof fs)[Name]): void => {
    fs[name] = one;
    syncBuiltinESMExports();
  };
  put(make(real));
  onTestFinished(() => put(real));
}

function open(path: string, segment_bytes_max: number, fsync: 'group' | 'always' = 'group'): Spool {
  const spool = openSpool({
    path,
    spoolId: 'one',
    fsync,
    segment_bytes_max,
    reserve_bytes: 4096,
    clock: Date.now,
  });
  onTestFinished(() => spool.close());
  return spool;
}

function exchanges(dir: string): string[] {
  const texts = readdirSync(dir)
    .filter((name) => /^segment-\d+\.jsonl$/.test(name))
    .sort()
    .flatMap((name) => readFileSync(join(dir, name), 'utf8').split('\n'));
  return texts.flatMap((text) => {
    const line = parseLine(text);
    return line === undefined ? [] : [`${line.seq} ${recordOf(line).exchange} ${recordOf(line).ending}`];
  });
}

test('a segment that is begun while descriptors are used up is the one that is written, also to the next process', async () => {
  const [path, copy] = [temporary(), temporary()];
  const spool = open(path, 2000);
  await spool.begin(intent('a'));
  let usedUp = true;
  instead('openSync', (real) => (path, ...how) => {
    if (usedUp && String(path).endsWith('.jsonl') && existsSync(path)) {
      throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
    }
    return real(path, ...how);
  });
  await spool.end(record('a'));
  await spool.end(record('b'));
  await spool.end(record('c'));
  await spool.begin(intent('d'));
  usedUp = false;
  // As kill -9 leaves it.
  cpSync(path, copy, { recursive: true });
  rmSync(join(copy, 'spools', 'one', 'lock'));
  const next = open(copy, 1 << 20);
  expect(next.found).toMatchObject({ lost: 1, cut_bytes: 0, missing: 0 });
  expect(exchanges(next.dir)).toEqual(['1 a complete', '2 b complete', '3 c complete', '4 d lost']);
});

test.each(['group', 'always'] as const)('a new segment survives a power cut by its name too (%s)', async (fsync) => {
  const spool = open(temporary(), 2000, fsync);
  const synced: string[] = [];
  instead('fsyncSync', (real) => (fd) => {
    real(fd);
    synced.push(readlinkSync(`/proc/self/fd/${fd}`));
  });
  for (const name of ['a', 'b', 'c']) await spool.end(record(name));
  expect(spool.current.number).toBeGreaterThan(1);
  expect(synced).toContain(realpathSync(spool.dir));
});

test('the signed end of a spool stays where a disk that is full does not take a newer one', async () => {
  const path = temporary();
  const queue = openEmbeddedQueue({ attempts: 1, backoff_ms: 1 });
  const trail = await openTrail({ path, spoolId: 'one', sinks: [], queue, head_ms: 20 });
  onTestFinished(() => trail.close(0));
  const file = join(path, 'spools', 'one', 'head.json');
  await trail.end(record('a'));
  await until(() => existsSync(file) && parseHead(readFileSync(file, 'utf8'))?.seq === 1);
  let tries = 0;
  instead('writeFileSync', (real) => (target, data, how) => {
    if (!String(target).includes('head.json')) return real(target, data, how);
    tries += 1;
    fs.closeSync(fs.openSync(target as string, 'w'));
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  });
  await trail.end(record('b'));
  await until(() => tries > 1);
  expect(parseHead(readFileSync(file, 'utf8'))).toMatchObject({ seq: 1 });
});

test('a record that was written and could not be synced is carried to its sink all the same', async () => {
  const dir = temporary();
  const trail = await openTrail({
    path: join(dir, 'data'),
    spoolId: 'one',
    fsync: 'always',
    sinks: [fileSink(join(dir, 'audit'))],
    queue: openEmbeddedQueue({ attempts: 1, backoff_ms: 1 }),
    linger_ms: 1,
  });
  onTestFinished(() => trail.close(0));
  let broken = true;
  instead('fdatasyncSync', (real) => (fd) => {
    if (broken) throw Object.assign(new Error('EIO'), { code: 'EIO' });
    return real(fd);
  });
  await trail.end(record('a'));
  broken = false;
  await until(() => trail.state().waiting === 0 && trail.state().accepting);
});
