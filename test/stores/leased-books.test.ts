import { expect, test } from 'vitest';
import { Asking } from '../../src/stores/leased/asking.ts';
import { Books } from '../../src/stores/leased/books.ts';
import { drawWindow, newHold } from '../../src/stores/leased/counter.ts';
import { fitting, Namer } from '../../src/stores/leased/naming.ts';
import type { Office } from '../../src/stores/leased/office.ts';
import { type RateSlice, type SeatsSlice, stir } from '../../src/stores/leased/slices.ts';
import { budget, rate, request } from '../contracts/ledger.ts';

const day_ms = 86_400_000;

test('slices of windows that are over are let go, but for those of estimates that may be replaced', () => {
  const books = new Books('acme');
  const users = ['a', 'b', 'c'].map((id) => budget({ scope: { kind: 'user', id }, window: 'day' }));
  const [kept, ...rest] = users.map((one) => books.slice(one, day_ms / 2));
  const hold = newHold(request('abandoned', {}));
  hold.provisional = true;
  hold.slices.push(kept!);
  books.holds.set(hold.id, hold);
  books.prune(day_ms - 1, 0);
  expect(books.slices.size).toBe(3);
  books.prune(day_ms, 0);
  expect([...books.slices.values()]).toEqual([kept]);
  expect(rest).toHaveLength(2);
  books.holds.delete(hold.id);
  books.prune(day_ms, 0);
  expect(books.slices.size).toBe(0);
});

test('nor are those that a trade names which is under way: it may have to be told again', () => {
  const books = new Books('acme');
  books.slice(budget({ window: 'day' }), day_ms / 2);
  books.trading = true;
  books.prune(2 * day_ms, 0);
  expect(books.slices.size).toBe(1);
  books.trading = false;
  books.prune(2 * day_ms, 0);
  expect(books.slices.size).toBe(0);
});

test('a trade names fifty slices, those first of which something is to be told, and every other in its turn', () => {
  const books = new Books('acme');
  const slices = Array.from({ length: 250 }, (_, at) =>
    books.slice(budget({ scope: { kind: 'user', id: `u${at}` }, window: 'total' }), 0),
  );
  for (const slice of slices) slice.free = 1;
  const namer = new Namer(books);
  const asked = new Map(slices.slice(0, 10).map((slice) => [slice, 1]));
  const seen = new Set<unknown>();
  for (let trade = 0; trade < 12; trade++) {
    for (const slice of slices.slice(200, 230)) stir(slice);
    const told = namer.naming(asked, { all: false, idle: () => false });
    expect(told.named).toHaveLength(60);
    expect(new Set(told.named).size).toBe(60);
    expect(told.named.slice(0, 40)).toEqual([...slices.slice(0, 10), ...slices.slice(200, 230)]);
    expect(told.more).toBe(false);
    for (const slice of told.named) {
      slice.dirty = false;
      seen.add(slice);
    }
  }
  expect(seen.size).toBe(250);
  // What is idle goes back at once, in as many trades as it takes.
  expect(namer.naming(asked, { all: false, idle: () => true })).toMatchObject({ more: true });
  expect(namer.naming(asked, { all: true, idle: () => true }).named).toHaveLength(250);
});

test('more of a window is asked for while calls take of it, before one has to wait, and nothing once they do not', () => {
  const books = new Books('acme');
  const speeds = Array.from({ length: 60 }, (_, at) => books.rate(rate({ scope: { kind: 'user', id: `u${at}` } })));
  const asking = new Asking({ ahead_ms: 500, idle_ms: 1_000 } as Office, books);
  const asks = (now_ms: number) => asking.rates(new Map(), now_ms, new Set()).map(([, ask]) => ask);
  const taken = (slice: RateSlice, drawn: number, free: number) => {
    if (drawn > 0) drawWindow(slice, drawn);
    Object.assign(slice, { drawn, free });
  };
  for (const slice of speeds as RateSlice[]) Object.assign(slice, { told_ms: 0, pace: 100 });
  // Half a second at this pace is 50: what is there lasts for half of that and longer, or no call took of it.
  for (const slice of speeds as RateSlice[]) taken(slice, 10, 25);
  taken(speeds[1] as RateSlice, 0, 0);
  taken(speeds[2] as RateSlice, 100, 24);
  expect(asks(1_000)).toMatchObject([{ key: speeds[2]!.key, asked: 0, least: 0, ahead: 26 }]);
  // One trade has room for so many.
  for (const slice of speeds as RateSlice[]) taken(slice, 10, 0);
  expect(asks(1_000)).toHaveLength(50);
});

test('a trade names fifty limits on calls at once, those first of which something is to be told, and all are renewed in time', () => {
  const books = new Books('acme');
  const all = Array.from({ length: 250 }, (_, at) => {
    const limit = rate({ scope: { kind: 'user', id: `u${at}` }, unit: 'concurrent', window_ms: 0 });
    const seats = books.rate(limit) as SeatsSlice;
    return Object.assign(seats, { taken: 1, granted: 1, told_ms: 0, used_ms: 0 });
  });
  const asking = new Asking({ ahead_ms: 500, idle_ms: 1_000, lease_ms: 10_000 } as Office, books);
  const names = (now_ms: number, { asked = new Map(), whole = false } = {}) => {
    asking.slices(new Map(), now_ms, whole);
    return asking.seats(asked, now_ms, new Set(), whole).map(([one]) => one);
  };
  const told = new Set<SeatsSlice>();
  // In their turns, as there is nothing to tell.
  for (let trades = 0; trades < 5; trades++) for (const one of names(1_000)) told.add(one);
  expect(told.size).toBe(250);
  all[200]!.dirty = true;
  Object.assign(all[210]!, { granted: 2, wanted: true });
  Object.assign(all[220]!, { granted: 2, used_ms: -1_000 });
  const asked = new Map([[all[230]!, { limit: all[230]!.rate, least: 1, sum: 1, held: false }]]);
  const first = names(900, { asked });
  expect(first.slice(0, 4)).toEqual([all[200], all[210], all[220], all[230]]);
  expect(first).toHaveLength(51);
  expect(asking.more).toBe(false);
  const renewed = new Set<SeatsSlice>();
  for (let trades = 1; trades <= 5; trades++) {
    for (const one of names(2_500)) renewed.add(Object.assign(one, { told_ms: 2_500 }));
    expect(asking.more).toBe(trades < 5);
  }
  expect(renewed.size).toBe(250);
  expect(names(2_600, { whole: true })).toHaveLength(250);
});

test('those who wait for many slices take turns', () => {
  const books = new Books('acme');
  const waiters = Array.from({ length: 250 }, (_, at) => {
    const one = budget({ scope: { kind: 'user', id: `u${at % 200}` }, window: 'total' });
    return { needs: () => [{ of: 'budget' as const, slice: books.slice(one, 0), budget: one, asked: 1, held: false }] };
  });
  expect(fitting(waiters)).toBe(50);
  expect(fitting(waiters.slice(150))).toBe(50);
  expect(fitting(Array.from({ length: 250 }, () => waiters[0]!))).toBe(250);
});

test('of 100,000 counters only so many idle ones are remembered, and none of which anything is held', () => {
  const books = new Books('acme');
  const of = (at: number) => {
    const scope = { kind: 'user' as const, id: `u${at}` };
    return {
      budgets: [budget({ scope, window: 'total' }), budget({ scope, window: 'rolling', rolling_ms: 3_600_000 })],
      rates: [rate({ scope }), rate({ scope, unit: 'concurrent', window_ms: 0 })],
    };
  };
  const first = of(0);
  const hold = newHold(request('runs', {}));
  const [total, rolling] = first.budgets.map((one) => books.slice(one, 0));
  const [requests, seats] = first.rates.map((one) => books.rate(one));
  hold.slices.push(total!);
  hold.parts.push({ slice: requests as RateSlice, slot: 0, amount: 1 });
  hold.seats.push(seats as SeatsSlice);
  books.holds.set(hold.id, hold);
  // Told of nothing yet, taken and free, and a share of a lost ledger.
  const kept = [...of(1).budgets, ...of(2).budgets].map((one) => books.slice(one, 0));
  stir(kept[0]!);
  kept[1]!.free = 5;
  kept[2]!.shared_ms = 1_000;
  let most = 0;
  let now_ms = 2_000;
  const later = () => {
    now_ms += 1_000;
    return now_ms;
  };
  for (let at = 3; at < 25_000; at += 1) {
    const { budgets, rates } = of(at);
    for (const one of budgets) books.slice(one, 0);
    for (const one of rates) books.rate(one);
    if (at % 500 === 0) books.prune(0, later());
    most = Math.max(most, books.slices.size + books.rates.size + books.seats.size);
  }
  books.prune(0, later());
  expect(most).toBeLessThan(45_000);
  expect(books.slices.size).toBeLessThanOrEqual(12_500);
  for (const slice of [total!, ...kept.slice(0, 3)]) expect(books.slices.get(slice.key)).toBe(slice);
  expect([books.rate(first.rates[0]!), books.rate(first.rates[1]!)]).toEqual([requests, seats]);
  // What was let go is made anew, empty, and not mistaken for what it was.
  expect(books.slices.has(rolling!.key)).toBe(false);
  const again = books.slice(first.budgets[1]!, 0);
  expect(again).not.toBe(rolling);
  expect(again.told_ms).toBe(Number.NEGATIVE_INFINITY);
  // A trade that is under way may be granted something yet.
  const before = books.slices.size;
  for (let at = 200_000; at < 205_000; at += 1) for (const one of of(at).budgets) books.slice(one, 0);
  books.trading = true;
  for (let more = 0; more < 3; more += 1) books.prune(0, later());
  expect(books.slices.size).toBe(before + 10_000);
}, 120_000);
