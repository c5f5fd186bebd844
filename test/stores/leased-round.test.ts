import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Round } from '../../src/stores/leased/round.ts';

test('goes round a table: as many as asked for and none twice, and everyone that stays comes in its turn', () => {
  const step = fc.record({
    most: fc.integer({ min: 1, max: 12 }),
    taken: fc.integer({ min: 0, max: 12 }),
    added: fc.nat(2),
    deleted: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.nat(30), fc.array(step, { maxLength: 80 }), (size, steps) => {
      const table = new Map(Array.from({ length: size }, (_, at) => [`k${at}`, at]));
      const round = new Round(table);
      let made = size;
      /** Since when each was not met, in entries that were met meanwhile. */
      const waits = new Map([...table.values()].map((one) => [one, 0]));
      for (const { most, taken, added, deleted } of steps) {
        const met: number[] = [];
        for (const one of round.next(most)) {
          met.push(one);
          if (met.length === taken) break;
        }
        const wanted = taken === 0 ? most : Math.min(most, taken);
        expect(met).toHaveLength(Math.min(wanted, table.size));
        expect(new Set(met).size).toBe(met.length);
        for (const [one, since] of waits) waits.set(one, met.includes(one) ? 0 : since + met.length);
        // No longer than a whole round, with those that came meanwhile.
        for (const since of waits.values()) expect(since).toBeLessThan(2 * (made + 1));
        for (let more = 0; more < added; more += 1) {
          waits.set(made, 0);
          table.set(`k${made}`, made++);
        }
        for (const key of [...table.keys()].slice(0, deleted)) {
          waits.delete(table.get(key) ?? -1);
          table.delete(key);
        }
      }
    }),
  );
});
