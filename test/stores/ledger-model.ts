import fc from 'fast-check';
import { expect } from 'vitest';
import type { Amount, Budget, Ledger, Rate } from '../../src/stores/index.ts';
import { HoldGone } from '../../src/stores/index.ts';
import { budget, rate, research } from '../contracts/ledger.ts';

/** The limits calls are made under; a call takes some of them. */
const budgets: readonly Budget[] = [
  budget({ limit: 1_000, window: 'total' }),
  budget({ limit: 500, window: 'total', unit: 'tokens' }),
  budget({ limit: 4, window: 'total', unit: 'requests' }),
  budget({ limit: 100, window: 'total', hard: false, scope: { kind: 'user', id: 'u' } }),
];
const seats: Rate = rate({ scope: research, unit: 'concurrent', limit: 3, window_ms: 0 });

export type Step =
  | {
      readonly do: 'reserve' | 'amend';
      readonly id: string;
      readonly amount: Amount;
      readonly of: readonly number[];
      readonly seat: boolean;
      readonly dies: boolean;
    }
  | { readonly do: 'settle'; readonly id: string; readonly amount: Amount }
  | { readonly do: 'release'; readonly id: string }
  | { readonly do: 'restart' };

const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const amount = fc.record({ nusd: fc.nat(500), tokens: fc.nat(250) });
const asking = {
  id,
  amount,
  of: fc.subarray([0, 1, 2, 3]),
  seat: fc.boolean(),
  /** A lease that is over at once: the reaper comes before the next step. */
  dies: fc.boolean(),
};

export const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('reserve' as const), ...asking }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('amend' as const), ...asking }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('settle' as const), id, amount }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), id }) },
    { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
  ),
  { maxLength: 40 },
);

interface Held {
  amount: Amount;
  of: Set<number>;
  seat: boolean;
  state: 'open' | 'estimated';
}

/** The ledger as one would explain it: sums are recounted from all calls each time they are asked for. */
class Model {
  readonly held = new Map<string, Held>();
  readonly settled = new Map<string, { amount: Amount; of: Set<number> }>();
  /** What was settled under ids that are in use again. */
  readonly past: { amount: Amount; of: Set<number> }[] = [];

  in(at: number, one: Amount): number {
    const unit = budgets[at]!.unit;
    return unit === 'requests' ? 1 : one[unit];
  }

  counter(at: number) {
    const spentBy = [
      ...[...this.held.values()].filter((one) => one.state === 'estimated'),
      ...this.settled.values(),
      ...this.past,
    ].filter((one) => one.of.has(at));
    const open = [...this.held.values()].filter((one) => one.state === 'open' && one.of.has(at));
    return {
      spent: spentBy.reduce((sum, one) => sum + this.in(at, one.amount), 0),
      held: open.reduce((sum, one) => sum + this.in(at, one.amount), 0),
      requests: spentBy.length,
      tokens: spentBy.reduce((sum, one) => sum + one.amount.tokens, 0),
    };
  }

  taken(): number {
    return [...this.held.values()].filter((one) => one.state === 'open' && one.seat).length;
  }

  fits(next: Amount, of: Iterable<number>, seat: boolean, before: Held | undefined): boolean {
    for (const at of of) {
      const had = before?.of.has(at) ? this.in(at, before.amount) : 0;
      const asked = this.in(at, next) - had;
      const { spent, held } = this.counter(at);
      if (budgets[at]!.hard && asked > 0 && spent + held + asked > budgets[at]!.limit) return false;
    }
    const sits = before?.state === 'open' && before.seat;
    return !seat || sits || this.taken() < seats.limit;
  }

  /** The outcome the ledger should answer with. */
  step(step: Exclude<Step, { do: 'restart' }>): string {
    const before = this.held.get(step.id);
    switch (step.do) {
      case 'reserve':
        if (before !== undefined || this.settled.has(step.id)) return 'held';
        if (!this.fits(step.amount, step.of, step.seat, undefined)) return 'refused';
        this.held.set(step.id, {
          amount: step.amount,
          of: new Set(step.of),
          seat: step.seat,
          state: step.dies ? 'estimated' : 'open',
        });
        return 'held';
      case 'amend': {
        if (before === undefined) return 'gone';
        const of = new Set([...before.of, ...step.of]);
        if (!this.fits(step.amount, of, before.seat || step.seat, before)) return 'refused';
        this.held.set(step.id, {
          amount: step.amount,
          of,
          seat: before.seat || step.seat,
          state: step.dies ? 'estimated' : 'open',
        });
        return 'held';
      }
      case 'settle':
        if (before === undefined) return this.settled.has(step.id) ? 'repeated' : 'unknown';
        this.held.delete(step.id);
        this.settled.set(step.id, { amount: step.amount, of: before.of });
        return 'settled';
      case 'release':
        this.held.delete(step.id);
        return 'released';
    }
  }
}

export interface Openable {
  ledger: Ledger & { reap(): Promise<number> };
  /** Goes away as a process does, without a farewell, and comes back. */
  restart(): Promise<void>;
}

/** Walks the steps on the ledger and on the model and compares everything one can see after each. */
export async function follow(under: Openable, list: readonly Step[]): Promise<void> {
  const model = new Model();
  const touched = new Set<number>();
  for (const step of list) {
    if (step.do === 'restart') {
      await under.restart();
    } else {
      const outcome = await take(under.ledger, step);
      expect(outcome).toBe(model.step(step));
      await under.ledger.reap();
    }
    for (const one of [...model.held.values(), ...model.settled.values()]) for (const at of one.of) touched.add(at);
    const sums = Object.fromEntries(
      (await under.ledger.counters('acme')).map(({ key, organization: _, limit: __, ...sum }) => [key, sum]),
    );
    const expected = Object.fromEntries([...touched].map((at) => [keys[at]!, model.counter(at)]));
    expect(sums).toEqual(expected);
    expect((await under.ledger.read('acme', [], [seats])).rates[0]!.used).toBe(model.taken());
  }
  expect(await under.ledger.reconcile('acme', { repair: false })).toEqual([]);
  const open = [...model.held].filter(([, one]) => one.state === 'open');
  const holds = (await under.ledger.holds('acme')).map((one) => [one.id, { ...one.amount }] as const);
  expect(Object.fromEntries(holds)).toEqual(Object.fromEntries(open.map(([name, one]) => [name, { ...one.amount }])));
}

const keys = [
  'budget:team:research:total',
  'budget:team:research:total:tokens',
  'budget:team:research:total:requests',
  'budget:user:u:total',
];

async function take(ledger: Ledger, step: Exclude<Step, { do: 'restart' }>): Promise<string> {
  const organization = 'acme';
  if (step.do === 'release') {
    await ledger.release(step.id, organization);
    return 'released';
  }
  if (step.do === 'settle') {
    return (await ledger.settle({ id: step.id, organization, amount: step.amount, estimated: false })).outcome;
  }
  const asked = {
    id: step.id,
    organization,
    amount: step.amount,
    budgets: step.of.map((at) => budgets[at]!),
    rates: step.seat ? [seats] : [],
    lease_ms: step.dies ? 0 : 600_000,
  };
  if (step.do === 'reserve') return (await ledger.reserve({ ...asked, owner: 'here' })).outcome;
  try {
    return (await ledger.amend(asked)).outcome;
  } catch (error) {
    if (error instanceof HoldGone) return 'gone';
    throw error;
  }
}
