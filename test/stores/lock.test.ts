import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withFileLock } from '../../src/stores/file-lock.ts';
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

describe('words of another version', () => {
  const theirs = (pid: number) => `${pid} 0011223344556677`;
  const minutes_ago = (minutes: number) => Date.now() / 1000 - minutes * 60;
  /** No process has it. */
  const nobodys = 2 ** 30;

  function left(name: string, words: string, minutes: number): string {
    const file = abandoned(join(home, name));
    writeFileSync(file, words);
    utimesSync(file, minutes_ago(minutes), minutes_ago(minutes));
    return file;
  }

  test('are a living owner while they are fresh: nobody takes over what cannot be read', () => {
    for (const [at, words] of [
      theirs(nobodys),
      '',
      'what is this',
      '{"version":2,"process":"x"}',
      '{"pid":0}',
    ].entries()) {
      const file = left(`fresh-${at}`, words, 0.1);
      expect(() => lock(file), words).toThrow(
        /a process of another version \(".*"; remove the file where there is none\)/,
      );
      expect(readFileSync(file, 'utf8')).toBe(words);
      utimesSync(file, minutes_ago(1), minutes_ago(1));
      lock(file).release();
      expect(readdirSync(join(home, `fresh-${at}`))).toEqual([]);
    }
  });

  test('are a living owner as long as the process they name is one that was there when they were written', () => {
    for (const [at, words] of [theirs(1), '{"version":2,"pid": 1}'].entries()) {
      const file = left(`first-${at}`, words, 0.35);
      expect(() => lock(file), words).toThrow(/another version/);
      expect(readFileSync(file, 'utf8')).toBe(words);
    }
  });

  test.skipIf(!existsSync('/proc/self/stat'))('are a dead owner where their process began after them', () => {
    const child = spawn('sleep', ['60']);
    try {
      expect(child.pid).toBeGreaterThan(1);
      lock(left('again', theirs(child.pid!), 1)).release();
      lock(left('again', JSON.stringify({ version: 2, pid: child.pid }), 1)).release();
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('are waited for: a step under the lock begins when the other version is done', async () => {
    const file = left('step', theirs(process.pid), 0);
    const seen: string[] = [];
    const step = withFileLock(file, () => seen.push('step'));
    await sleep(150);
    seen.push('they are done');
    rmSync(file);
    await step;
    expect(seen).toEqual(['they are done', 'step']);
  });
});

test.skipIf(!existsSync('/proc/1/stat'))(
  "a number given out again is no living owner, whoever's process has it",
  () => {
    const file = abandoned(join(home, 'given-out'));
    writeFileSync(file, JSON.stringify({ pid: 1, started: '1'.repeat(40), host: hostname() }));
    lock(file).release();
  },
);

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

  // Processes of their own and the same host name: `named` is the file a container is given for it.
  const enter = 'mount --bind "$0" /etc/hostname && exec "$@"';
  const contained = ['-pf', '--kill-child', '--mount-proc', 'sh', '-c', enter];
  const noContainers = spawnSync('unshare', [...contained, '/etc/hostname', 'true']).status !== 0;

  test.skipIf(noContainers)(
    'are in containers: another of the same host name may live, an earlier run of the same one does not',
    async () => {
      const [mine, theirs] = [join(home, 'mine'), join(home, 'theirs')];
      const containers: ChildProcess[] = [];
      const run = (name: string) => {
        writeFileSync(join(home, name), hostname());
        const of = [...contained, join(home, name), process.execPath, join(home, 'out', 'lock-child.js')];
        const child = spawn('unshare', of, { stdio: ['pipe', 'pipe', 'inherit'] });
        containers.push(child);
        const lines = createInterface({ input: child.stdout! });
        const asks = async (file: string) => {
          child.stdin!.write(`${file}\n`);
          return String((await once(lines, 'line'))[0]);
        };
        return { child, asks };
      };
      const held = lock(mine);
      try {
        const [named, unlike] = ['a', 'b'].map((letter) => letter.repeat(64)) as [string, string];
        const [first, other, again] = [run(named), run(unlike), run(named)];
        expect(await first.asks(mine)).toContain(`process ${process.pid} on ${hostname()} holds this`);
        expect(await first.asks(theirs)).toBe('mine');
        expect(await other.asks(theirs)).toContain(`process 1 on ${hostname()} holds this`);
        expect(() => lock(theirs)).toThrow(`process 1 on ${hostname()} holds this`);
        first.child.kill('SIGKILL');
        await once(first.child, 'exit');
        expect(() => lock(theirs)).toThrow(/holds this/);
        expect(await again.asks(theirs)).toBe('mine');
        again.child.kill('SIGKILL');
        await once(again.child, 'exit');
        const silent = Date.now() / 1000 - 60;
        utimesSync(theirs, silent, silent);
        lock(theirs).release();
      } finally {
        held.release();
        for (const child of containers) child.kill('SIGKILL');
      }
    },
  );

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
