import { expect, test } from 'vitest';
import { Books } from '../../src/stores/leased/books.ts';
import { newHold } from '../../src/stores/leased/counter.ts';
import { fitting, naming } from '../../src/stores/leased/naming.ts';
import { budget, request } from '../contracts/ledger.ts';

const day_ms = 86_400_000;

test('slices of windows that are over are let go, but for those of estimates that may be replaced', () => {
  const books = new Books('acme');
  const users = ['a', 'b', 'c'].map((id) => budget({ scope: { kind: 'user', id }, window: 'day' }));
  const [kept, ...rest] = users.map((one) => books.slice(one, day_ms / 2));
  const hold = newHold(request('abandoned', {}));
  hold.provisional = true;
  hold.slices.push(kept!);
  books.holds.set(hold.id, hold);
  books.prune(day_ms - 1);
  expect(books.slices.size).toBe(3);
  books.prune(day_ms);
  expect([...books.slices.values()]).toEqual([kept]);
  expect(rest).toHaveLength(2);
  books.holds.delete(hold.id);
  books.prune(day_ms);
  expect(books.slices.size).toBe(0);
});

test('a trade names fifty slices, those first of which something is to be told, and every other in its turn', () => {
  const books = new Books('acme');
  const slices = Array.from({ length: 250 }, (_, at) =>
    books.slice(budget({ scope: { kind: 'user', id: `u${at}` }, window: 'total' }), 0),
  );
  for (const slice of slices) slice.free = 1;
  for (const slice of slices.slice(200, 230)) slice.dirty = true;
  const asked = new Map(slices.slice(0, 10).map((slice) => [slice, 1]));
  const seen = new Set<unknown>();
  let next = 0;
  for (let trade = 0; trade < 12; trade++) {
    const told = naming(books.slices, asked, { all: false, next, idle: () => false });
    expect(told.named).toHaveLength(60);
    expect(new Set(told.named).size).toBe(60);
    expect(told.named.slice(0, 40)).toEqual([...slices.slice(0, 10), ...slices.slice(200, 230)]);
    expect(told.more).toBe(false);
    for (const slice of told.named) seen.add(slice);
    next = told.next;
  }
  expect(seen.size).toBe(250);
  // What is idle goes back at once, in as many trades as it takes.
  expect(naming(books.slices, asked, { all: false, next, idle: () => true })).toMatchObject({ more: true });
  expect(naming(books.slices, asked, { all: true, next, idle: () => true }).named).toHaveLength(250);
});

test('those who wait for many slices take turns', () => {
  const books = new Books('acme');
  const waiters = Array.from({ length: 250 }, (_, at) => {
    const one = budget({ scope: { kind: 'user', id: `u${at % 200}` }, window: 'total' });
    return { needs: () => [{ of: 'budget' as const, slice: books.slice(one, 0), budget: one, asked: 1 }] };
  });
  expect(fitting(waiters)).toBe(50);
  expect(fitting(waiters.slice(150))).toBe(50);
  expect(fitting(Array.from({ length: 250 }, () => waiters[0]!))).toBe(250);
});
