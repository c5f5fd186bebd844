import { appendFileSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  fileSink,
  listAside,
  openTrail,
  queryTrail,
  type Sink,
  type SpooledRecord,
  type Trail,
  verifyTrail,
} from '../../src/observe/index.ts';
import { type JobQueue, openBullQueue, openEmbeddedQueue } from '../../src/stores/index.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { intent, record, temporary, until } from './records.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

let queues = 0;
const tries = { attempts: 2, backoff_ms: 1 };
const kinds: Record<string, () => JobQueue | Promise<JobQueue>> = {
  'the embedded queue': () => openEmbeddedQueue(tries),
  BullMQ: () => openBullQueue({ ...tries, url: redis.url, name: `delivery-${++queues}`, prefix: '{llm}' }),
};

/** A file sink that refuses what it is told to, and counts how often it was asked. */
function fussySink(dir: string): Sink & { refuses: (batch: readonly SpooledRecord[]) => boolean; asked: number } {
  const inner = fileSink(dir);
  const sink = {
    name: inner.name,
    place: inner.place ?? '',
    refuses: (_batch: readonly SpooledRecord[]) => false,
    asked: 0,
    write(batch: readonly SpooledRecord[], how?: { readonly late: boolean }) {
      sink.asked += 1;
      return sink.refuses(batch) ? Promise.reject(new Error('this sink does not take it')) : inner.write(batch, how);
    },
    seal: (head: Parameters<NonNullable<Sink['seal']>>[0]) => inner.seal?.(head) ?? Promise.resolve(),
    close: () => inner.close(),
  };
  return sink;
}

async function open(dir: string, sink: Sink, queue: JobQueue, spoolId = 'one'): Promise<Trail> {
  const trail = await openTrail({
    path: join(dir, 'data'),
    spoolId,
    sinks: [sink],
    queue,
    linger_ms: 1,
    retry_ms: 1,
    retry_ms_max: 20,
    segment_bytes_max: 20_000,
  });
  onTestFinished(() => trail.close(0));
  return trail;
}

function put(trail: Trail, from: number, count: number, name = 'x'): void {
  for (let at = from; at < from + count; at++) {
    void trail.begin(intent(`${name}${at}`));
    void trail.end(record(`${name}${at}`));
  }
}

async function delivered(dir: string): Promise<string[]> {
  const seen: string[] = [];
  for await (const one of queryTrail(join(dir, 'audit'), {})) seen.push(one.record.exchange);
  return seen;
}

const names = (count: number, name = 'x') => Array.from({ length: count }, (_, at) => `${name}${at}`);
const verify = (dir: string) => verifyTrail(join(dir, 'audit'), join(dir, 'data'));

test('a sink that never answers keeps nobody from ending, and has its records from who comes next', async () => {
  const dir = temporary();
  const sink = fussySink(join(dir, 'audit'));
  const asked = new Promise<void>((resolve) => {
    sink.write = () => {
      resolve();
      return new Promise(() => {});
    };
  });
  const stuck = await open(dir, sink, openEmbeddedQueue(tries));
  put(stuck, 0, 3);
  await asked;
  put(stuck, 3, 2);
  await stuck.close(100);
  const next = await open(dir, fileSink(join(dir, 'audit')), openEmbeddedQueue(tries));
  await until(() => next.state().waiting === 0);
  await next.close();
  expect(await delivered(dir)).toEqual(names(5));
  expect(await verify(dir)).toMatchObject({ ok: true, records: 5 });
});

describe.each(Object.entries(kinds))('delivery over %s', { timeout: 180_000 }, (_kind, makeQueue) => {
  test('a sink that is dead for a long while loses nothing: all arrives once, and the chain holds in its order', async () => {
    const dir = temporary();
    const sink = fussySink(join(dir, 'audit'));
    const trail = await open(dir, sink, await makeQueue());
    put(trail, 0, 20);
    await until(() => trail.state().delivered.file === 20);
    sink.refuses = () => true;
    let made = 20;
    const bytes = trail.state().bytes;
    while (sink.asked < 40) {
      put(trail, made, 5);
      made += 5;
      await new Promise((later) => setTimeout(later, 5));
    }
    expect(trail.state()).toMatchObject({ delivered: { file: 20 }, waiting: made - 20, aside: { file: 0 } });
    expect(trail.state().bytes).toBeGreaterThan(bytes);
    expect(listAside(join(dir, 'data'))).toEqual([]);
    sink.refuses = () => false;
    await until(() => trail.state().waiting === 0);
    expect(trail.state().failed.file).toBeGreaterThan(0);
    await trail.close();
    // One that was suspected just as the sink came back lies beside the others; in the chain it has its place.
    expect((await delivered(dir)).sort()).toEqual(names(made).sort());
    expect(listAside(join(dir, 'data'))).toEqual([]);
    expect(await verify(dir)).toMatchObject({ ok: true, records: made });
  });

  test('a record the sink will not take is set aside and told; the others go on, and it is taken when tried again', async () => {
    const dir = temporary();
    const sink = fussySink(join(dir, 'audit'));
    sink.refuses = (batch) => batch.some(({ seq }) => seq === 13);
    const trail = await open(dir, sink, await makeQueue());
    put(trail, 0, 40);
    await until(() => trail.state().waiting === 0);
    expect(trail.state()).toMatchObject({ delivered: { file: 39 }, aside: { file: 1 } });
    const [aside, ...more] = listAside(join(dir, 'data'));
    expect(more).toEqual([]);
    expect(aside).toMatchObject({ spool: 'one', sink: 'file', seq: 13, reason: 'this sink does not take it' });
    expect((await delivered(dir)).length).toBe(39);
    // Whoever checks the trail meanwhile is told that it is not there.
    expect((await verify(dir)).problems).toMatchObject([{ kind: 'removed', seq: 13 }]);
    expect(await trail.retryAside()).toBe(0);
    expect(listAside(join(dir, 'data'))).toHaveLength(1);
    sink.refuses = () => false;
    expect(await trail.retryAside()).toBe(1);
    expect(await trail.retryAside()).toBe(0);
    expect(listAside(join(dir, 'data'))).toEqual([]);
    put(trail, 40, 5);
    await until(() => trail.state().waiting === 0);
    await trail.close();
    expect((await delivered(dir)).sort()).toEqual(names(45).sort());
    expect(await verify(dir)).toMatchObject({ ok: true, records: 45 });
  });

  test('a sink that comes back just after it refused a record gets it all the same', async () => {
    const dir = temporary();
    const sink = fussySink(join(dir, 'audit'));
    // Down until the record after the suspected one is tried.
    let down = true;
    sink.refuses = (batch) => {
      if (batch.length === 1 && batch[0]?.seq === 2) down = false;
      return down;
    };
    const trail = await open(dir, sink, await makeQueue());
    put(trail, 0, 3);
    await until(() => trail.state().waiting === 0);
    await trail.close();
    expect((await delivered(dir)).sort()).toEqual(names(3));
    expect(listAside(join(dir, 'data'))).toEqual([]);
    expect(await verify(dir)).toMatchObject({ ok: true, records: 3 });
  });

  test('what is set aside is still so for the next process on the spool', async () => {
    const dir = temporary();
    const sink = fussySink(join(dir, 'audit'));
    sink.refuses = (batch) => batch.some(({ seq }) => seq === 2);
    const trail = await open(dir, sink, await makeQueue());
    put(trail, 0, 4);
    await until(() => trail.state().aside.file === 1);
    await until(() => trail.state().waiting === 0);
    await trail.close();
    const next = await open(dir, fileSink(join(dir, 'audit')), await makeQueue());
    expect(next.state()).toMatchObject({ aside: { file: 1 }, waiting: 0 });
    expect(await next.retryAside()).toBe(1);
    await next.close();
    expect(await verify(dir)).toMatchObject({ ok: true, records: 4 });
  });

  test('the last record of a spool waits: nothing shows yet that the sink is not at fault', async () => {
    const dir = temporary();
    const sink = fussySink(join(dir, 'audit'));
    sink.refuses = (batch) => batch.some(({ seq }) => seq === 5);
    const trail = await open(dir, sink, await makeQueue());
    put(trail, 0, 5);
    await until(() => trail.state().waiting === 1);
    const { asked } = sink;
    await until(() => sink.asked > asked + 20);
    expect(trail.state()).toMatchObject({ waiting: 1, aside: { file: 0 } });
    put(trail, 5, 1);
    await until(() => trail.state().aside.file === 1);
    await until(() => trail.state().waiting === 0);
    await trail.close();
    expect((await delivered(dir)).length).toBe(5);
  });

  test('a line that a broken disk changed is set aside whole, and what follows is delivered', async () => {
    const dir = temporary();
    const sink = fussySink(join(dir, 'audit'));
    sink.refuses = () => true;
    const trail = await open(dir, sink, await makeQueue());
    for (let at = 0; at < 60; at++) {
      put(trail, at, 1);
      await new Promise((later) => setImmediate(later));
    }
    await trail.close(0);
    // In an older segment, and in the one that was written last, which an opening itself reads.
    const spool = join(dir, 'data', 'spools', 'one');
    for (const seq of ['"seq":3,', '"seq":59,']) {
      const [file = ''] = readdirSync(spool).filter((name) => readFileSync(join(spool, name), 'utf8').includes(seq));
      const text = readFileSync(join(spool, file), 'utf8');
      writeFileSync(join(spool, file), text.replace(seq, '"seq":x,'));
    }
    const next = await open(dir, fileSink(join(dir, 'audit')), await makeQueue());
    await until(() => next.state().waiting === 0);
    const reason = 'this line is no record any more';
    expect(listAside(join(dir, 'data'))).toMatchObject([
      { seq: 0, reason },
      { seq: 0, reason },
    ]);
    expect(next.state().aside).toEqual({ file: 2 });
    await next.close();
    // The opening knows that the exchange of the later one had begun, and tells that its record is lost.
    const whole = names(60).filter((name) => name !== 'x2' && name !== 'x58');
    expect(await delivered(dir)).toEqual([...whole, 'x58']);
    expect((await verify(dir)).ok).toBe(false);
  });

  test('two processes with one queue and one directory keep each record once, each spool in its order', async () => {
    const dir = temporary();
    const [one, other] = await Promise.all([
      open(dir, fileSink(join(dir, 'audit')), await makeQueue(), 'gateway'),
      open(dir, fileSink(join(dir, 'audit')), await makeQueue(), 'gateway-2'),
    ]);
    for (let round = 0; round < 10; round++) {
      put(one, round * 10, 10, 'a');
      put(other, round * 10, 10, 'b');
      await new Promise((later) => setTimeout(later, 3));
    }
    await until(() => one.state().waiting + other.state().waiting === 0);
    await Promise.all([one.close(), other.close()]);
    const seen = await delivered(dir);
    expect(seen.filter((name) => name.startsWith('a'))).toEqual(names(100, 'a'));
    expect(seen.filter((name) => name.startsWith('b'))).toEqual(names(100, 'b'));
    expect(await verify(dir)).toMatchObject({ ok: true, records: 200 });
  });
});

describe('what lies in Redis', { timeout: 180_000 }, () => {
  const queueOf = (name: string, more = {}) =>
    openBullQueue({ ...tries, url: redis.url, name, prefix: '{bounded}', ...more });
  const keysOf = (name: string) => redis.client().keys(`{bounded}:${name}*`);

  test('is bounded while a sink is dead: one batch, and the rest in the spool', async () => {
    const dir = temporary();
    const sink = fussySink(join(dir, 'audit'));
    sink.refuses = () => true;
    const trail = await open(dir, sink, await queueOf('dead'));
    for (let round = 0; round < 60 || sink.asked < 8; round++) {
      put(trail, round * 20, 20);
      await new Promise((later) => setTimeout(later, 2));
    }
    const keys = await keysOf('dead');
    const jobs = keys.filter((key) => key.includes('one.'));
    // The batch under way and what locks it; a batch that failed was taken out.
    expect(jobs.length).toBeLessThanOrEqual(2);
    expect(keys.length).toBeLessThanOrEqual(14);
    expect(trail.state().waiting).toBeGreaterThan(1000);
    sink.refuses = () => false;
    await until(() => trail.state().waiting === 0);
  });

  test('does not grow with the records: finished jobs are few, and old ones go', async () => {
    const dir = temporary();
    const queue = await queueOf('many', { keep_finished: 10 });
    const trail = await open(dir, fileSink(join(dir, 'audit')), queue);
    for (let batch = 1; batch <= 60; batch++) {
      put(trail, batch * 3, 3);
      await until(() => trail.state().delivered.file === batch * 3);
    }
    const keys = await keysOf('many');
    const jobs = keys.filter((key) => key.includes('one.'));
    expect(jobs.length).toBeGreaterThan(0);
    expect(jobs.length).toBeLessThanOrEqual(11);
    expect(keys.length).toBeLessThanOrEqual(25);
    expect(await redis.client().xlen('{bounded}:many:events')).toBeLessThan(300);
  });

  test('of finished jobs is nothing once their gateway has stopped: another one may never come', async () => {
    const dir = temporary();
    const trail = await open(dir, fileSink(join(dir, 'audit')), await queueOf('left'));
    for (let count = 1; count <= 5; count++) {
      put(trail, count, 1);
      await until(() => trail.state().waiting === 0);
    }
    const jobs = async () => (await keysOf('left')).filter((key) => key.includes('one.'));
    expect(await jobs()).toHaveLength(5);
    await trail.close();
    expect(await jobs()).toEqual([]);
  });

  test('forgets finished jobs with time', async () => {
    const queue = await queueOf('aged', { keep_seconds: 1 });
    onTestFinished(() => queue.close());
    await queue.work(async () => {});
    for (const id of ['a', 'b', 'c']) await queue.submit({ id, payload: 'x' });
    await new Promise((later) => setTimeout(later, 2100));
    await queue.submit({ id: 'd', payload: 'x' });
    const keys = await keysOf('aged');
    expect(keys.filter((key) => /:[abcd]$/.test(key))).toEqual(['{bounded}:aged:d']);
  });

  test('of a job that a worker of an older version had done, and died before its word, is not done again', async () => {
    const queue = await queueOf('word');
    onTestFinished(() => queue.close());
    const raw = new Queue('word', { connection: { url: redis.url }, prefix: '{bounded}' });
    onTestFinished(() => raw.close());
    await raw.add('deliver', {}, { jobId: 'a' });
    const seen: string[] = [];
    await queue.work(async ({ id }) => void seen.push(id));
    await queue.submit({ id: 'a', payload: 'x' });
    await queue.submit({ id: 'b', payload: 'x' });
    expect(seen).toEqual(['b']);
  });

  test('may be flushed in the middle: the spool still has the work', async () => {
    const dir = temporary();
    const trail = await open(dir, fileSink(join(dir, 'audit')), await queueOf('flushed', { deadline_ms: 500 }));
    let made = 0;
    for (let round = 0; round < 40; round++) {
      put(trail, made, 5);
      made += 5;
      if (round % 10 === 5) await redis.client().flushall();
      await new Promise((later) => setTimeout(later, 10));
    }
    await until(() => trail.state().waiting === 0);
    await trail.close();
    expect(await delivered(dir)).toEqual(names(made));
    expect(await verify(dir)).toMatchObject({ ok: true, records: made });
  });
});

test('a late record that the trail has already is not written twice, and one with another hash is refused', async () => {
  const dir = temporary();
  const sink = fileSink(join(dir, 'audit'));
  const trail = await open(dir, sink, openEmbeddedQueue(tries));
  put(trail, 0, 3);
  await until(() => trail.state().waiting === 0);
  const lines: SpooledRecord[] = [];
  for await (const { spool, seq, at_ms, hash } of queryTrail(join(dir, 'audit'), {})) {
    const file = readdirSync(join(dir, 'audit')).find((name) => name.startsWith('audit-')) ?? '';
    const line = readFileSync(join(dir, 'audit', file), 'utf8').split('\n')[seq - 1] ?? '';
    lines.push({ spool, seq, at_ms, hash, prev: '', line });
  }
  await sink.write(lines, { late: true });
  expect(await delivered(dir)).toEqual(names(3));
  const forged = lines.slice(0, 1).map((one) => ({ ...one, line: one.line.replace('"seq":1,', '"seq":1, ') }));
  appendFileSync(join(dir, 'audit', 'other.txt'), '');
  await expect(sink.write(forged, { late: true })).rejects.toThrow(/there already with another hash/);
  await trail.close();
});

test('what is set aside and cannot be read is not taken for nothing: the trail opens once it can be, and has it whole', async () => {
  const dir = temporary();
  const sink = fussySink(join(dir, 'audit'));
  sink.refuses = (batch) => batch.some(({ seq }) => [2, 5].includes(seq));
  const trail = await open(dir, sink, openEmbeddedQueue(tries));
  put(trail, 0, 3);
  await until(() => trail.state().waiting === 0);
  await trail.close();
  const aside = join(dir, 'data', 'spools', 'one', 'aside-file.jsonl');
  renameSync(aside, `${aside}.kept`);
  // Reading goes in circles, and a new file could take its place.
  symlinkSync(aside, aside);
  await expect(open(dir, sink, openEmbeddedQueue(tries))).rejects.toThrow(
    /aside-file.jsonl holds records that are set aside, and cannot be read/,
  );
  expect(() => listAside(join(dir, 'data'))).toThrow(
    /aside-file.jsonl holds records that are set aside, and cannot be read/,
  );
  renameSync(`${aside}.kept`, aside);
  // By the same process: nothing of the one that did not open holds the spool.
  const next = await open(dir, sink, openEmbeddedQueue(tries));
  put(next, 3, 3);
  await until(() => next.state().waiting === 0);
  await next.close();
  expect(listAside(join(dir, 'data'))).toMatchObject([{ seq: 2 }, { seq: 5 }]);
});
