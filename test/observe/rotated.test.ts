import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fileSink, openTrail, verifyTrail } from '../../src/observe/index.ts';
import { openEmbeddedQueue } from '../../src/stores/index.ts';
import { record, temporary, until } from './records.ts';

const day_ms = 86_400_000;
const start_ms = Date.UTC(2026, 2, 5, 10);

/** Appends so many records a day to a spool, from a day on. */
async function write(dir: string, spoolId: string, from: number, days: number, each: number): Promise<void> {
  let now = start_ms + from * day_ms;
  const trail = await openTrail({
    path: join(dir, 'data'),
    spoolId,
    sinks: [fileSink(join(dir, 'audit'))],
    queue: openEmbeddedQueue({ attempts: 1, backoff_ms: 1 }),
    linger_ms: 1,
    reserve_bytes: 8192,
    clock: () => now,
  });
  for (let day = 0; day < days; day += 1) {
    for (let at = 0; at < each; at += 1) await trail.end(record(`${spoolId}-${day}-${at}`));
    await until(() => trail.state().waiting === 0);
    now += day_ms;
  }
  await trail.close();
}

/** Three days of one worker, three records each; another one was there on the first day alone. */
async function house(): Promise<{ readonly dir: string; readonly days: readonly string[] }> {
  const dir = temporary();
  await write(dir, 'one', 0, 3, 3);
  await write(dir, 'two', 0, 1, 2);
  const names = readdirSync(join(dir, 'audit')).filter((name) => name.startsWith('audit-'));
  return { dir, days: names.sort().map((name) => join(dir, 'audit', name)) };
}

const verify = (dir: string, rotated: boolean) => verifyTrail(join(dir, 'audit'), join(dir, 'data'), { rotated });

describe('a trail whose first days were rotated away', () => {
  test('lacks them, unless somebody says that they were', async () => {
    const { dir, days } = await house();
    expect(days).toHaveLength(3);
    expect(await verify(dir, true)).toMatchObject({ ok: true, records: 11 });
    rmSync(days[0]!);
    expect((await verify(dir, false)).problems.map(({ kind }) => kind)).toEqual(['removed', 'truncated']);
    const report = await verify(dir, true);
    expect(report).toMatchObject({ ok: true, records: 6, problems: [] });
    expect(report.spools.find(({ spool }) => spool.startsWith('one'))).toMatchObject({
      first_seq: 4,
      last_seq: 9,
      vouched_seq: 9,
      signing: 'complete',
    });
  });

  test('holds no less than any other from there on', async () => {
    const { dir, days } = await house();
    rmSync(days[0]!);
    const [, second = '', third = ''] = days;
    const text = readFileSync(second, 'utf8');
    for (const [edited, kind] of [
      [text.replace('"cost_nusd":', '"cost_nusd":1'), 'edited'],
      [text.split('\n').toSpliced(1, 1).join('\n'), 'removed'],
    ] as const) {
      writeFileSync(second, edited);
      expect((await verify(dir, true)).problems[0]).toMatchObject({ kind });
    }
    writeFileSync(second, text);
    rmSync(third);
    expect((await verify(dir, true)).problems[0]).toMatchObject({ kind: 'truncated', seq: 7 });
  });

  test('has no excuse for what is missing in its middle, or for a spool that signed later', async () => {
    const { dir, days } = await house();
    const second = readFileSync(days[1]!, 'utf8');
    rmSync(days[1]!);
    expect((await verify(dir, true)).problems[0]).toMatchObject({ kind: 'removed', seq: 4 });
    writeFileSync(days[1]!, second);
    await write(dir, 'three', 2, 1, 2);
    const third = readFileSync(days[2]!, 'utf8');
    const kept = third.split('\n').filter((line) => !line.startsWith('{"v":1,"spool":"three'));
    writeFileSync(days[2]!, kept.join('\n'));
    expect((await verify(dir, true)).problems).toMatchObject([{ kind: 'truncated', spool: /^three/ }]);
  });
});
