import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Ring } from '../../src/stores/embedded/ring.ts';
import { slotting } from '../../src/stores/rate-key.ts';

const calls = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 5 })), { maxLength: 120 });

test('no window of its length, wherever it starts, ever holds more than the limit', () => {
  fc.assert(
    fc.property(
      calls,
      fc.integer({ min: 1, max: 20 }),
      fc.constantFrom(7, 60, 100, 1_000),
      (list, limit, window_ms) => {
        const { slot_ms, count } = slotting(window_ms);
        const ring = new Ring('rate', 'requests', slot_ms, count);
        const admitted: { at: number; amount: number }[] = [];
        let now = 1_795_250_000_000;
        for (const [wait, amount] of list) {
          now += wait;
          ring.advance(now);
          if (ring.used + amount > limit) {
            const retry = ring.retry_ms(now, ring.used + amount - limit);
            expect(retry).toBeGreaterThan(0);
            expect(retry).toBeLessThanOrEqual(count * slot_ms);
            continue;
          }
          ring.add(ring.head, amount);
          admitted.push({ at: now, amount });
        }
        for (const { at } of admitted) {
          const inside = admitted.filter((one) => one.at >= at && one.at < at + window_ms);
          expect(inside.reduce((sum, one) => sum + one.amount, 0)).toBeLessThanOrEqual(limit);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('what was asked to wait fits after the wait, and everything is gone after the reset', () => {
  fc.assert(
    fc.property(calls, fc.integer({ min: 5, max: 20 }), (list, limit) => {
      const { slot_ms, count } = slotting(1_000);
      const ring = new Ring('rate', 'requests', slot_ms, count);
      let now = 1_795_250_000_000;
      for (const [wait, amount] of list) {
        now += wait;
        ring.advance(now);
        if (ring.used + amount > limit) {
          now += ring.retry_ms(now, ring.used + amount - limit);
          ring.advance(now);
          expect(ring.used + amount).toBeLessThanOrEqual(limit);
        }
        ring.add(ring.head, amount);
      }
      ring.advance(now + ring.reset_ms(now));
      expect(ring.used).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test('what is taken back is never more than what is there', () => {
  const ring = new Ring('rate', 'tokens', 10, 61);
  ring.advance(1_000);
  ring.add(ring.head, 5);
  ring.add(ring.head, -9);
  expect(ring.used).toBe(0);
});
