import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LedgerUnavailable } from '../../src/stores/index.ts';
import { lock } from '../../src/stores/lock.ts';
import { type Message, Outbox } from '../../src/stores/redis/outbox.ts';
import { request } from '../contracts/ledger.ts';
import { journalHouse, spend, total } from '../support/journal-house.ts';
import { contents, takeOver } from '../support/taken-over.ts';

const house = journalHouse();

function place(): string {
  const home = mkdtempSync(join(tmpdir(), 'taken-over-'));
  onTestFinished(() => rmSync(home, { recursive: true }));
  return home;
}

test('who stood still until another one took over knows before it writes, and is told once', () => {
  const file = join(place(), 'lock');
  let lost = 0;
  const held = lock(file, () => (lost += 1));
  expect(held.held()).toBe(true);
  takeOver(file);
  const theirs = readFileSync(file, 'utf8');
  expect([held.held(), held.held(), lost]).toEqual([false, false, 1]);
  held.release();
  expect(readFileSync(file, 'utf8')).toBe(theirs);
});

test('who stood still and nobody took over goes on', () => {
  const file = join(place(), 'lock');
  const held = lock(file, () => expect.fail());
  const words = readFileSync(file, 'utf8');
  takeOver(file);
  writeFileSync(file, words);
  expect(held.held()).toBe(true);
  held.release();
  expect(contents(join(file, '..'))).toEqual({});
});

test('a journal that another process has taken over takes no hold, and begins no segment there', async () => {
  const path = house.place();
  const ledger = await house.open(path);
  await spend(ledger, 'before', (so_far) => so_far === 2);
  takeOver(join(path, 'lock'));
  const theirs = contents(path);
  for (let at = 0; at < 3; at += 1) {
    // More than a segment takes.
    const asked = request(`r${at}`, { nusd: 1 }, { budgets: [total], labels: { of: 'x'.repeat(2_000) } });
    await expect(ledger.reserve(asked)).rejects.toThrow(LedgerUnavailable);
  }
  await expect(ledger.close()).rejects.toThrow(/another process has taken over its directory/);
  expect(contents(path)).toEqual(theirs);
  expect(house.notices.filter((text) => text.includes('taken over'))).toHaveLength(1);
});

test('an outbox that another process has taken over leaves it what it keeps there, and goes on in memory', async () => {
  const home = place();
  const path = join(home, 'outbox');
  const message = (id: string): Message => ({
    op: 'settle',
    id,
    organization: 'acme',
    nusd: 7,
    tokens: 1,
    estimated: false,
    at_ms: 0,
  });
  const notices: string[] = [];
  const outbox = new Outbox(path, (text) => notices.push(text));
  const [mine, late] = [message('mine'), message('late')];
  await outbox.keep(mine);
  writeFileSync(path, `${JSON.stringify({ ...message('theirs'), n: 1 })}\n`);
  takeOver(`${path}.lock`);
  const theirs = contents(home);
  // All is acknowledged: it would be emptied.
  outbox.done(mine);
  await outbox.keep(late);
  outbox.done(late);
  await outbox.keep(message('later'));
  expect(outbox.waiting().map(({ id }) => id)).toEqual(['later']);
  outbox.close();
  expect(contents(home)).toEqual(theirs);
  expect(notices).toEqual([
    `${path}: another process has taken over the outbox; messages are in memory only from now on`,
  ]);
});
