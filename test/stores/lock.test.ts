import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lock } from '../../src/stores/lock.ts';
import { writePrivateFile } from '../../src/stores/private-file.ts';
import { mountSmallDisk, noMount, type SmallDisk } from '../support/small-disk.ts';

const home = mkdtempSync(join(tmpdir(), 'llm-policy-lock-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** What a process leaves behind that was killed: another boot's, and longer than any of ours. */
const dead = JSON.stringify({ pid: process.pid, started: '1'.repeat(40), host: hostname() });

const crowd = 4;

function abandoned(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, 'lock');
  writeFileSync(file, dead);
  return file;
}

test("a dead owner's lock is taken over whole, and a living owner's is not", () => {
  const file = abandoned(join(home, 'dead'));
  const held = lock(file);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ pid: process.pid, host: hostname() });
  expect(() => lock(file)).toThrow(
    `${file}: process ${process.pid} on ${hostname()} holds this; only one process may open it at a time`,
  );
  held.release();
  expect(readdirSync(join(home, 'dead'))).toEqual([]);
});

test('a lock that says nothing anybody can read is a dead one', () => {
  const file = abandoned(join(home, 'torn'));
  writeFileSync(file, '{"pid":');
  lock(file).release();
  expect(readdirSync(join(home, 'torn'))).toEqual([]);
});

describe('processes that find the same dead owner', () => {
  const children: { readonly child: ChildProcess; readonly lines: Interface }[] = [];
  beforeAll(async () => {
    const entry = new URL('./lock-child.ts', import.meta.url).pathname;
    const outDir = join(home, 'out');
    await build({
      configFile: false,
      logLevel: 'silent',
      build: { ssr: entry, outDir, minify: false, target: 'node20' },
    });
    for (let at = 0; at < crowd; at += 1) {
      const child = spawn(process.execPath, [join(outDir, 'lock-child.js')], { stdio: ['pipe', 'pipe', 'inherit'] });
      children.push({ child, lines: createInterface({ input: child.stdout! }) });
    }
  });
  afterAll(() => {
    for (const { child } of children) child.kill('SIGKILL');
  });

  /** Each asks for all at once. */
  async function each<T>(told: string): Promise<T[]> {
    const answers = children.map(async ({ child, lines }) => {
      child.stdin!.write(`${told}\n`);
      return JSON.parse(String((await once(lines, 'line'))[0])) as T;
    });
    return await Promise.all(answers);
  }

  test('are many: one of them has it, each time', async () => {
    const directory = join(home, 'crowd');
    mkdirSync(directory);
    const count = 300;
    for (let at = 0; at < count; at += 1) writeFileSync(join(directory, String(at)), dead);
    const mine = await each<number[]>(`${directory} ${count}`);
    expect(mine.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, at) => at));
    children.forEach(({ child }, index) => {
      for (const at of mine[index]!) {
        expect(JSON.parse(readFileSync(join(directory, String(at)), 'utf8')).pid).toBe(child.pid);
      }
    });
    expect(readdirSync(directory)).toHaveLength(count);
  });

  test('are many that wait for it: none works while another does', async () => {
    const directory = join(home, 'waiting');
    mkdirSync(directory);
    const count = 12;
    const long_ago = Date.now() / 1000 - 60;
    for (let at = 0; at < count; at += 1) {
      writeFileSync(join(directory, String(at)), dead);
      utimesSync(join(directory, String(at)), long_ago, long_ago);
    }
    expect(await each<number>(`${directory} ${count} waiting`)).toEqual(Array(crowd).fill(0));
    expect(readdirSync(directory)).toEqual([]);
  });

  test('are two: one of them has it, each time, and the other is told whose it is', async () => {
    for (let round = 0; round < 200; round += 1) {
      const file = abandoned(join(home, `round-${round}`));
      const answers = await Promise.all(
        children.slice(0, 2).map(async ({ child, lines }) => {
          child.stdin!.write(`${file}\n`);
          return String((await once(lines, 'line'))[0]);
        }),
      );
      const winner = children[answers.indexOf('mine')]!.child.pid;
      expect(answers.sort()).toEqual([
        'mine',
        `not mine: ${file}: process ${winner} on ${hostname()} holds this; only one process may open it at a time`,
      ]);
      expect(JSON.parse(readFileSync(file, 'utf8')).pid).toBe(winner);
      expect(readdirSync(join(home, `round-${round}`))).toEqual(['lock']);
    }
  });
});

if (noMount !== undefined) test.skip(`a full disk is not tried: ${noMount}`, () => {});

describe.skipIf(noMount !== undefined)('on a full disk', () => {
  const directory = join(home, 'disk');
  let disk: SmallDisk;
  beforeAll(() => {
    disk = mountSmallDisk(directory, 1);
  });
  afterAll(() => disk.unmount());

  test("a dead owner's lock needs no room to be taken over; a new one does, and leaves nothing behind", () => {
    const file = abandoned(join(directory, 'old'));
    mkdirSync(join(directory, 'new'));
    disk.fill();
    const held = lock(file);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ pid: process.pid });
    expect(() => lock(file)).toThrow(/only one process/);
    held.release();
    disk.fill();
    expect(() => lock(join(directory, 'new', 'lock'))).toThrow(/ENOSPC/);
    expect(readdirSync(join(directory, 'new'))).toEqual([]);
    disk.free();
    lock(join(directory, 'new', 'lock')).release();
  });

  test('a private file that does not fit is not half there, nor is anything beside it', () => {
    disk.free();
    const file = join(directory, 'new', 'keys.json');
    writePrivateFile(file, 'before');
    // More than the disk has: a part of it could be written.
    for (const exclusive of [false, true]) {
      expect(() => writePrivateFile(file, 'k'.repeat(3 << 20), { exclusive })).toThrow(/ENOSPC/);
      expect(readFileSync(file, 'utf8')).toBe('before');
      expect(readdirSync(join(directory, 'new'))).toEqual(['keys.json']);
    }
  });
});
