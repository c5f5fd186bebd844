import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import {
  fileSink,
  type Log,
  openLog,
  openTrail,
  queryTrail,
  type Sink,
  type SpooledRecord,
  type Trail,
  verifyTrail,
} from '../../src/observe/index.ts';
import { parsedLine, recordOf } from '../../src/observe/trail/line.ts';
import { type JobQueue, openBullQueue } from '../../src/stores/index.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { intent, record, temporary, until } from './records.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

let count = 0;
const newName = (): string => `claims-${++count}`;
const queueOf = (name: string) =>
  openBullQueue({ url: redis.url, name, prefix: '{claims}', attempts: 2, backoff_ms: 5 });

/** A process whose worker comes when it is told to, or never. */
async function submitting(name: string): Promise<JobQueue & { begin(): Promise<void> }> {
  const queue = await queueOf(name);
  let begin = (): Promise<void> => Promise.resolve();
  return {
    submit: queue.submit,
    work: async (handler) => {
      begin = () => queue.work(handler);
    },
    close: queue.close,
    begin: () => begin(),
  };
}

/** The file sink in `audit` as one who writes nothing there, and takes what others brought. */
function looking(audit: string): Sink {
  const write = async (batch: readonly SpooledRecord[]): Promise<void> => {
    const there = await inSink(audit);
    const brought = ({ line }: SpooledRecord) => there.includes(recordOf(parsedLine(line)).exchange);
    if (!batch.every(brought)) throw new Error('nobody brought it');
  };
  return { name: 'file', place: audit, write, close: async () => {} };
}

/** A trail on `data`, its sink in `audit`. */
async function open(
  data: string,
  audit: string,
  spoolId: string,
  queue: JobQueue,
  log?: Log,
  sink = fileSink(audit),
): Promise<Trail> {
  const trail = await openTrail({
    path: data,
    spoolId,
    sinks: [sink],
    queue,
    linger_ms: 1,
    retry_ms: 20,
    retry_ms_max: 100,
    segment_bytes_max: 20_000,
    ...(log === undefined ? {} : { log }),
  });
  // What nobody works at would be waited for.
  onTestFinished(() => queue.close().then(() => trail.close(0)));
  return trail;
}

async function put(trail: Trail, from: number, howMany: number): Promise<void> {
  for (let at = from; at < from + howMany; at++) {
    await trail.begin(intent(`x${at}`));
    await trail.end(record(`x${at}`));
  }
}

const names = (howMany: number) => Array.from({ length: howMany }, (_, at) => `x${at}`);

async function inSink(audit: string): Promise<string[]> {
  const seen: string[] = [];
  for await (const one of queryTrail(audit, {})) seen.push(one.record.exchange);
  return seen;
}

/** All that lies in Redis under a queue's keys, as text. */
async function everything(client: Redis, pattern: string): Promise<string> {
  const parts: string[] = [];
  for (const key of await client.keys(pattern)) {
    const type = await client.type(key);
    if (type === 'hash') parts.push(JSON.stringify(await client.hgetall(key)));
    else if (type === 'list') parts.push(...(await client.lrange(key, 0, -1)));
    else if (type === 'zset') parts.push(...(await client.zrange(key, 0, '-1')));
    else if (type === 'set') parts.push(...(await client.smembers(key)));
    else if (type === 'stream') parts.push(JSON.stringify(await client.xrange(key, '-', '+')));
    else parts.push((await client.get(key)) ?? '');
  }
  return parts.join('\n');
}

/** Lines of a log. */
function logged(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  return { log: openLog({ level: 'info', destination: { write: (line: string) => void lines.push(line) } }), lines };
}

test('another process of the queue reads the records of a job where their spool keeps them, over many segments', async () => {
  const dir = temporary();
  const [data, audit] = [join(dir, 'data'), join(dir, 'audit')];
  const name = newName();
  const owner = await open(data, audit, 'one', await submitting(name), undefined, looking(audit));
  // The first of them waits in Redis; all others make a batch that begins in one segment and ends in another.
  await put(owner, 0, 100);
  await open(data, audit, 'two', await queueOf(name));
  await until(() => owner.state().waiting === 0);
  const segments = () => readdirSync(join(data, 'spools', 'one')).filter((file) => file.startsWith('segment-'));
  await until(() => !segments().includes('segment-00000001.jsonl'));
  expect(await inSink(audit)).toEqual(names(100));
  expect(await verifyTrail(audit, data)).toMatchObject({ ok: true, records: 100 });
});

test('a job that a process left in Redis is done by the next one on its spool, each record once', async () => {
  const dir = temporary();
  const [data, audit] = [join(dir, 'data'), join(dir, 'audit')];
  const name = newName();
  const queue = await submitting(name);
  const gone = await open(data, audit, 'one', queue);
  const client = redis.client();
  await put(gone, 0, 30);
  await until(async () => (await client.llen(`{claims}:${name}:wait`)) === 1);
  await queue.close();
  await gone.close(0);
  expect(await client.llen(`{claims}:${name}:wait`)).toBe(1);
  const next = await open(data, audit, 'one', await queueOf(name));
  await put(next, 30, 5);
  await until(() => next.state().waiting === 0);
  expect(await client.llen(`{claims}:${name}:wait`)).toBe(0);
  expect(await inSink(audit)).toEqual(names(35));
  expect(await verifyTrail(audit, data)).toMatchObject({ ok: true, records: 35 });
});

test('a sink that moved to another place gets everything there, whatever was lately done or waits for the old one', async () => {
  const dir = temporary();
  const data = join(dir, 'data');
  const [old, now] = [join(dir, 'old'), join(dir, 'now')];
  const name = newName();
  const put3 = (trail: Trail, from: number) => put(trail, from, 3).then(() => until(() => trail.state().waiting === 0));
  const before = await open(data, old, 'one', await queueOf(name));
  await put3(before, 0);
  await before.close();
  const queue = await submitting(name);
  const silent = await open(data, old, 'one', queue);
  await put(silent, 3, 3);
  await until(async () => (await redis.client().llen(`{claims}:${name}:wait`)) === 1);
  await queue.close();
  await silent.close(0);
  const after = await open(data, now, 'one', await queueOf(name));
  await put3(after, 6);
  await after.close();
  expect(await inSink(old)).toEqual(names(3));
  expect(await inSink(now)).toEqual(names(9));
});

test('a process that cannot read the spool a job names says so and gives it back; its owner does it', async () => {
  const dir = temporary();
  const name = newName();
  const own = await submitting(name);
  const owner = await open(join(dir, 'data'), join(dir, 'audit'), 'one', own);
  const { log, lines } = logged();
  // Another machine, that calls its spool and its sink's place the same.
  const other = join(dir, 'elsewhere');
  const stranger = await open(other, join(dir, 'audit'), 'one', await queueOf(name), log);
  await put(owner, 0, 5);
  await until(() => lines.some((line) => /spool_elsewhere/.test(line)));
  expect(owner.state()).toMatchObject({ waiting: 5, delivered: { file: 0 } });
  expect(readdirSync(dir).sort()).toEqual(['data', 'elsewhere']);
  await own.begin();
  await until(() => owner.state().waiting === 0);
  expect(owner.state()).toMatchObject({ aside: { file: 0 } });
  expect(await inSink(join(dir, 'audit'))).toEqual(names(5));
  expect(stranger.state()).toMatchObject({ spooled: 0, delivered: { file: 0 } });
});

test('records that were changed on disk are not delivered by who reads them there', async () => {
  const dir = temporary();
  const [data, audit] = [join(dir, 'data'), join(dir, 'audit')];
  const name = newName();
  const own = await submitting(name);
  const owner = await open(data, audit, 'one', own);
  await put(owner, 0, 3);
  const spool = join(data, 'spools', 'one');
  const segment = join(spool, readdirSync(spool).find((file) => file.startsWith('segment-')) ?? '');
  const text = readFileSync(segment, 'utf8');
  const { log, lines } = logged();
  writeFileSync(segment, text.replaceAll('"exchange":"x0"', '"exchange":"y0"'));
  const other = await open(data, audit, 'two', await queueOf(name), log);
  await until(() => lines.some((line) => /record_changed/.test(line)));
  expect(owner.state()).toMatchObject({ waiting: 3, delivered: { file: 0 } });
  expect(readdirSync(dir)).toEqual(['data']);
  writeFileSync(segment, text);
  await until(() => owner.state().waiting === 0);
  await other.close();
  expect(await inSink(audit)).toEqual(names(3));
  expect(await verifyTrail(audit, data)).toMatchObject({ ok: true, records: 3 });
});

test('a job whose segment is gone is not acknowledged', async () => {
  const dir = temporary();
  const [data, audit] = [join(dir, 'data'), join(dir, 'audit')];
  const name = newName();
  const owner = await open(data, audit, 'one', await submitting(name));
  await put(owner, 0, 3);
  const spool = join(data, 'spools', 'one');
  const away = join(dir, 'away');
  mkdirSync(away);
  const segments = readdirSync(spool).filter((file) => file.startsWith('segment-'));
  for (const file of segments) renameSync(join(spool, file), join(away, file));
  const { log, lines } = logged();
  await open(data, audit, 'two', await queueOf(name), log);
  await until(() => lines.some((line) => /segment_gone/.test(line)));
  expect(owner.state()).toMatchObject({ waiting: 3, delivered: { file: 0 } });
  for (const file of segments) renameSync(join(away, file), join(spool, file));
  await until(() => owner.state().waiting === 0);
  expect(await inSink(audit)).toEqual(names(3));
});

test('a record set aside is read from where it lies aside', async () => {
  const dir = temporary();
  const [data, audit] = [join(dir, 'data'), join(dir, 'audit')];
  const name = newName();
  let refuses = true;
  const fussy = (inner: Sink) => {
    return {
      name: inner.name,
      place: inner.place ?? '',
      write: (batch: Parameters<typeof inner.write>[0], how?: { readonly late: boolean }) =>
        refuses && batch.some(({ seq }) => seq === 2)
          ? Promise.reject(new Error('this sink does not take it'))
          : inner.write(batch, how),
      close: () => inner.close(),
    };
  };
  const openFussy = async (spoolId: string, queue: JobQueue, sink: Sink) => {
    const trail = await openTrail({ path: data, spoolId, sinks: [fussy(sink)], queue, linger_ms: 1, retry_ms: 1 });
    // What nobody works at would be waited for.
    onTestFinished(() => queue.close().then(() => trail.close(0)));
    return trail;
  };
  const owner = await openFussy('one', await submitting(name), looking(audit));
  await openFussy('two', await queueOf(name), fileSink(audit));
  await put(owner, 0, 4);
  await until(() => owner.state().waiting === 0);
  expect(owner.state()).toMatchObject({ aside: { file: 1 }, delivered: { file: 3 } });
  refuses = false;
  expect(await owner.retryAside()).toBe(1);
  expect((await inSink(audit)).sort()).toEqual(names(4));
  expect(await verifyTrail(audit, data)).toMatchObject({ ok: true, records: 4 });
});

test('a job that holds lines itself invents no record: what is true of them lies in a spool', async () => {
  const dir = temporary();
  const [data, audit] = [join(dir, 'data'), join(dir, 'audit')];
  const name = newName();
  const owner = await open(data, audit, 'one', await queueOf(name));
  await put(owner, 0, 3);
  await until(() => owner.state().waiting === 0);
  const spool = join(data, 'spools', 'one');
  const lines = readdirSync(spool)
    .filter((file) => file.startsWith('segment-'))
    .flatMap((file) => readFileSync(join(spool, file), 'utf8').split('\n'))
    .filter((line) => line.startsWith('{"v":1,'));
  // Of the next number, as whoever may write to Redis can put it together.
  const forged = lines[2]?.replace('"seq":3,', '"seq":4,').replace('"exchange":"x2"', '"exchange":"forged"') ?? '';
  const raw = new Queue(name, { connection: { url: redis.url }, prefix: '{claims}' });
  onTestFinished(() => raw.close());
  await raw.add('deliver', { payload: `file\n${forged}` }, { jobId: 'one.file.4-4', attempts: 1 });
  await until(async () => ['delayed', 'failed', 'completed'].includes(await raw.getJobState('one.file.4-4')));
  await put(owner, 3, 3);
  await until(() => owner.state().waiting === 0);
  expect(await inSink(audit)).toEqual(names(6));
  await owner.close();
  expect(await verifyTrail(audit, data)).toMatchObject({ ok: true, records: 6 });
});

test('a forged claim of true records, out of their turn, makes the sink pass none by', async () => {
  const dir = temporary();
  const [data, audit] = [join(dir, 'data'), join(dir, 'audit')];
  const own = await submitting(newName());
  const owner = await open(data, audit, 'one', own);
  await put(owner, 0, 30);
  const spool = join(data, 'spools', 'one');
  const { id } = JSON.parse(readFileSync(join(spool, 'spool.json'), 'utf8'));
  const file = readdirSync(spool).find((name) => name.startsWith('segment-')) ?? '';
  const text = readFileSync(join(spool, file), 'utf8');
  const place = createHash('sha256').update(audit).digest('hex').slice(0, 12);
  const lines = text.split('\n').filter((line) => line.startsWith('{"v":1,'));
  const [first = '', last = ''] = [lines[4], lines[5]];
  const at = (line: string) =>
    [Number(file.slice(8, 16)), Buffer.byteLength(text.slice(0, text.indexOf(line)))] as const;
  const end = [at(last)[0], at(last)[1] + Buffer.byteLength(last) + 1];
  const { hash } = JSON.parse(last);
  const payload = { sink: 'file', place, spool: id, from: 5, to: 6, count: 2, hash, start: at(first), end };
  const others = newName();
  const raw = new Queue(others, { connection: { url: redis.url }, prefix: '{claims}' });
  onTestFinished(() => raw.close());
  await raw.add('deliver', { payload: JSON.stringify(payload) }, { jobId: 'forged' });
  await open(data, audit, 'two', await queueOf(others));
  await until(async () => (await raw.getJobState('forged')) === 'completed');
  expect(await inSink(audit)).toEqual(['x4', 'x5']);
  await own.begin();
  await until(() => owner.state().waiting === 0);
  await owner.close();
  expect(await inSink(audit)).toEqual(names(30));
  expect(await verifyTrail(audit, data)).toMatchObject({ ok: true, records: 30, problems: [] });
});

test('nothing of a record lies in Redis, neither while a job waits nor when it is done', async () => {
  const dir = temporary();
  const [data, audit] = [join(dir, 'data'), join(dir, 'audit')];
  const name = newName();
  const own = await submitting(name);
  const owner = await open(data, audit, 'one', own);
  const client = redis.client();
  await put(owner, 0, 20);
  const lying = () => everything(client, `{claims}:${name}*`);
  await until(async () => (await lying()).includes('one.'));
  const seen = [await lying()];
  await own.begin();
  await until(() => owner.state().waiting === 0);
  seen.push(await lying());
  for (const text of seen) {
    expect(text).toContain('file');
    expect(text).not.toMatch(/x\d/);
    expect(text).not.toContain('research');
    expect(text).not.toContain('record');
  }
});
