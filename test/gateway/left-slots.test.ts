import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Settings } from '../../src/config.ts';
import { openLeftSlots } from '../../src/gateway/left-slots.ts';
import { fileSink, listAside, openLog, openTrail, type Sink, verifyTrail } from '../../src/observe/index.ts';
import { openEmbeddedQueue } from '../../src/stores/index.ts';
import { record } from '../observe/plain.ts';
import { eventually } from '../support/wait.ts';

test('a record set aside for a worker that there is no more is listed, and taken when it is tried again', async () => {
  const path = mkdtempSync(join(tmpdir(), 'left-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const [data, audit] = [join(path, 'spool'), join(path, 'audit')];
  const inner = fileSink(audit);
  const fussy: Sink = {
    name: inner.name,
    place: inner.place ?? '',
    write: (batch, how) =>
      batch.some(({ seq }) => seq === 2) ? Promise.reject(new Error('not this one')) : inner.write(batch, how),
    close: () => inner.close(),
  };
  const trail = await openTrail({
    path: data,
    spoolId: 'gateway-3',
    sinks: [fussy],
    queue: openEmbeddedQueue({ attempts: 1, backoff_ms: 1 }),
    linger_ms: 1,
    retry_ms: 1,
  });
  for (const name of ['a', 'b', 'c']) void trail.end(record(name));
  await eventually(() => trail.state().waiting === 0);
  await trail.close();

  const state = { driver: 'embedded', path, fsync: 'group' };
  const settings = { state, audit: { sinks: [{ type: 'file' }] } } as unknown as Settings;
  const left = await openLeftSlots(settings, 1, openLog({ level: 'silent' }));
  onTestFinished(() => left.close());
  const none = { spooled: 0, delivered: {}, failed: {}, aside: {}, missing: {}, waiting: 0, bytes: 0 };
  expect(left.with(none).aside).toEqual({ file: 1 });
  expect(await left.retry()).toBe(1);
  expect(listAside(data)).toEqual([]);
  await left.close();
  expect(left.with(none)).toMatchObject({ aside: { file: 0 }, delivered: { file: 1 } });
  expect(await verifyTrail(audit, data)).toMatchObject({ ok: true, records: 3 });
});
