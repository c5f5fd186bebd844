import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Message, Outbox } from '../../src/stores/redis/outbox.ts';
import { mountSmallDisk, noMount, type SmallDisk } from '../support/small-disk.ts';

const message = (id: string, labels = ''): Message => ({
  op: 'settle',
  id,
  organization: 'acme',
  nusd: 7,
  tokens: 1,
  estimated: false,
  labels,
  at_ms: 0,
});
const settled = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => (JSON.parse(line) as Message).id);

let home: string;
let notices: string[];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'outbox-'));
  notices = [];
});
afterEach(() => rmSync(home, { recursive: true, force: true }));
const open = (path: string) => new Outbox(path, (text) => notices.push(text));
/** What another process finds there, as a crash would leave it. */
function found(path: string): string[] {
  const copy = join(mkdtempSync(join(home, 'copy-')), 'outbox');
  cpSync(path, copy);
  const other = open(copy);
  const ids = other.waiting().map(({ id }) => id);
  other.close();
  return ids;
}

test('a line that was torn by a crash harms no other, and half a name strikes nothing', async () => {
  const path = join(home, 'outbox');
  const lines = `${JSON.stringify(message('a'))}\n${JSON.stringify({ op: 'release', id: 'b', organization: 'acme', nonce: 'n1' })}\n`;
  writeFileSync(path, lines);
  appendFileSync(path, `${JSON.stringify({ op: 'release', id: 'b', organization: 'acme', nonce: 'n' })}\n-acme b n`);
  const outbox = open(path);
  expect(outbox.waiting()).toHaveLength(3);
  await outbox.keep(message('c'));
  expect(found(path)).toEqual(['a', 'b', 'b', 'c']);
  outbox.close();
});

test('a line is struck by its number, and half a number strikes nothing; what an older version wrote goes by its name', async () => {
  const path = join(home, 'outbox');
  writeFileSync(path, `${JSON.stringify(message('old'))}\n${JSON.stringify(message('older'))}\n-acme older \n`);
  const first = open(path);
  expect(first.waiting().map(({ id }) => id)).toEqual(['old']);
  const some = Array.from({ length: 12 }, (_, at) => message(`m${at}`));
  for (const one of some) await first.keep(one);
  for (const one of [first.waiting()[0]!, some[2]!, some[10]!]) first.done(one);
  await expect.poll(() => found(path)).not.toContain('old');
  const left = some.map(({ id }) => id).filter((id) => id !== 'm2' && id !== 'm10');
  expect(found(path)).toEqual(left);
  // As a crash in the middle of `-12.` leaves it.
  appendFileSync(path, '-1');
  expect(found(path)).toEqual(left);
  appendFileSync(path, '\n');
  expect(found(path)).toEqual(left);
  first.close();
  const second = open(path);
  await second.keep(message('later'));
  second.done(message('m0'));
  await expect.poll(() => found(path)).toEqual([...left.slice(1), 'later']);
  second.close();
});

describe.skipIf(noMount !== undefined)('on a full disk', () => {
  let disk: SmallDisk;
  let path: string;
  beforeEach(() => {
    const at = join(home, 'disk');
    disk = mountSmallDisk(at, 1);
    path = join(at, 'outbox');
  });
  afterEach(() => disk.unmount());

  test('no line is torn, and what found no room is written when there is some', async () => {
    const outbox = open(path);
    await outbox.keep(message('first'));
    disk.fill();
    const ids = ['first'];
    for (let at = 0; at < 40; at += 1) {
      ids.push(`m${at}`);
      await outbox.keep(message(`m${at}`, 'x'.repeat(400)));
      const text = readFileSync(path, 'utf8');
      expect(text.endsWith('\n')).toBe(true);
      expect(() => settled(path)).not.toThrow();
    }
    expect(settled(path).length).toBeLessThan(ids.length);
    // Told once, not for each of them.
    expect(notices.filter((text) => text.includes('in memory only'))).toHaveLength(1);
    expect(outbox.waiting().map(({ id }) => id)).toEqual(ids);
    disk.free();
    await expect.poll(() => settled(path)).toEqual(ids);
    expect(notices.at(-1)).toBe('the outbox is written again');
    expect(found(path)).toEqual(ids);
    for (const one of outbox.waiting()) outbox.done(one);
    await expect.poll(() => statSync(path).size).toBe(0);
    outbox.close();
  });

  test('what was struck meanwhile is not sent again, and what was torn before is left out', async () => {
    writeFileSync(path, `${JSON.stringify(message('old'))}\n${JSON.stringify(message('torn')).slice(0, 30)}`);
    const outbox = open(path);
    disk.fill();
    expect(outbox.waiting().map(({ id }) => id)).toEqual(['old']);
    await outbox.keep(message('new', 'y'.repeat(5000)));
    const [old] = outbox.waiting();
    outbox.done(old!);
    await sleep(120);
    disk.free();
    await expect.poll(() => found(path)).toEqual(['new']);
    outbox.close();
  });
});
