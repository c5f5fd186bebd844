import { expect, test } from 'vitest';
import { Books } from '../../src/stores/leased/books.ts';
import { newHold } from '../../src/stores/leased/counter.ts';
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
