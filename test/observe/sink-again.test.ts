import { appendFileSync, closeSync, cpSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fileSink, listAside, openTrail, queryTrail, type Trail, verifyTrail } from '../../src/observe/index.ts';
import { trailFile } from '../../src/observe/trail/file-sink.ts';
import {
  closeLine,
  genesis,
  lineOpening,
  openLine,
  type ParsedLine,
  parsedLine,
  parseLine,
  recordOf,
} from '../../src/observe/trail/line.ts';
import type { Run } from '../../src/observe/trail/run.ts';
import { Lines, openEmbeddedQueue } from '../../src/stores/index.ts';
import { record, temporary, until } from './records.ts';

const day_ms = 86_400_000;
const start_ms = Date.UTC(2026, 10, 1, 12);

/** Records of a spool of this name, one appended on each of these days. */
function recordsOn(days: readonly number[], name = 'one'): ParsedLine[] {
  const spool = lineOpening(name);
  const lines = new Lines();
  let prev = genesis;
  return days.map((day, at) => {
    lines.clear();
    openLine(lines, spool, { seq: at + 1, at_ms: start_ms + day * day_ms, prev });
    lines.text(JSON.stringify(record(`${name}-${at + 1}`)));
    prev = closeLine(lines, 0, undefined);
    return parsedLine(lines.bytes.toString('utf8', 0, lines.size - 1));
  });
}

function runOf(records: readonly ParsedLine[]): Run {
  const [first, last] = [records[0]!, records.at(-1)!];
  const bytes = records.map(({ line }) => Buffer.from(`${line}\n`));
  const { spool, seq: from, at_ms: first_ms } = first;
  return { spool, from, to: last.seq, hash: last.hash, first_ms, last_ms: last.at_ms, bytes };
}

async function seen(dir: string): Promise<string[]> {
  const found: string[] = [];
  for await (const one of queryTrail(dir, {})) found.push(`${one.record.exchange}`);
  return found;
}

describe('a file sink keeps a record once', () => {
  test('that comes again from a process that was away for days in which others wrote', async () => {
    const dir = join(temporary(), 'audit');
    const [mine, others] = [recordsOn([0, 0, 0]), recordsOn([1, 2, 3], 'two')];
    await fileSink(dir).write(mine);
    await fileSink(dir).write(others);
    await fileSink(dir).write(mine);
    await fileSink(dir).append?.(runOf(mine));
    expect(await seen(dir)).toEqual(['one-1', 'one-2', 'one-3', 'two-1', 'two-2', 'two-3']);
  });

  test('that another process wrote into a file this one has not opened yet', async () => {
    const dir = join(temporary(), 'audit');
    const records = recordsOn([0, 0, 1, 1, 1]);
    const [sink, another] = [fileSink(dir), fileSink(dir)];
    await sink.append?.(runOf(records.slice(0, 2)));
    await another.append?.(runOf(records.slice(2, 4)));
    await sink.append?.(runOf(records.slice(2, 4)));
    await sink.write(records.slice(2));
    expect(await seen(dir)).toEqual(['one-1', 'one-2', 'one-3', 'one-4', 'one-5']);
  });

  test('whatever comes again, from whom, over any days', async () => {
    const days = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 8 });
    const moves = fc.array(
      fc.record({ who: fc.nat(2), back: fc.nat(8), on: fc.nat(4), run: fc.boolean(), other: fc.boolean() }),
      { maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(days, moves, async (steps, moved) => {
        let today = 0;
        const on = steps.map((step) => {
          today += step;
          return today;
        });
        const dir = join(temporary(), 'audit');
        const [records, others] = [recordsOn(on), recordsOn(on, 'two')];
        const sinks = [0, 1, 2].map(() => fileSink(dir));
        let done = 0;
        for (const { who, back, on: further, run, other } of [
          ...moved,
          { who: 0, back: 0, on: 8, run: false, other: false },
        ]) {
          const from = Math.max(0, done - back);
          const to = Math.min(records.length, done + further);
          const batch = records.slice(from, to);
          if (other) await sinks[who]!.write(others);
          if (batch.length === 0) continue;
          if (run) await sinks[who]!.append?.(runOf(batch));
          else await sinks[who]!.write(batch);
          done = to;
        }
        const mine = (await seen(dir)).filter((name) => name.startsWith('one'));
        expect(mine.sort()).toEqual(records.map((_, at) => `one-${at + 1}`).sort());
      }),
      { numRuns: 15, seed: 7 },
    );
  });
});

describe('a file sink takes no record for there that is not', () => {
  test('though those after it are', async () => {
    const dir = join(temporary(), 'audit');
    const records = recordsOn([0, 0, 1, 1]);
    await fileSink(dir).write(records.slice(0, 1));
    await fileSink(dir).write(records.slice(2, 3));
    await fileSink(dir).write(records.slice(1, 2));
    await fileSink(dir).write(records);
    expect((await seen(dir)).sort()).toEqual(['one-1', 'one-2', 'one-3', 'one-4']);
  });

  test('though another one has its number: they are set aside when a spool was put back to what it was before', async () => {
    const dir = temporary();
    const [data, audit] = [join(dir, 'data'), join(dir, 'audit')];
    const openAgain = async (): Promise<Trail> => {
      const trail = await openTrail({
        path: data,
        spoolId: 'one',
        sinks: [fileSink(audit)],
        queue: openEmbeddedQueue({ attempts: 2, backoff_ms: 1 }),
        linger_ms: 1,
        retry_ms: 1,
        retry_ms_max: 20,
      });
      onTestFinished(() => trail.close(0));
      return trail;
    };
    const put = async (names: readonly string[]): Promise<void> => {
      const trail = await openAgain();
      for (const name of names) void trail.end(record(name));
      await until(() => trail.state().waiting === 0);
      await trail.close();
    };
    await put(['a', 'b', 'c']);
    cpSync(data, join(dir, 'backup'), { recursive: true });
    await put(['d', 'e', 'f']);
    rmSync(data, { recursive: true });
    cpSync(join(dir, 'backup'), data, { recursive: true });
    await put(['g', 'h', 'i', 'j']);
    expect(await seen(audit)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'j']);
    const aside = readFileSync(join(data, 'spools', 'one', 'aside-file.jsonl'), 'utf8')
      .trim()
      .split('\n');
    expect(aside.map((line) => recordOf(parsedLine(JSON.parse(line).line)).exchange)).toEqual(['g', 'h', 'i']);
    expect(listAside(data)).toMatchObject(
      [4, 5, 6].map((seq) => ({ seq, reason: expect.stringContaining('another') })),
    );
    const { problems } = await verifyTrail(audit, data);
    expect(problems.at(-1)).toMatchObject({ kind: 'edited', seq: 7 });
  });
});

test('a file that others made large meanwhile is gone on with behind what they wrote', async () => {
  const dir = join(temporary(), 'audit');
  const [first, ...rest] = recordsOn([0, 0, 0]);
  const sink = fileSink(dir);
  await sink.write([first!]);
  const others = recordsOn([0, 0], 'two');
  const path = join(dir, trailFile(start_ms));
  // More than a text can be: holes, with an end of line now and then.
  const file = openSync(path, 'r+');
  for (let at = 1; at <= 2200; at++) writeSync(file, '\n', at * 256 * 1024);
  closeSync(file);
  appendFileSync(path, others.map(({ line }) => `${line}\n`).join(''));
  await sink.append?.(runOf(rest));
  await sink.append?.(runOf(rest));
  const end = await findLines(path);
  expect(end).toEqual(['two-1', 'two-2', 'one-2', 'one-3']);
});

/** The records at the end of a file. */
async function findLines(path: string): Promise<string[]> {
  const file = await open(path);
  const { size } = await file.stat();
  const { buffer } = await file.read(Buffer.alloc(20_000), 0, 20_000, size - 20_000);
  await file.close();
  const lines = buffer.toString('utf8').split('\n').map(parseLine);
  return lines.flatMap((line) => (line === undefined ? [] : [recordOf(line).exchange]));
}
