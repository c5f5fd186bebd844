import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  fileSink,
  openLog,
  openTrail,
  queryTrail,
  type Sink,
  type Trail,
  verifyTrail,
} from '../../src/observe/index.ts';
import { openEmbeddedQueue } from '../../src/stores/index.ts';
import { intent, record, temporary, until } from './records.ts';

interface Opened {
  readonly trail: Trail;
  readonly lines: string[];
}

/** A file sink that takes nothing until it is told to. */
class Waiting implements Sink {
  readonly name = 'file';
  readonly place: string;
  readonly #inner: Sink;
  takes = false;

  constructor(dir: string) {
    this.#inner = fileSink(dir);
    this.place = this.#inner.place ?? '';
  }

  write(...[batch, how]: Parameters<Sink['write']>): Promise<void> {
    return this.takes ? this.#inner.write(batch, how) : Promise.reject(new Error('not yet'));
  }

  seal(...head: Parameters<NonNullable<Sink['seal']>>): Promise<void> {
    return this.takes ? (this.#inner.seal?.(...head) ?? Promise.resolve()) : Promise.reject(new Error('not yet'));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

async function open(dir: string, sink: Sink): Promise<Opened> {
  const lines: string[] = [];
  const trail = await openTrail({
    path: join(dir, 'data'),
    spoolId: 'one',
    sinks: [sink],
    queue: openEmbeddedQueue({ attempts: 2, backoff_ms: 1 }),
    log: openLog({ level: 'info', destination: { write: (line: string) => void lines.push(line) } }),
    linger_ms: 1,
    retry_ms: 1,
    retry_ms_max: 20,
    segment_bytes_max: 20_000,
  });
  onTestFinished(() => trail.close(0));
  return { trail, lines };
}

async function put(trail: Trail, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at++) {
    await trail.begin(intent(`x${at}`));
    await trail.end(record(`x${at}`));
  }
}

async function inSink(dir: string): Promise<string[]> {
  const seen: string[] = [];
  for await (const one of queryTrail(join(dir, 'audit'), {})) seen.push(one.record.exchange);
  return seen;
}

function segments(dir: string): string[] {
  const spool = join(dir, 'data', 'spools', 'one');
  const names = readdirSync(spool).filter((name) => /^segment-\d+\.jsonl$/.test(name));
  return names.sort().map((name) => join(spool, name));
}

/** A trail that finds records of an earlier process in many segments, before a sink that does not take them yet. */
async function full(dir: string): Promise<Opened & { readonly sink: Waiting }> {
  const before = await open(dir, new Waiting(join(dir, 'audit')));
  await put(before.trail, 0, 100);
  await before.trail.close(0);
  const sink = new Waiting(join(dir, 'audit'));
  const opened = await open(dir, sink);
  await until(() => (opened.trail.state().failed.file ?? 0) > 0);
  return { ...opened, sink };
}

/** Nothing of the process ends over it: a rejection that nobody hears would. */
function unheard(): unknown[] {
  const seen: unknown[] = [];
  const hear = (reason: unknown) => void seen.push(reason);
  process.on('unhandledRejection', hear);
  onTestFinished(() => void process.off('unhandledRejection', hear));
  return seen;
}

const names = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => `x${from + at}`);

test('a segment that is removed before its sink had it is told and counted, and all others are delivered', async () => {
  const dir = temporary();
  const { trail, lines, sink } = await full(dir);
  const [, second = '', third = ''] = segments(dir);
  rmSync(second);
  rmSync(third);
  sink.takes = true;
  await put(trail, 100, 5);
  await until(() => trail.state().waiting === 0);
  const delivered = await inSink(dir);
  const missing = trail.state().missing.file ?? 0;
  expect(missing).toBeGreaterThan(0);
  const first = names(0, 105).find((name) => !delivered.includes(name)) ?? '';
  const at = Number(first.slice(1));
  expect(delivered).toEqual([...names(0, at), ...names(at + missing, 105)]);
  const told = lines.filter((line) => line.includes('audit records are gone')).map((line) => JSON.parse(line));
  expect(told).toMatchObject([{ level: 'error', sink: 'file', seq: at + 1, missing }]);
  await trail.close();
  const { ok, problems } = await verifyTrail(join(dir, 'audit'), join(dir, 'data'));
  expect(ok).toBe(false);
  expect(problems).toMatchObject([{ kind: 'removed', seq: at + 1 }]);
});

test('where the one that is written is removed too, the process lives, says so, and keeps what comes', async () => {
  const dir = temporary();
  const rejections = unheard();
  const { trail, lines, sink } = await full(dir);
  const all = segments(dir);
  for (const path of all) rmSync(path);
  const last = all.at(-1) ?? '';
  await until(() => lines.some((line) => line.includes('was removed') && line.includes(last)));
  sink.takes = true;
  await put(trail, 100, 20);
  await until(() => trail.state().waiting === 0);
  expect(trail.state()).toMatchObject({ missing: { file: 100 }, delivered: { file: 20 }, accepting: true });
  expect(await inSink(dir)).toEqual(names(100, 120));
  expect(rejections).toEqual([]);
});

test('an exchange under way when the segment it began in is removed is still known to the next process', async () => {
  const dir = temporary();
  const sink = new Waiting(join(dir, 'audit'));
  sink.takes = true;
  const { trail, lines } = await open(dir, sink);
  await put(trail, 0, 3);
  await trail.begin(intent('under-way'));
  await until(() => trail.state().waiting === 0);
  const [only = ''] = segments(dir);
  rmSync(only);
  await until(() => lines.some((line) => line.includes('was removed')));
  expect(existsSync(only)).toBe(false);
  await put(trail, 3, 3);
  await trail.close();
  const next = await open(dir, fileSink(join(dir, 'audit')));
  await until(() => next.trail.state().waiting === 0);
  await next.trail.close();
  expect(await inSink(dir)).toEqual([...names(0, 6), 'under-way']);
  expect(await verifyTrail(join(dir, 'audit'), join(dir, 'data'))).toMatchObject({ ok: true, records: 7 });
});
