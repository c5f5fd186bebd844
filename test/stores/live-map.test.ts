import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LiveMap } from '../../src/stores/live-map.ts';

/** Few enough that the same come again and again, and some that differ only before the letters that are hashed. */
const ids = fc.oneof(
  fc.integer({ min: 0, max: 400 }).map((one) => `call-${one}`),
  fc.integer({ min: 0, max: 9 }).map((one) => `${one}-the-same-end-of-all-of-them`),
  fc.constantFrom('', '__proto__', 'é', '\u{1f600}'),
);

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ op: fc.constant('set' as const), id: ids, value: fc.nat(9) }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant('delete' as const), id: ids, value: fc.constant(0) }) },
  ),
  { maxLength: 500, size: 'max' },
);

it('is a Map, in the order things came', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const [live, map] = [new LiveMap<number>(), new Map<string, number>()];
      for (const { op, id, value } of list) {
        if (op === 'set') {
          live.set(id, value);
          map.set(id, value);
        } else if (live.delete(id) !== map.delete(id)) expect.unreachable(id);
        if (live.size !== map.size || live.get(id) !== map.get(id) || live.has(id) !== map.has(id))
          expect.unreachable(id);
      }
      expect(live.values()).toEqual([...map.values()]);
      expect(live.oldest()).toBe([...map.values()][0]);
      for (const [id, value] of map) expect(live.get(id)).toBe(value);
    }),
  );
});

it('keeps what stays through any number of others that come and go', () => {
  const live = new LiveMap<string>().set('stays', 'first');
  for (let round = 0; round < 10_000; round += 1) {
    live.set(`call-${round}`, 'passing');
    if (round >= 40) expect(live.delete(`call-${round - 40}`)).toBe(true);
  }
  expect(live.size).toBe(41);
  expect(live.get('stays')).toBe('first');
  expect(live.oldest()).toBe('first');
});

it('grows to what is there at once, and takes a walk in which things go', () => {
  const live = new LiveMap<number>();
  for (let one = 0; one < 5000; one += 1) live.set(`call-${one}`, one);
  for (const one of live.values()) if (one % 2 === 0) live.delete(`call-${one}`);
  expect(live.size).toBe(2500);
  expect(live.values().every((one, at) => one === at * 2 + 1)).toBe(true);
});
