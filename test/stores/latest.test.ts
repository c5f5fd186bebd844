import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Latest } from '../../src/stores/redis/latest.ts';

const step = fc.oneof(
  fc.record({ op: fc.constant('put' as const), name: fc.constantFrom(...'abcdefgh'), value: fc.nat(20) }),
  fc.record({ op: fc.constant('forget' as const), below: fc.nat(20) }),
);

describe('the entries put in last', () => {
  test('are those a map would hold, in the same order', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 60 }), (most, steps) => {
        const latest = new Latest<number>(most);
        const plain = new Map<string, number>();
        for (const one of steps) {
          if (one.op === 'put') {
            latest.put(one.name, one.value);
            plain.delete(one.name);
            plain.set(one.name, one.value);
            for (const oldest of plain.keys()) {
              if (plain.size <= most) break;
              plain.delete(oldest);
            }
          } else {
            latest.forget((value) => value < one.below);
            for (const [name, value] of plain) {
              if (value >= one.below) break;
              plain.delete(name);
            }
          }
          expect([...latest.values()]).toEqual([...plain.values()]);
          for (const name of 'abcdefgh') expect(latest.get(name)).toBe(plain.get(name));
        }
      }),
    );
  });

  test('stay so after many thousands came and went', () => {
    const latest = new Latest<number>(100);
    for (let n = 0; n < 20_000; n += 1) latest.put(`name ${n}`, n);
    expect([...latest.values()]).toEqual(Array.from({ length: 100 }, (_, n) => 19_900 + n));
    expect(latest.get('name 19899')).toBeUndefined();
  });
});
