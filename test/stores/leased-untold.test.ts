import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Untold } from '../../src/stores/leased/untold.ts';

const item = (number: number, width = 1) => JSON.stringify([number, 'r', `k"\n,${'x'.repeat(width)}`, 1, 2, 3, 4]);
const numbers = (untold: Untold) => [...untold.texts()].map((text) => JSON.parse(text)[0]);

test('items are told oldest first until they were heard, whatever was added, told and heard in between', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('add' as const), gap: fc.integer({ min: 1, max: 3 }), width: fc.nat(2_000) }),
    fc.record({ do: fc.constant('tell' as const), most: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ do: fc.constant('hear' as const), back: fc.nat(4) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const untold = new Untold();
      let kept: { number: number; text: string }[] = [];
      let number = 0;
      /** What may still be on its way to the shared ledger. */
      let flying: { last: number; items: Buffer; as: string }[] = [];
      for (const one of steps) {
        if (one.do === 'add') {
          number += one.gap;
          const text = item(number, one.width);
          untold.add(number, text);
          kept.push({ number, text });
        } else if (one.do === 'tell') {
          const { items, last } = untold.oldest(one.most);
          const told = JSON.parse(items.toString('latin1')) as [number][];
          expect(told.map((of) => JSON.stringify(of))).toEqual(kept.slice(0, told.length).map(({ text }) => text));
          expect(last).toBe(told.at(-1)?.[0] ?? 0);
          expect(told.length > 0).toBe(kept.length > 0);
          flying.push({ last, items, as: items.toString('latin1') });
        } else {
          const last = number - one.back;
          untold.heard(last);
          // The newest that can have been answered was; one before it may still be read.
          const answered = flying.findLast((of) => of.last <= last);
          flying = flying.filter((of) => of !== answered);
          kept = kept.filter((of) => of.number > last);
        }
        for (const { items, as } of flying) expect(items.toString('latin1')).toBe(as);
        expect(untold.size).toBe(kept.length);
        expect([...untold.texts()]).toEqual(kept.map(({ text }) => text));
      }
    }),
  );
});

test('a backlog is told in parts, and what came after a part was told is not in it', () => {
  const untold = new Untold();
  for (let number = 1; number <= 10; number++) {
    untold.add(number, item(number));
    if (number % 2 === 0) untold.oldest(1_000);
  }
  expect(untold.oldest(5).last).toBe(4);
  expect(untold.oldest(1).last).toBe(2);
  untold.add(11, item(11));
  expect(untold.oldest(10).last).toBe(10);
  untold.heard(10);
  expect(numbers(untold)).toEqual([11]);
});
