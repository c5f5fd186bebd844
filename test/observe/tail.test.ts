import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fileSink, lateRecords, openTrail } from '../../src/observe/index.ts';
import { openEmbeddedQueue } from '../../src/stores/index.ts';
import { record, temporary } from './records.ts';

async function written(count: number): Promise<string> {
  const dir = temporary();
  const trail = await openTrail({
    path: join(dir, 'data'),
    spoolId: 'one',
    sinks: [fileSink(join(dir, 'audit'))],
    queue: openEmbeddedQueue({ attempts: 2, backoff_ms: 5 }),
    linger_ms: 5,
  });
  onTestFinished(() => trail.close(0));
  for (let at = 0; at < count; at += 1) {
    const caller = { organization: at % 2 === 0 ? 'even' : 'odd', team: 't', ...(at === 3 ? { user: 'jane' } : {}) };
    await trail.end(record(`ex-${at}`, { caller }));
  }
  await trail.close(10_000);
  return join(dir, 'audit');
}

const ids = (records: readonly { exchange: string }[]) => records.map(({ exchange }) => exchange);

test('the newest records of a trail are told first, as many as are asked for', async () => {
  const path = await written(6);
  expect(ids(await lateRecords(path, {}))).toEqual(['ex-5', 'ex-4', 'ex-3', 'ex-2', 'ex-1', 'ex-0']);
  expect(ids(await lateRecords(path, { limit: 2 }))).toEqual(['ex-5', 'ex-4']);
  expect(ids(await lateRecords(path, { organization: 'odd' }))).toEqual(['ex-5', 'ex-3', 'ex-1']);
});

test('what is personal stays sealed, and is said to be', async () => {
  const path = await written(4);
  const [newest, before] = await lateRecords(path, {});
  expect([newest?.sealed, newest?.caller.user]).toEqual([true, undefined]);
  expect(before?.sealed).toBe(false);
});

test('only the end of it is read, a line that was cut left out', async () => {
  const path = await written(20);
  const all = await lateRecords(path, {});
  const some = await lateRecords(path, {}, 2000);
  expect(some.length).toBeGreaterThan(0);
  expect(some.length).toBeLessThan(all.length);
  expect(some).toEqual(all.slice(0, some.length));
});

test('a trail that has not begun has none', async () => {
  expect(await lateRecords(join(temporary(), 'nothing'), {})).toEqual([]);
});
