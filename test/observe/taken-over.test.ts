import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fileSink, openLog, openSpool, openTrail, type Sink, SpoolUnavailable } from '../../src/observe/index.ts';
import { openEmbeddedQueue } from '../../src/stores/index.ts';
import { contents, takeOver } from '../support/taken-over.ts';
import { intent, record, temporary, until } from './records.ts';

test('a spool that another process has taken over writes nothing more there, and refuses what begins', async () => {
  const path = temporary();
  const states: [boolean, string][] = [];
  const spool = openSpool({
    path,
    spoolId: 'one',
    fsync: 'group',
    segment_bytes_max: 2_000,
    reserve_bytes: 4096,
    clock: Date.now,
    onState: (accepting, error) => states.push([accepting, (error as Error).message]),
  });
  await spool.begin(intent('a'));
  takeOver(join(spool.dir, 'lock'));
  const theirs = contents(spool.dir);
  await Promise.all([spool.end(record('a')), expect(spool.begin(intent('b'))).rejects.toThrow(SpoolUnavailable)]);
  await expect(spool.begin(intent('c'))).rejects.toThrow('Another process has taken over');
  await spool.end(record('c'));
  spool.close();
  expect(contents(spool.dir)).toEqual(theirs);
  expect(states).toEqual([[false, expect.stringContaining('taken over')]]);
});

test('its trail signs nothing there and carries nothing from there', async () => {
  const dir = temporary();
  const inner = fileSink(join(dir, 'audit'));
  let writing: (() => void) | undefined;
  const sink: Sink = {
    name: 'file',
    place: inner.place ?? '',
    // Stands still in the middle of it.
    write: async (...given) => {
      await new Promise<void>((go) => (writing = go));
      await inner.write(...given);
    },
    close: () => inner.close(),
  };
  const lines: string[] = [];
  const trail = await openTrail({
    path: join(dir, 'data'),
    spoolId: 'one',
    sinks: [sink],
    queue: openEmbeddedQueue({ attempts: 1, backoff_ms: 1 }),
    log: openLog({ level: 'info', destination: { write: (line: string) => void lines.push(line) } }),
    linger_ms: 1,
    head_ms: 10,
  });
  onTestFinished(() => trail.close(0));
  const spool = join(dir, 'data', 'spools', 'one');
  await trail.end(record('a'));
  await until(() => writing !== undefined && lines.some((line) => line.includes('audit head')));
  await trail.end(record('b'));
  const pending = trail.end(record('c'));
  takeOver(join(spool, 'lock'));
  const theirs = contents(spool);
  const heads = lines.filter((line) => line.includes('"audit head"')).length;
  writing?.();
  await pending;
  expect(trail.state()).toMatchObject({ accepting: false });
  await trail.close(1_000);
  expect(contents(spool)).toEqual(theirs);
  expect(lines.filter((line) => line.includes('"audit head"'))).toHaveLength(heads);
  expect(lines.filter((line) => line.includes('calls are refused'))).toHaveLength(1);
});
