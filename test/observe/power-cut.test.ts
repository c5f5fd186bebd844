import fs, { cpSync, fstatSync, readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { fileSink, openSpool, type Spool } from '../../src/observe/index.ts';
import { parsedLine, parseLine, recordOf } from '../../src/observe/trail/line.ts';
import { listSegments, segmentFile } from '../../src/observe/trail/segment.ts';
import { intent, record, temporary, until } from './records.ts';

const { fdatasync, fdatasyncSync, renameSync } = fs;
/** Bytes of files that are on the disk, by their numbers. */
let flushed: Map<number, number>;
/** What becomes of flushes in the background. */
let background: 'done' | 'never' | 'failed';
let asked: number;
/** What happens just after a new segment has its name. */
let named: () => void;

beforeEach(() => {
  flushed = new Map();
  background = 'done';
  asked = 0;
  named = () => {};
  fs.fdatasync = ((fd: number, done: (error: Error | null) => void) => {
    asked += 1;
    const { ino, size } = fstatSync(fd);
    if (background === 'done') flushed.set(ino, size);
    if (background !== 'never') setImmediate(done, background === 'failed' ? new Error('EIO: fdatasync') : null);
    if (background === 'failed') background = 'done';
  }) as typeof fs.fdatasync;
  fs.fdatasyncSync = (fd) => {
    const { ino, size } = fstatSync(fd);
    flushed.set(ino, size);
  };
  fs.renameSync = (from, to) => {
    renameSync(from, to);
    if (/segment-\d+\.jsonl$/.test(String(to))) named();
  };
  syncBuiltinESMExports();
});
afterEach(() => {
  Object.assign(fs, { fdatasync, fdatasyncSync, renameSync });
  syncBuiltinESMExports();
});

interface Opened {
  readonly spool: Spool;
  readonly states: boolean[];
}

function open(path: string, segment_bytes_max: number, fsync: 'group' | 'always' = 'group'): Opened {
  const states: boolean[] = [];
  const spool = openSpool({
    path,
    spoolId: 'one',
    fsync,
    segment_bytes_max,
    reserve_bytes: 4096,
    clock: Date.now,
    onState: (accepting) => states.push(accepting),
  });
  onTestFinished(() => spool.close());
  return { spool, states };
}

/** What is there after a power cut. */
function afterCut(path: string): string {
  const next = temporary();
  cpSync(path, next, { recursive: true });
  const [from, to] = [path, next].map((one) => join(one, 'spools', 'one')) as [string, string];
  fs.rmSync(join(to, 'lock'));
  for (const number of listSegments(from)) {
    truncateSync(segmentFile(to, number), flushed.get(statSync(segmentFile(from, number)).ino) ?? 0);
  }
  return next;
}

function exchanges(path: string): string[] {
  const dir = join(path, 'spools', 'one');
  const texts = readdirSync(dir)
    .filter((name) => /^segment-\d+\.jsonl$/.test(name))
    .sort()
    .flatMap((name) => readFileSync(join(dir, name), 'utf8').split('\n'));
  return texts.flatMap((text) => {
    const line = parseLine(text);
    return line === undefined ? [] : [`${line.seq} ${recordOf(line).exchange} ${recordOf(line).ending}`];
  });
}

test.each(['done', 'never'] as const)(
  'a power cut just after a new segment began leaves the end of the one before it (a flush under way: %s)',
  async (how) => {
    const path = temporary();
    const { spool } = open(path, 4_000);
    let cut = '';
    named = () => {
      cut = afterCut(path);
    };
    await spool.begin(intent('a'));
    background = how;
    await until(() => asked > 0);
    const ended: string[] = [];
    for (let at = 1; cut === ''; at += 1) {
      await spool.end(record(`x${at}`));
      ended.push(`${at} x${at} complete`);
    }
    const { spool: next } = open(cut, 1e6);
    expect(next.found).toMatchObject({ lost: 1, missing: 0 });
    expect(exchanges(cut)).toEqual([...ended, `${ended.length + 1} a lost`]);
  },
);

test.each(['group', 'always'] as const)(
  'after a flush that failed another segment goes on, which is told, and a power cut takes nothing of it (fsync: %s)',
  async (fsync) => {
    const path = temporary();
    const { spool, states } = open(path, 1e6, fsync);
    await spool.begin(intent('live'));
    if (fsync === 'group') background = 'failed';
    else {
      const sync = fs.fdatasyncSync;
      fs.fdatasyncSync = () => {
        fs.fdatasyncSync = sync;
        syncBuiltinESMExports();
        throw new Error('EIO: fdatasync');
      };
      syncBuiltinESMExports();
    }
    await spool.end(record('in'));
    await until(() => spool.current.number === 2 && spool.state.accepting);
    expect(states).toEqual([false, true]);
    // The system let go of it.
    flushed.set(statSync(segmentFile(spool.dir, 1)).ino, 0);
    await spool.begin(intent('after'));
    await spool.end(record('after'));
    asked = 0;
    await until(() => asked > 0 || fsync === 'always');
    const cut = afterCut(path);
    open(cut, 1e6);
    expect(exchanges(cut)).toEqual(['2 after complete', '3 live lost']);
  },
);

test('a sink has on the disk what it takes for there already: who wrote it may have been killed before it flushed', async () => {
  const { spool } = open(temporary(), 1e6);
  for (const name of ['a', 'b']) await spool.end(record(name));
  const text = readFileSync(segmentFile(spool.dir, 1), 'utf8');
  const records = text.split('\n').flatMap((line) => (line.startsWith('{"v":1') ? [parsedLine(line)] : []));
  const audit = temporary();
  const handle = await openFile(segmentFile(spool.dir, 1));
  const synced: string[] = [];
  const of = (how: string) =>
    async function (this: typeof handle): Promise<void> {
      synced.push(`${how} ${fs.readlinkSync(`/proc/self/fd/${this.fd}`)}`);
    };
  const kind = Object.getPrototypeOf(handle) as typeof handle;
  for (const how of ['datasync', 'sync'] as const) {
    const spy = vi.spyOn(kind, how).mockImplementation(of(how));
    onTestFinished(() => spy.mockRestore());
  }
  await handle.close();
  await fileSink(audit).write(records);
  const at = fs.realpathSync(audit);
  const all = [expect.stringMatching(`^datasync ${at}/audit-.*jsonl$`), `sync ${at}`];
  expect(synced).toEqual(all);
  await fileSink(audit).write(records);
  expect(synced).toEqual([...all, ...all]);
});
