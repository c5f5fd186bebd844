import fc from 'fast-check';
import { expect, test } from 'vitest';
import { advance, count, emptyAt, tally } from '../../src/stores/tally.ts';

const spending = fc.array(fc.tuple(fc.nat(700), fc.integer({ min: 1, max: 40 })), { maxLength: 120 });

test.each([1_000, 7_000, 60_000])(
  'no window of %d ms, wherever it starts, ever has more spent than the limit, and all of it is gone when told',
  (length_ms) => {
    fc.assert(
      fc.property(spending, fc.integer({ min: 40, max: 200 }), (list, limit) => {
        const one = tally(`budget:team:research:rolling:${length_ms / 1_000}s`, 'nusd');
        const spent: { at: number; amount: number }[] = [];
        let now = 1_795_250_000_000;
        for (const [wait, amount] of list) {
          now += wait;
          advance(one, now);
          if (one.spent + amount > limit) continue;
          count(one, amount, 0, 1, now);
          spent.push({ at: now, amount });
        }
        for (const { at } of spent) {
          const inside = spent.filter((other) => other.at >= at && other.at < at + length_ms);
          expect(inside.reduce((sum, other) => sum + other.amount, 0)).toBeLessThanOrEqual(limit);
        }
        if (one.rolling === undefined) throw new Error('it does not roll');
        const end = emptyAt(one.rolling, now);
        const last = spent.at(-1)?.at ?? now;
        expect(end - last).toBeLessThanOrEqual(spent.length === 0 ? 0 : length_ms * 1.04 + 2);
        advance(one, end - 1);
        expect(one.spent > 0).toBe(spent.length > 0 && end > now);
        advance(one, end);
        expect([one.spent, one.requests, one.tokens]).toEqual([0, 0, 0]);
      }),
      { numRuns: 200 },
    );
  },
);
