import { spawn } from 'node:child_process';
import { appendFileSync, cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { eraseUser, openSpool } from '../../src/observe/index.ts';
import { parseLine } from '../../src/observe/trail/line.ts';
import { SubjectReader } from '../../src/observe/trail/subjects.ts';
import { runProgram } from './program.ts';
import { record, temporary } from './records.ts';

function opened() {
  const path = temporary();
  const spool = openSpool({
    path,
    spoolId: 'one',
    fsync: 'group',
    segment_bytes_max: 64 << 20,
    reserve_bytes: 16_384,
    clock: Date.now,
  });
  onTestFinished(() => spool.close());
  return { path, spool };
}

test('persons who come while others are erased, by two at once, can still be read of, and the others cannot', async () => {
  const { path, spool } = opened();
  const of = (user: string) => ({ caller: { key: 'key-1', user } });
  const leave = ['ann', 'bob'];
  for (const user of leave) await spool.end(record(`of ${user}`, of(user)));
  // So many that reading them takes a while.
  const file = join(path, 'keys', 'subjects-one.jsonl');
  const entry = (at: number) => JSON.stringify({ of: `${at}`.padStart(64, '0'), id: `${at}`, key: 'k'.repeat(44) });
  appendFileSync(file, `${Array.from({ length: 8_000 }, (_, at) => entry(at)).join('\n')}\n`);
  const [program, built] = [join(import.meta.dirname, 'programs/erase.ts'), temporary()];
  const first = await runProgram(program, built, [path, 'ann']);
  const children = [first, spawn(process.execPath, [join(built, 'program.mjs'), path, 'bob'], { stdio: 'ignore' })];
  let gone = 0;
  for (const child of children) {
    child.once('exit', () => {
      gone += 1;
    });
  }
  let count = 0;
  for (; gone < children.length; count += 1) {
    await spool.end(record(`of user-${count}`, of(`user-${count}`)));
    await new Promise((next) => setImmediate(next));
  }
  expect(children.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  expect(count).toBeGreaterThan(leave.length);
  spool.close();
  const reader = new SubjectReader(spool.keys.dir, spool.keys.textHash);
  const readable = readFileSync(join(spool.dir, 'segment-00000001.jsonl'), 'utf8')
    .split('\n')
    .flatMap((text) => parseLine(text)?.personalJson ?? [])
    .map((personal) => reader.open(personal)?.who.user);
  expect(readable).toEqual([...leave.map(() => undefined), ...Array.from({ length: count }, (_, at) => `user-${at}`)]);
});

test('a key is thrown away wherever one who erased before and was killed over it left a copy', async () => {
  const { path, spool } = opened();
  for (const user of ['ann', 'bob']) await spool.end(record(user, { caller: { key: 'key-1', user } }));
  const { dir } = spool.keys;
  const file = join(dir, 'subjects-one.jsonl');
  const [, id = ''] = /"id":"(\w+)"/.exec(readFileSync(file, 'utf8')) ?? [];
  // As it is written beside, before it takes the other's place.
  cpSync(file, `${file}.4242.0123456789ab`);
  expect(eraseUser(path, 'ann')).toBe(true);
  expect(eraseUser(path, 'carl')).toBe(false);
  const texts = readdirSync(dir).map((name) => readFileSync(join(dir, name), 'utf8'));
  expect(texts.filter((text) => text.includes(id))).toEqual([]);
  spool.close();
});
