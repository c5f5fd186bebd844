import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fileSink, openTrail, type Sink, type SpooledRecord, type Trail } from '../../src/observe/index.ts';
import { openEmbeddedQueue } from '../../src/stores/index.ts';
import { record, temporary, until } from './records.ts';

/** A trail with so many records before a sink that refuses some batches; `tried` is told of each. */
async function open(count: number, refuses: (batch: readonly SpooledRecord[]) => boolean): Promise<Trail> {
  const dir = temporary();
  const inner = fileSink(join(dir, 'audit'));
  const sink: Sink = {
    name: 'file',
    place: inner.place ?? '',
    write: (batch, how) => (refuses(batch) ? Promise.reject(new Error('not this one')) : inner.write(batch, how)),
    close: () => inner.close(),
  };
  const trail = await openTrail({
    path: join(dir, 'data'),
    spoolId: 'one',
    sinks: [sink],
    queue: openEmbeddedQueue({ attempts: 1, backoff_ms: 1 }),
    linger_ms: 100,
    retry_ms: 20,
  });
  onTestFinished(() => trail.close(0));
  for (let at = 0; at < count; at += 1) void trail.end(record(`x${at}`));
  return trail;
}

test('while the one record is looked for that a sink will not take, no try waits as for a sink that takes nothing', async () => {
  const tried: number[] = [];
  const trail = await open(500, (batch) => {
    tried.push(batch.length);
    return batch.some(({ seq }) => seq === 3);
  });
  await until(() => trail.state().waiting === 0, 5_000);
  expect(trail.state()).toMatchObject({ delivered: { file: 499 }, aside: { file: 1 } });
  // Halved each time from the second on.
  expect(tried.slice(0, 5)).toEqual([500, 500, 250, 125, 63]);
});

test('a sink that was dead until one record was suspected gets the others together again when it is back', async () => {
  const tried: number[] = [];
  let dead = true;
  const trail = await open(300, (batch) => {
    tried.push(batch.length);
    return dead;
  });
  await until(() => tried.filter((count) => count === 1).length > 2);
  dead = false;
  tried.length = 0;
  await until(() => trail.state().waiting === 0, 5_000);
  expect(trail.state()).toMatchObject({ delivered: { file: 300 }, aside: { file: 0 } });
  expect(tried.length).toBeLessThan(10);
});
