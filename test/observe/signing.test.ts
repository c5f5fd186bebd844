import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fileSink, openTrail, type Sink, type Trail, verifyTrail } from '../../src/observe/index.ts';
import { parseLine, sha256 } from '../../src/observe/trail/line.ts';
import { signingOf } from '../../src/observe/trail/signing.ts';
import { openEmbeddedQueue } from '../../src/stores/index.ts';
import { record, temporary, until } from './records.ts';

const start_ms = Date.UTC(2026, 2, 5, 10);
const minute = 60_000;

interface House {
  readonly dir: string;
  readonly trail: Trail;
  /** Moves the clock on. */
  later(ms: number): void;
  /** Appends records and waits until the trail has them. */
  put(count: number): Promise<void>;
}

/** A sink that does not get to write its positions down. */
function withoutSeals(inner: Sink): Sink {
  return {
    name: inner.name,
    ...(inner.place === undefined ? {} : { place: inner.place }),
    write: (batch, how) => inner.write(batch, how),
    seal: () => Promise.reject(new Error('no room')),
    close: () => inner.close(),
  };
}

async function house(dir = temporary(), at_ms = start_ms, sink = fileSink(join(dir, 'audit'))): Promise<House> {
  let now = at_ms;
  let count = 0;
  const trail = await openTrail({
    path: join(dir, 'data'),
    spoolId: 'one',
    sinks: [sink],
    queue: openEmbeddedQueue({ attempts: 1, backoff_ms: 1 }),
    linger_ms: 1,
    retry_ms: 1,
    reserve_bytes: 8192,
    clock: () => now,
  });
  onTestFinished(() => trail.close(0));
  return {
    dir,
    trail,
    later: (ms) => {
      now += ms;
    },
    put: async (more) => {
      for (let at = 0; at < more; at++) await trail.end(record(`x${++count}-${now}`));
      await until(() => trail.state().waiting === 0);
    },
  };
}

/** The trail and the public keys alone, as an auditor has them. */
function auditorsCopy({ dir }: House): string {
  const copy = temporary();
  cpSync(join(dir, 'audit'), join(copy, 'audit'), { recursive: true });
  mkdirSync(join(copy, 'data', 'keys'), { recursive: true });
  for (const name of readdirSync(join(dir, 'data', 'keys')).filter((one) => one.endsWith('.pub.pem'))) {
    cpSync(join(dir, 'data', 'keys', name), join(copy, 'data', 'keys', name));
  }
  return copy;
}

const heads = (dir: string) => join(dir, 'audit', 'heads.jsonl');
/** It comes just behind the first record. */
async function firstHead(dir: string): Promise<string> {
  await until(() => existsSync(heads(dir)) && readFileSync(heads(dir), 'utf8').endsWith('\n'));
  return readFileSync(heads(dir), 'utf8').split('\n')[0] ?? '';
}
const cursor = (dir: string) => join(dir, 'data', 'spools', 'one', 'cursor-file.json');
const verify = (dir: string, now_ms: number) => verifyTrail(join(dir, 'audit'), join(dir, 'data'), { now_ms });

/** As if nobody had signed anything yet. */
function withoutPositions(dir: string): void {
  for (const file of [heads(dir), cursor(dir)]) rmSync(file, { force: true });
}

describe('records that no signed position vouches for', () => {
  test('are not signed yet where they just came: between the first ones and the first position nobody cries wolf', async () => {
    const one = await house();
    await one.put(3);
    await one.trail.close();
    withoutPositions(one.dir);
    rmSync(join(one.dir, 'data', 'spools', 'one', 'head.json'));
    const report = await verify(one.dir, start_ms + minute);
    expect(report).toMatchObject({ ok: true, problems: [] });
    expect(report.spools).toMatchObject([{ records: 3, vouched_seq: 0, unsigned: 3, signing: 'not_yet' }]);
  });

  test('are a problem once a position was due, and before where they claim to come from a spool that is not there', async () => {
    const one = await house();
    await one.put(3);
    await one.trail.close();
    withoutPositions(one.dir);
    rmSync(join(one.dir, 'data', 'spools', 'one', 'head.json'));
    const problem = { kind: 'unsigned', seq: 1, detail: 'No signed position vouches for this spool' };
    expect(await verify(one.dir, start_ms + 3 * minute)).toMatchObject({
      ok: false,
      problems: [problem],
      spools: [{ signing: 'overdue' }],
    });
    // Records that claim to come from tomorrow do not wait for it.
    expect((await verify(one.dir, start_ms - 24 * 60 * minute)).ok).toBe(false);
    writeFileSync(join(one.dir, 'data', 'spools', 'one', 'spool.json'), '{"id":"one.another"}');
    const strange = await verify(one.dir, start_ms);
    expect(strange.problems).toMatchObject([{ kind: 'unsigned', detail: /knows none of its name/ }]);
  });

  test('wait for the next minute where they came long after the last signature', async () => {
    const one = await house();
    await one.put(1);
    const head = await firstHead(one.dir);
    one.later(30 * minute);
    await one.put(2);
    await one.trail.close();
    const copy = auditorsCopy(one);
    writeFileSync(heads(copy), `${head}\n`);
    // Signed at the start, half an hour ago; the others came just now.
    expect((await verify(copy, start_ms + 30 * minute)).spools).toMatchObject([{ unsigned: 2, signing: 'not_yet' }]);
  });

  test('are told and are no problem where their process ended within the minute and nothing came after', async () => {
    const one = await house();
    await one.put(1);
    const head = await firstHead(one.dir);
    one.later(minute / 2);
    await one.put(3);
    await one.trail.close();
    const copy = auditorsCopy(one);
    writeFileSync(heads(copy), `${head}\n`);
    const report = await verify(copy, start_ms + 600 * minute);
    expect(report).toMatchObject({ ok: true, problems: [] });
    expect(report.spools).toMatchObject([{ last_seq: 4, vouched_seq: 1, unsigned: 3, signing: 'ended' }]);
  });

  test('are a problem where later ones show that the moment to sign them had long passed', async () => {
    const one = await house();
    await one.put(1);
    const head = await firstHead(one.dir);
    for (let round = 0; round < 4; round++) {
      one.later(minute);
      await one.put(1);
    }
    await one.trail.close();
    const copy = auditorsCopy(one);
    expect((await verify(copy, start_ms + 600 * minute)).spools).toMatchObject([{ unsigned: 0, signing: 'complete' }]);
    writeFileSync(heads(copy), `${head}\n`);
    const report = await verify(copy, start_ms + 600 * minute);
    expect(report.problems).toMatchObject([{ kind: 'unsigned', detail: /though several were due/ }]);
    expect(report.spools).toMatchObject([{ signing: 'overdue' }]);
  });
});

describe('whoever drops the signed positions', () => {
  test('is found out though the trail is whole', async () => {
    const one = await house();
    await one.put(5);
    await one.trail.close();
    rmSync(heads(one.dir));
    const report = await verify(one.dir, start_ms + 3 * minute);
    expect(report.problems).toMatchObject([
      { kind: 'unsigned', file: heads(one.dir), detail: /are gone from here; .* of record 5/ },
    ]);
    // With the data directory's own as well.
    rmSync(cursor(one.dir));
    rmSync(join(one.dir, 'data', 'spools', 'one', 'head.json'));
    expect((await verify(one.dir, start_ms + 3 * minute)).problems).toMatchObject([{ kind: 'unsigned', seq: 1 }]);
    expect((await verify(auditorsCopy(one), start_ms + 3 * minute)).problems).toMatchObject([{ kind: 'unsigned' }]);
  });

  test('and cuts or writes the trail anew is found out at once, young as it may look', async () => {
    const one = await house();
    await one.put(5);
    await one.trail.close();
    rmSync(heads(one.dir));
    const [name = ''] = readdirSync(join(one.dir, 'audit'));
    const file = join(one.dir, 'audit', name);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.split('\n').slice(0, 3).join('\n').concat('\n'));
    expect((await verify(one.dir, start_ms)).problems).toMatchObject([{ kind: 'truncated', seq: 4 }]);
  });

  test('and the place of the sink with them is found out by the signed end of the spool', async () => {
    const one = await house();
    await one.put(5);
    await one.trail.close();
    withoutPositions(one.dir);
    const [name = ''] = readdirSync(join(one.dir, 'audit'));
    const file = join(one.dir, 'audit', name);
    expect((await verify(one.dir, start_ms)).spools).toMatchObject([{ vouched_seq: 5, signing: 'complete' }]);
    // The last record written anew, with the hash that belongs to it: nothing in the chain itself is wrong.
    const text = readFileSync(file, 'utf8');
    const last = parseLine(text.trim().split('\n').at(-1) ?? '')!;
    const covered = last.line.slice(0, last.covered).replace('"cost_nusd":', '"cost_nusd":1');
    const anew = `${covered},"hash":"${sha256(covered)}","personal":${last.personalJson}}`;
    writeFileSync(file, text.replace(last.line, anew));
    expect((await verify(one.dir, start_ms)).problems).toMatchObject([
      { kind: 'edited', line: 5, detail: 'A signed position tells another hash' },
    ]);
  });
});

test('a signature that is missed is told from one that is not due, by the times of records and of the newest signature', () => {
  const hour = 60 * minute;
  const run = (first_ms: number, last_ms: number, old_ms = last_ms) => ({ count: 2, first_ms, last_ms, old_ms });
  const now = 10 * hour;
  const told = (unsigned: Parameters<typeof signingOf>[0], signed_ms?: number) => signingOf(unsigned, signed_ms, now);
  expect(told(undefined)).toBe('complete');
  // What came during an hour's outage of the sink is carried to it just now.
  expect(told(run(now - hour, now - minute), now - 1000)).toBe('not_yet');
  expect(told(run(now - hour, now - 3 * minute), now - hour - 1)).toBe('overdue');
  // Killed an hour ago, started again just now.
  expect(told(run(now - hour, now - 1000, now - hour + 5000), now - hour - 1)).toBe('ended');
  expect(told(run(now - minute, now), now - 5 * hour)).toBe('not_yet');
  // A signature of tomorrow is none to wait for, nor is a record.
  expect(told(run(now - hour, now - 3 * minute), now + 24 * hour)).toBe('overdue');
  expect(told(run(now - minute, now))).toBe('not_yet');
  expect(told(run(now - minute, now + hour))).toBe('overdue');
  expect(told(run(now - hour, now - hour))).toBe('overdue');
});

describe('verifying beside a gateway at work', () => {
  test('a sink that could not write its positions is vouched for by the data directory', async () => {
    const dir = temporary();
    const one = await house(dir, start_ms, withoutSeals(fileSink(join(dir, 'audit'))));
    await one.put(3);
    await one.trail.close();
    expect((await verify(dir, start_ms)).spools).toMatchObject([{ vouched_seq: 3, signing: 'complete' }]);
  });

  test('a line that is being written, and a position that comes behind it, are waited for', async () => {
    const one = await house(temporary(), Date.now());
    await one.put(3);
    await one.trail.close();
    const [name = ''] = readdirSync(join(one.dir, 'audit')).filter((each) => each.startsWith('audit-'));
    const file = join(one.dir, 'audit', name);
    const text = readFileSync(file, 'utf8');
    const torn = `${text}${text.slice(0, 40)}`;
    writeFileSync(file, torn);
    const report = verifyTrail(join(one.dir, 'audit'), join(one.dir, 'data'));
    setTimeout(() => writeFileSync(file, text), 100);
    expect(await report).toMatchObject({ ok: true, records: 3 });
    // One that stays is what a process leaves that was killed while it wrote.
    writeFileSync(file, torn);
    expect((await verifyTrail(join(one.dir, 'audit'), join(one.dir, 'data'))).problems).toMatchObject([
      { kind: 'truncated', line: 4, detail: 'The last line has no end' },
    ]);
  });
});
