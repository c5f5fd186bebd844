import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { contains, intersect, setOf } from '../../src/rails/matcher/char-set.ts';

const point = fc.integer({ min: 0, max: 60 });
const set = fc
  .array(fc.tuple(point, fc.integer({ min: 0, max: 9 })), { maxLength: 8 })
  .map((ranges) => setOf(ranges.flatMap(([first, more]) => [first, first + more])));

test('what two sets share is a set of exactly the characters in both', () => {
  fc.assert(
    fc.property(set, set, (a, b) => {
      const both = intersect(a, b);
      expect(both).toEqual(setOf(both));
      for (let at = 0; at < 80; at += 1) expect(contains(both, at)).toBe(contains(a, at) && contains(b, at));
    }),
  );
});
