import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RecentIds } from '../../src/stores/recent-ids.ts';

/** What it is to be: the last `kept` that were added, as two sets that take turns. */
class Model {
  now = new Set<string>();
  before = new Set<string>();
  added = 0;

  add(id: string, kept: number): void {
    if (this.now.has(id)) return;
    this.now.add(id);
    this.added += 1;
    if (this.added < kept) return;
    this.before = this.now;
    this.now = new Set();
    this.added = 0;
  }
}

const ids = fc.oneof(
  fc.integer({ min: 0, max: 400 }).map((number) => `x_${number}`),
  fc.string({ maxLength: 80, unit: 'binary' }),
  fc.constantFrom('é', 'ÿÿ', '名前', 'a', 'aa', 'b'.repeat(3000)),
);

it('knows the ids two sets would know, whatever is added, deleted and asked', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('add', 'add', 'add', 'delete', 'has'), ids), { maxLength: 600 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 300 }), (all, kept) => {
      const recent = new RecentIds(kept);
      const model = new Model();
      for (const [step, id] of all) {
        if (step === 'add') {
          recent.add(id);
          model.add(id, kept);
        } else if (step === 'delete') {
          recent.delete(id);
          model.now.delete(id);
          model.before.delete(id);
        }
        expect(recent.has(id)).toBe(model.now.has(id) || model.before.has(id));
      }
      expect(new Set(recent.all())).toEqual(new Set([...model.before, ...model.now]));
      expect(recent.all().length).toBe(new Set(recent.all()).size);
      expect([...recent.lists(7)].join(' ')).toBe(recent.all().join(' '));
    }),
  );
});

it('keeps as many as it says, oldest first, and forgets those before', () => {
  const recent = new RecentIds(1000);
  for (let at = 0; at < 10_500; at += 1) recent.add(`exchange-${at}`);
  expect(recent.has('exchange-9000')).toBe(true);
  expect(recent.has('exchange-8999')).toBe(false);
  expect(recent.all()[0]).toBe('exchange-9000');
  expect(recent.all().at(-1)).toBe('exchange-10499');
  expect(recent.all().length).toBe(1500);
});
