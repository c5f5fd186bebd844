import { expect, test } from 'vitest';
import { Books } from '../../src/stores/leased/books.ts';
import { newHold } from '../../src/stores/leased/counter.ts';
import { readItem } from '../../src/stores/leased/items.ts';
import { Renewals } from '../../src/stores/leased/renewals.ts';
import { retelling } from '../../src/stores/leased/retelling.ts';
import { budget, request } from '../contracts/ledger.ts';

const total = budget({ window: 'total', limit: 1_000_000 });
const counter = '["budget:team:research:total","n",1000000,1,0,0,0,7]';
const item = (number: number) => `[${number},"s","c${number}",7,0,0,0,-1,-1,-1,"",[${counter}]]`;

/** A process that stands for so many estimates, has so much to tell, and of which a call holds 5. */
function booksOf(estimates: number, items: number): Books {
  const books = new Books('acme');
  const slice = books.slice(total, 0);
  slice.held = 5;
  slice.free = 3;
  for (let at = 0; at < estimates; at++) {
    const hold = newHold(request(`e${at}`, {}));
    hold.slices.push(slice);
    books.standing.begin(hold);
    books.standing.told({ id: hold.id, at_ms: 1, resets: [0] });
  }
  for (let number = 1; number <= items; number++) books.untold.add(number, item(number));
  return books;
}

const sizes = [0, 1, 9, 10, 11, 25];

test.each(sizes.flatMap((estimates) => sizes.map((items) => [estimates, items])))(
  'a Redis that lost everything is told %d estimates before %d items and what is held last, in parts',
  (estimates, items) => {
    const books = booksOf(estimates, 0);
    // Runs of five, as trades that were not answered leave them.
    for (let number = 1; number <= items; number++) {
      books.untold.add(number, item(number));
      if (number % 5 === 0) books.untold.oldest(1_000);
    }
    const { parts, floors } = retelling(books, new Renewals(), 10, 0);
    const seen: string[] = [];
    for (const [at, { items, slices, again }] of parts.entries()) {
      const told = (JSON.parse(items.toString('latin1')) as unknown[]).map((one) => readItem(JSON.stringify(one)).id);
      const stood = again?.estimates.map(({ id }) => id) ?? [];
      expect(told.length).toBeLessThanOrEqual(10);
      expect(stood.length).toBeLessThanOrEqual(10);
      seen.push(...stood, ...told);
      expect(slices.map(({ holds, free }) => [holds, free])).toEqual(at === parts.length - 1 ? [[5, 0]] : []);
    }
    const each = (letter: string, count: number, from: number) =>
      Array.from({ length: count }, (_, at) => `${letter}${at + from}`);
    expect(seen).toEqual([...each('e', estimates, 0), ...each('c', items, 1)]);
    expect(floors.map(({ added }) => added)).toEqual(items === 0 ? [] : [7 * items]);
    expect(books.slices.get('budget:team:research:total')?.free).toBe(0);
  },
);
