import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Books } from '../../src/stores/leased/books.ts';
import { newHold } from '../../src/stores/leased/counter.ts';
import { item } from '../../src/stores/leased/items.ts';
import { Notes } from '../../src/stores/leased/notes.ts';
import { Replay } from '../../src/stores/leased/replay.ts';
import { Lines } from '../../src/stores/lines.ts';
import { budget, request } from '../contracts/ledger.ts';

const now_ms = Date.UTC(2026, 5, 1);
const budgets = [
  budget({ window: 'day', limit: 1_000 }),
  budget({ window: 'month', limit: 9_000 }),
  budget({ window: 'total', limit: 50, unit: 'requests' }),
];
const labels = [undefined, {}, { team: 'research' }, { team: 'a b&c=d', user: 'jane@acme.test', tag: 'straße' }];
const owners = ['one', 'gateway 2', '17'];

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('hold' as const),
      of: fc.subarray([0, 1, 2]),
      owner: fc.constantFrom(...owners),
      labels: fc.constantFrom(...labels),
      nusd: fc.nat(500),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      kind: fc.constantFrom('s' as const, 'p' as const),
      nusd: fc.nat(),
      labels: fc.constantFrom('', 'team=research', 'team=a%20b&user=jane@acme.test'),
      used: fc.integer(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('amend' as const), nusd: fc.nat(500) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rate' as const), delta: fc.integer() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('limit' as const), limit: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hear' as const), back: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rotate' as const) }) },
);

/** What of an organisation a journal is to keep. */
function kept({ holds, untold, items, settled }: Books): unknown {
  return {
    items,
    untold: [...untold.texts()],
    settled: settled.all().sort(),
    holds: [...holds.values()].map(({ slices, parts: _parts, seats: _seats, ...hold }) => ({
      ...hold,
      slices: slices.map(({ key }) => key),
    })),
  };
}

test('a journal tells what happened as it happened, item for item, whatever its lines have in common and across segments', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const books = new Books('acme & co');
      let journal = new Lines();
      const notes = new Notes(() => journal);
      const head = (): void => {
        journal = new Lines();
        notes.restart();
        journal.letters('leased 2 me\n');
        notes.snapshot([books], () => journal);
      };
      head();
      const note = (): void => {
        books.items += 1;
        books.untold.put(books.items, item.text);
        notes.item(books, item);
      };
      for (const [index, one] of steps.entries()) {
        const [oldest] = books.holds.values();
        if (one.do === 'hold') {
          const asked = {
            ...request(`ex_${index}`, { nusd: 1 }),
            owner: one.owner,
            ...(one.labels && { labels: one.labels }),
          };
          const slices = one.of.map((at) => books.slice(budgets[at]!, now_ms));
          const hold = Object.assign(newHold(asked, slices), { nusd: one.nusd, tokens: 3, input: 2, expires_ms: 99 });
          books.holds.set(hold.id, hold);
          notes.held(books, hold);
        } else if (one.do === 'settle' && oldest !== undefined) {
          const { kind, nusd } = one;
          item.money(books, kind, oldest, { nusd, tokens: 5, input: 4 }, kind === 'p', one.labels);
          for (const [at, slice] of oldest.slices.entries()) item.counter(slice, one.used + at);
          item.end();
          note();
          if (kind === 'p') Object.assign(oldest, { provisional: true, nusd, tokens: 5 });
          else {
            books.holds.delete(oldest.id);
            books.settled.add(oldest.id);
          }
        } else if (one.do === 'amend' && oldest !== undefined && !oldest.provisional) {
          oldest.nusd = one.nusd;
          notes.amended(books, oldest);
        } else if (one.do === 'release' && oldest !== undefined && !oldest.provisional) {
          notes.released(books, oldest);
          books.holds.delete(oldest.id);
        } else if (one.do === 'rate') {
          item.rate(books, 'rate key', 7, one.delta, 1_000, 6);
          note();
        } else if (one.do === 'limit') {
          // As where a limit was changed: what an item tells of the counter is spelled anew.
          const slice = books.slice(budgets[0]!, now_ms);
          slice.budget = { ...slice.budget, limit: one.limit };
          slice.head = undefined;
        } else if (one.do === 'hear') {
          const last = books.items - one.back;
          books.untold.heard(last);
          notes.acknowledged(books, last);
        } else if (one.do === 'rotate') head();
      }
      const replay = new Replay();
      for (const line of journal.bytes.toString('latin1', 0, journal.size).trimEnd().split('\n')) replay.line(line);
      expect(replay.owner).toBe('me');
      expect(replay.whole).toBe(true);
      const again = replay.all.get('acme & co');
      if (again === undefined) expect(books.items + books.holds.size + books.settled.all().length).toBe(0);
      else expect(kept(again)).toEqual(kept(books));
    }),
    { numRuns: 300 },
  );
});

test('a caller who asks again is not spelled again', () => {
  const books = new Books('acme');
  const journal = new Lines();
  const notes = new Notes(() => journal);
  const asked = { ...request('ex_1', { nusd: 1 }), labels: { team: 'research', user: 'jane' } };
  const bytes = (): number => {
    const before = journal.size;
    const hold = newHold(asked, [books.slice(budgets[0]!, now_ms)]);
    notes.held(books, hold);
    item.money(books, 's', hold, { nusd: 1, tokens: 0 }, false, hold.labels);
    for (const slice of hold.slices) item.counter(slice, 1);
    item.end();
    notes.item(books, item);
    return journal.size - before;
  };
  const first = bytes();
  expect(bytes()).toBeLessThan(first / 2);
});
