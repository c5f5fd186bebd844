import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Settings } from '../../src/config.ts';
import { Pool, Refused } from '../../src/gateway/workers/pool.ts';
import { type AuditRecord, type Log, openLog, openMetrics } from '../../src/observe/index.ts';
import { freePort } from '../support/free-port.ts';
import { eventually } from '../support/wait.ts';

const program = fileURLToPath(new URL('../support/programs/obedient-worker.mjs', import.meta.url));
/** As `support/programs/obedient-worker.mjs` reads them. */
const settings = (
  file: string,
  more: {
    readonly hold?: string;
    readonly stuck?: true;
    readonly lingers?: string;
    readonly ends?: readonly number[];
    readonly records?: readonly AuditRecord[];
  } = {},
) => ({ file, port, ...more }) as unknown as Settings;

/** What the log was told as an error. */
const errors: string[] = [];
let port: number;
let hold: string;
let pool: Pool;
let origin: string;
beforeEach(async () => {
  port = await freePort();
  hold = mkdtempSync(join(tmpdir(), 'llm-policy-pool-'));
  errors.length = 0;
  const log: Log = Object.assign(Object.create(openLog({ level: 'silent' })), {
    error: (message: string) => errors.push(message),
  });
  const options = { program, adminListens: true, log, metrics: openMetrics(), settings: settings('first') };
  pool = new Pool({ ...options, count: 2 });
  origin = await pool.open();
});
afterEach(async () => {
  await pool.close(0);
  rmSync(hold, { recursive: true });
});

const pidOf = (slot: number): number => pool.views[slot - 1]?.pid ?? 0;
const ready = (slot: number, but: number) =>
  eventually(() => pidOf(slot) !== but && pool.views[slot - 1]?.state === 'ready');
const asks = (pid: number) => eventually(() => existsSync(join(hold, String(pid))));
/** What the workers have in force, by slot; they take turns. */
async function inForce(): Promise<readonly string[]> {
  const told = new Set<string>();
  for (let asked = 0; asked < 8; asked += 1) told.add(await (await fetch(origin)).text());
  return [...told].sort();
}

describe('a configuration that workers prepare', () => {
  test('while one of them crashes is in force in all, and the one in its place serves on', async () => {
    const dead = pidOf(2);
    const swapped = pool.swap(settings('second', { hold }));
    await Promise.all([asks(pidOf(1)), asks(dead)]);
    process.kill(dead, 'SIGKILL');
    await ready(2, dead);
    const next = pidOf(2);
    writeFileSync(join(hold, 'go'), '');
    await swapped;
    expect(await inForce()).toEqual(['1 second', '2 second']);
    expect([pidOf(2), pool.views[1]?.crashes]).toEqual([next, 1]);
  });

  test('while they are replaced one by one is in force in all, and none is ended for it', async () => {
    const [one, two] = [pidOf(1), pidOf(2)];
    const swapped = pool.swap(settings('second', { hold }));
    await Promise.all([asks(one), asks(two)]);
    const restarted = pool.restart(10_000);
    // Long enough for one that has nothing to wait for.
    await wait(300);
    writeFileSync(join(hold, 'go'), '');
    await Promise.all([swapped, restarted]);
    expect(await inForce()).toEqual(['1 second', '2 second']);
    expect(pool.views.map(({ crashes, restarts }) => [crashes, restarts])).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });

  test('while one of them leaves is in force there as well: it has calls of clients that kept their connections', async () => {
    await pool.swap(settings('first', { lingers: hold }));
    const restarted = pool.restart(10_000);
    await eventually(() => pool.views[0]?.state === 'draining');
    await pool.swap(settings('second'));
    expect(await inForce()).toEqual(['1 second', '2 second']);
    writeFileSync(join(hold, 'leave'), '');
    await restarted;
    expect(await inForce()).toEqual(['1 second', '2 second']);
  });

  test('is in force where it ended one of them, and refused where it ended all: the last good one stays', async () => {
    await expect(pool.swap(settings('deadly', { ends: [1, 2] }))).rejects.toThrow(Refused);
    await Promise.all([1, 2].map((slot) => eventually(() => pool.views[slot - 1]?.crashes === 1)));
    await Promise.all([ready(1, 0), ready(2, 0)]);
    expect(await inForce()).toEqual(['1 first', '2 first']);
    await pool.swap(settings('half', { ends: [2] }));
    expect(await inForce()).toEqual(['1 half']);
    await pool.swap(settings('third'));
    await ready(2, 0);
    expect(await inForce()).toEqual(['1 third', '2 third']);
  });
});

test('a connection that was on its way to a worker when it was killed is answered by another', async () => {
  process.kill(pidOf(1), 'SIGSTOP');
  const asked = Array.from({ length: 4 }, () => fetch(origin).then((response) => response.text()));
  // One waits for the worker that stands still; the others are answered beside it.
  await Promise.any(asked);
  process.kill(pidOf(1), 'SIGKILL');
  for (const answer of await Promise.all(asked)) expect(answer).toMatch(/^[12] first$/);
});

test('and where none is left its client is told so', async () => {
  const pids = [pidOf(1), pidOf(2)];
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  const asked = Array.from({ length: 3 }, () => fetch(origin).then((response) => response.text()));
  const ends = Promise.allSettled(asked);
  // Long enough for both to have one on its way.
  await wait(200);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  expect((await ends).map(({ status }) => status)).toContain('rejected');
});

test('what one counted that was told to end stays in the sum', async () => {
  const [before] = await pool.figures();
  expect(before).toEqual([]);
  const leaves = pidOf(2);
  process.kill(leaves, 'SIGTERM');
  await ready(2, leaves);
  const [grown] = await pool.figures();
  expect(grown).toMatchObject([{ name: 'calls', values: [{ value: 20 }] }]);
});

test('records of workers and of the process that has them come newest first, however many each has', async () => {
  const at = (...times: number[]) => times.map((time_ms) => ({ time_ms }) as AuditRecord);
  await pool.swap(settings('records', { records: at(40, 35, 20, 15) }));
  const told = await pool.recent({ limit: 5 }, at(30, 10, 5));
  expect(told.map(({ time_ms }) => time_ms)).toEqual([40, 35, 30, 20, 15]);
});

test('a worker is replaced although no process could be started for it at first', async () => {
  const node = process.execPath;
  const dead = pidOf(1);
  try {
    // As where there are no descriptors or processes left: an error, and no exit ever.
    process.execPath = '/nowhere/node';
    process.kill(dead, 'SIGKILL');
    await eventually(() => pool.views[0]?.crashes === 1 && pool.views[0].state === 'gone');
  } finally {
    process.execPath = node;
  }
  await ready(1, dead);
  expect(await inForce()).toEqual(['1 first', '2 first']);
});

test('one that is stopped while it replaces workers tells of no trouble', async () => {
  const first = pidOf(1);
  const restarted = pool.restart(10_000);
  await eventually(() => pool.views[0]?.state === 'starting' && pidOf(1) !== first);
  await pool.close(0);
  await restarted;
  expect(errors).toEqual([]);
});

describe('a worker that says nothing any more', () => {
  let quick: Pool;
  beforeEach(async () => {
    const log: Log = Object.assign(Object.create(openLog({ level: 'silent' })), {
      error: (message: string) => errors.push(message),
    });
    const more = { count: 1, beat_ms: 800, settings: { ...settings('quick'), port: await freePort() } as Settings };
    quick = new Pool({ program, adminListens: true, log, metrics: openMetrics(), ...more });
    await quick.open();
  });
  afterEach(() => quick.close(0));
  const pid = (): number => quick.views[0]?.pid ?? 0;

  test('is ended, and another one takes its place', async () => {
    const stuck = pid();
    process.kill(stuck, 'SIGSTOP');
    await eventually(() => pid() !== stuck && quick.ready === 1);
    expect([quick.views[0]?.crashes, errors[0]]).toEqual([1, 'a worker does not answer, and is ended']);
  });

  test('holds up nobody when all are to end', async () => {
    process.kill(pid(), 'SIGSTOP');
    const began = performance.now();
    await quick.close(60_000);
    expect(performance.now() - began).toBeLessThan(30_000);
  });
});

test('one whose worker is not ready in time says so, and not that it ended by itself', async () => {
  const log = openLog({ level: 'silent' });
  const more = { count: 1, start_ms: 2000, settings: settings('stuck', { stuck: true }) };
  const stuck = new Pool({ program, adminListens: true, log, metrics: openMetrics(), ...more });
  await expect(stuck.open()).rejects.toThrow('worker 1 was not ready within 2000 ms, and was ended');
});
