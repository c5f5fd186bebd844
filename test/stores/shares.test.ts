import { expect, test } from 'vitest';
import { needsOf } from '../../src/stores/leased/admission.ts';
import { Books, isSeats } from '../../src/stores/leased/books.ts';
import { drawWindow } from '../../src/stores/leased/counter.ts';
import { uncount } from '../../src/stores/leased/granted.ts';
import type { Office } from '../../src/stores/leased/office.ts';
import { draw } from '../../src/stores/leased/slices.ts';
import { Shares } from '../../src/stores/share/shares.ts';
import { budget, rate } from '../contracts/ledger.ts';

const day_ms = 86_400_000;

/** What is refused of a call of so much, of budgets the ledger told of at noon, before it was lost. */
function lostSince(noon_ms: number, budgets: readonly ReturnType<typeof budget>[], limit?: number) {
  let now_ms = noon_ms;
  const office = { clock: () => now_ms, now: () => now_ms } as Office;
  const books = new Books('acme');
  const shares = new Shares();
  const figures = { spent: 600, held: 0, resets_at_ms: 0 };
  const states = budgets.map((one) => ({ budget: one, limit: limit ?? one.limit, ...figures }));
  shares.seen(office, books, states, []);
  shares.lives(2, noon_ms);
  return {
    /** A crowd of other counters came: those that nothing is held of are forgotten. */
    forget() {
      for (const slice of books.slices.values()) slice.dropped = true;
      books.slices.clear();
    },
    givenBack(nusd: number) {
      for (const slice of books.slices.values()) draw(slice, -nusd, now_ms);
    },
    taken(one: ReturnType<typeof budget>, nusd: number, at_ms: number): boolean {
      now_ms = at_ms;
      const wanting = { amount: { nusd, tokens: 0 }, budgets: [one], rates: [], hold: undefined };
      const needs = needsOf(books, wanting, now_ms);
      if (shares.take(office, books, needs) !== undefined) return false;
      for (const need of needs) if (need.of === 'budget') draw(need.slice, need.asked, now_ms);
      return true;
    },
  };
}

test('a counter that was told of and let go has no share, however long its window is', () => {
  const all = [
    budget({ window: 'total', limit: 1_000 }),
    budget({ window: 'rolling', rolling_ms: 3_600_000, limit: 1_000 }),
    budget({ window: 'day', limit: 1_000 }),
  ];
  const noon_ms = 20_000 * day_ms + day_ms / 2;
  for (const one of all) {
    const known = lostSince(noon_ms, all);
    expect([known.taken(one, 201, noon_ms), known.taken(one, 200, noon_ms)]).toEqual([false, true]);
    const forgotten = lostSince(noon_ms, all);
    forgotten.forget();
    expect(forgotten.taken(one, 1, noon_ms)).toBe(false);
  }
});

test('a window that began while the ledger was lost has a share of its whole limit', () => {
  const [day, total] = [budget({ window: 'day', limit: 1_000 }), budget({ window: 'total', limit: 1_000 })];
  const noon_ms = 20_000 * day_ms + day_ms / 2;
  const lost = lostSince(noon_ms, [day, total]);
  lost.forget();
  expect(lost.taken(day, 501, noon_ms + day_ms)).toBe(false);
  expect(lost.taken(day, 500, noon_ms + day_ms)).toBe(true);
  expect(lost.taken(day, 1, noon_ms + day_ms)).toBe(false);
  expect(lost.taken(total, 1, noon_ms + day_ms)).toBe(false);
});

test('a limit that was changed while the ledger is lost holds from the next call on', () => {
  const day = budget({ window: 'day', limit: 1_000 });
  const noon_ms = 20_000 * day_ms + day_ms / 2;
  for (const [limit, share] of [
    [500, 0],
    [800, 100],
    [2_000, 700],
  ] as const) {
    const lost = lostSince(noon_ms, [day]);
    const changed = { ...day, limit };
    expect([lost.taken(changed, share + 1, noon_ms), lost.taken(changed, share, noon_ms)]).toEqual([false, true]);
    expect(lost.taken(changed, 1, noon_ms)).toBe(false);
  }
  // What was taken and comes back is no room under a limit that is passed.
  const lost = lostSince(noon_ms, [day]);
  expect(lost.taken(day, 200, noon_ms)).toBe(true);
  lost.givenBack(200);
  expect(lost.taken({ ...day, limit: 700 }, 101, noon_ms)).toBe(false);
  expect(lost.taken({ ...day, limit: 700 }, 100, noon_ms)).toBe(true);
});

test('a limit that people put in the place of the configured one is no larger in a window that begins meanwhile', () => {
  const day = budget({ window: 'day', limit: 1_000 });
  const noon_ms = 20_000 * day_ms + day_ms / 2;
  for (const [limit, share] of [
    [0, 0],
    [300, 150],
    // It may be over by then.
    [5_000, 500],
  ] as const) {
    const lost = lostSince(noon_ms, [day], limit);
    const tomorrow_ms = noon_ms + day_ms;
    expect([lost.taken(day, share + 1, tomorrow_ms), lost.taken(day, share, tomorrow_ms)]).toEqual([false, true]);
  }
  // It stands whatever the configuration says.
  const lost = lostSince(noon_ms, [day], 700);
  const changed = { ...day, limit: 2_000 };
  expect([lost.taken(changed, 51, noon_ms), lost.taken(changed, 50, noon_ms)]).toEqual([false, true]);
});

test('what was taken ahead of a rate and not used is uncounted where it was counted, not where shares are', () => {
  const minute = rate({ limit: 100 });
  let now_ms = 20_000 * day_ms;
  const office = { clock: () => now_ms, now: () => now_ms, notes: { item() {} } } as unknown as Office;
  const books = new Books('acme');
  const shares = new Shares();
  shares.seen(office, books, [], [{ rate: minute, used: 5, remaining: 95, reset_ms: 0 }]);
  const slice = books.rate(minute);
  if (isSeats(slice)) throw new Error('a rate has no seats');
  const slot = now_ms / 1_000;
  Object.assign(slice, { slot, free: 5, until_ms: now_ms + 1_000 });
  now_ms += 30_000;
  const wanting = { amount: { nusd: 0, tokens: 0 }, budgets: [], rates: [minute], hold: undefined };
  expect(shares.take(office, books, needsOf(books, wanting, now_ms))).toBeUndefined();
  drawWindow(slice, 1);
  uncount(office, books, slice);
  const told = [...books.untold.texts()].map((text) => JSON.parse(text) as unknown[]);
  expect(told.map(([, , , slot, delta]) => [slot, delta])).toEqual([
    [slot, -5],
    [slot + 30, 1],
  ]);
});
