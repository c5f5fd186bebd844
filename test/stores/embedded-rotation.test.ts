import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { EmbeddedLedger } from '../../src/stores/index.ts';
import { journalHouse, spend } from '../support/journal-house.ts';

const house = journalHouse();

/** What a process that is killed now leaves behind, without the directory that stood in its way, opened anew. */
async function afterKill(path: string, obstacle: string): Promise<EmbeddedLedger> {
  const next = house.place();
  cpSync(path, next, { recursive: true });
  rmSync(join(next, 'lock'));
  rmSync(join(next, obstacle), { recursive: true });
  return house.open(next);
}

test('what is spent after an old segment could not be removed is there after a crash', async () => {
  const path = house.place();
  const ledger = await house.open(path);
  const obstacle = 'ledger-00000000.journal';
  // A directory in the place of the oldest segment cannot be removed as a file.
  mkdirSync(join(path, obstacle));
  const spent = await spend(ledger, 'a', () => house.notices.length > 0);
  const after = await spend(ledger, 'b', (so_far) => so_far === 1);
  expect(house.notices.join()).toContain(obstacle);
  const second = await afterKill(path, obstacle);
  expect(await second.counters('acme')).toMatchObject([{ spent: spent + after, held: 0 }]);
  expect(await second.reconcile('acme', { repair: false })).toEqual([]);
});

test('a segment that cannot be started leaves no draft on the disk, and nothing is lost', async () => {
  const path = house.place();
  const ledger = await house.open(path);
  const obstacle = 'ledger-00000002.journal';
  mkdirSync(join(path, obstacle));
  const spent = await spend(ledger, 'a', () => house.notices.length > 0);
  expect(house.notices.join()).toContain('cannot start a new segment');
  expect(readdirSync(path).filter((name) => name.endsWith('.draft'))).toEqual([]);
  const after = await spend(ledger, 'b', (so_far) => so_far === 20);
  const second = await afterKill(path, obstacle);
  expect(await second.counters('acme')).toMatchObject([{ spent: spent + after, held: 0 }]);
});

test('whoever reads entries slowly gets all there were, though the oldest segments are removed meanwhile', async () => {
  const ledger = await house.open(house.place());
  const spent = await spend(ledger, 'a', (so_far) => so_far === 40);
  const reading = ledger.entries('acme')[Symbol.asyncIterator]();
  const list = [(await reading.next()).value?.id];
  await spend(ledger, 'b', (so_far) => so_far === 60);
  for (let next = await reading.next(); next.done !== true; next = await reading.next()) list.push(next.value.id);
  const oldest = Number(list[0]?.slice(1));
  expect(list).toEqual(Array.from({ length: spent - oldest }, (_, at) => `a${oldest + at}`));
});
