import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import type { LeasedLedger, RedisLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { eventually } from '../support/wait.ts';

/** How long those are waited for that do not come when Redis has lost everything. */
const lease_ms = 60;
const total = budget({ window: 'total', limit: 1_000_000 });
const rolling = budget({ window: 'rolling', rolling_ms: 86_400_000, limit: 1_000_000 });
const budgets = [total, rolling];

const house = ledgerHouse();
let remote: RedisLedger;
beforeEach(async () => {
  remote = await house.watcher({ lease_ms });
});

interface Call {
  readonly id: string;
  readonly nusd: number;
  /** Its lease was missed: it is settled at the estimate. */
  estimated: boolean;
  /** Whose estimate it is. */
  of?: LeasedLedger;
}

/** Something that was spent, and who could tell a Redis that lost it. */
interface Spent {
  readonly by: Worker;
  readonly nusd: number;
  told: boolean;
  there: boolean;
  readonly known: Set<LeasedLedger>;
}

/** A process that may be away or dead: what it leaves is its journal. */
class Worker {
  ledger: LeasedLedger | undefined;
  away = false;
  readonly calls: Call[] = [];
  path = house.directory();

  async start(): Promise<LeasedLedger> {
    const quiet = { deadline_ms: 5_000, slice_lease_ms: 60_000, ahead_ms: 0, lease_ms };
    this.ledger ??= await house.process({ ...quiet, path: this.path });
    return this.ledger;
  }

  async crash(): Promise<void> {
    // All that happened is written down.
    await this.ledger?.release('nobody', 'acme');
    this.ledger = undefined;
    this.path = house.leftOf(this.path);
  }
}

const until = (step: () => Promise<unknown>) =>
  eventually(() =>
    step().then(
      () => true,
      () => false,
    ),
  );

const at = fc.nat(2);
const place = fc.nat(5);
const tells = fc.boolean();
const away = fc.subarray([0, 1, 2], { maxLength: 2 });
const nusd = fc.integer({ min: 1, max: 500 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('hold' as const), at, nusd }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('miss' as const), at, place }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('renew' as const), at }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('end' as const), at, place, nusd, tells }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), at, tells }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('crash' as const), at, again: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('gone' as const), at, nusd, starts: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('come' as const), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('hear' as const), at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('save' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('lose' as const), away, saved: tells }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const nothing: { readonly dumps: readonly (readonly [string, Buffer | null])[]; readonly spent: ReadonlySet<Spent> } = {
  dumps: [],
  spent: new Set(),
};

/** Processes on one Redis, and what of all they spent somebody is to know. */
class Model {
  readonly all = [new Worker(), new Worker(), new Worker()];
  readonly spent: Spent[] = [];
  calls = 0;
  #saved = nothing;

  async told(one: Worker): Promise<void> {
    const { ledger } = one;
    if (ledger === undefined) return;
    await until(() => ledger.flush());
    one.away = false;
    for (const some of this.spent) {
      if (some.by === one && !some.told) {
        some.told = some.there = true;
        some.known.add(ledger);
      } else if (some.known.has(ledger)) some.there = true;
    }
  }

  async hear(one: Worker): Promise<void> {
    const { ledger } = one;
    if (ledger === undefined || one.away) return;
    await until(() => ledger.read('acme', budgets, []));
    await this.told(one);
    for (const some of this.spent) if (some.there) some.known.add(ledger);
  }

  /** What Redis would have where it lost all that comes now. */
  async save(): Promise<void> {
    const client = house.server.client();
    // Another primary is met by everyone who comes to it: the connection is new.
    const keys = (await client.keys('*')).filter((key) => !key.includes(':epoch:'));
    const dumps = await Promise.all(keys.map(async (key) => [key, await client.dumpBuffer(key)] as const));
    this.#saved = { dumps, spent: new Set(this.spent.filter(({ there }) => there)) };
  }

  async lose(away: readonly number[], saved: boolean): Promise<void> {
    // Of sums that were told at one time the larger counts.
    await sleep(2);
    const left = saved ? this.#saved : nothing;
    const step = house.server.client().multi().flushall();
    for (const [key, dump] of left.dumps) if (dump !== null) step.restore(key, 0, dump);
    // It is another one that has it.
    if (left.dumps.length > 0) step.hset('llm:{acme}:primary', 'at', 'another');
    for (const [error] of (await step.exec()) ?? []) expect(error).toBeNull();
    for (const some of this.spent) {
      some.there = left.spent.has(some);
      // What was taken back since stands in what is there.
      if (saved && some.nusd < 0 && !some.there) some.known.clear();
      // Who misses two losses in a row tells what newer sums stand for.
      for (const { away, ledger } of this.all) if (away && ledger !== undefined) some.known.delete(ledger);
    }
    for (const place of away) this.all[place]!.away = true;
    await Promise.all(this.all.map((one) => (one.away ? undefined : this.told(one))));
  }

  async crash(one: Worker): Promise<void> {
    const { ledger } = one;
    if (ledger === undefined) return;
    await one.crash();
    for (const some of this.spent) some.known.delete(ledger);
  }

  async hold(one: Worker, nusd: number): Promise<void> {
    if (one.ledger === undefined || one.away) return;
    const id = `call-${this.calls++}`;
    const { outcome } = await one.ledger.reserve(request(id, { nusd }, { budgets, lease_ms: 600_000 }));
    expect(outcome).toBe('held');
    await this.told(one);
    one.calls.push({ id, nusd, estimated: false });
  }

  async miss(one: Worker, place: number): Promise<void> {
    const { ledger } = one;
    const call = one.calls[place % Math.max(1, one.calls.length)];
    if (ledger === undefined || call === undefined || call.estimated || one.away) return;
    const { id, nusd } = call;
    const asked = { id, organization: 'acme', amount: { nusd, tokens: 0 }, budgets: [], rates: [], lease_ms: 1 };
    expect((await ledger.amend(asked)).outcome).toBe('held');
    await sleep(3);
    await until(() => ledger.reap());
    call.estimated = true;
    call.of = ledger;
    this.#spend(one, nusd);
    await this.told(one);
  }

  /** An estimate is held again. */
  async renew(one: Worker): Promise<void> {
    const { ledger } = one;
    const call = one.calls.find(({ estimated, of }) => estimated && of === ledger);
    if (ledger === undefined || call === undefined || one.away) return;
    const { id, nusd } = call;
    const asked = { id, organization: 'acme', amount: { nusd, tokens: 0 }, budgets: [], rates: [] };
    expect((await ledger.amend({ ...asked, lease_ms: 600_000 })).outcome).toBe('held');
    call.estimated = false;
    this.#spend(one, -nusd);
    await this.told(one);
  }

  async end(one: Worker, place: number, nusd: number): Promise<void> {
    if (one.ledger === undefined) return;
    const [call] = one.calls.splice(place % Math.max(1, one.calls.length), 1);
    if (call === undefined) return;
    // What costs less than its estimate counts at the estimate where Redis is gone.
    const amount = { nusd: call.estimated ? call.nusd + nusd : nusd, tokens: 0 };
    const { outcome } = await one.ledger.settle({ id: call.id, organization: 'acme', amount, estimated: false });
    expect(outcome).toBe('settled');
    this.#spend(one, nusd);
  }

  async release(one: Worker): Promise<void> {
    const call = one.calls.find(({ estimated }) => !estimated);
    if (one.ledger === undefined || call === undefined) return;
    one.calls.splice(one.calls.indexOf(call), 1);
    await one.ledger.release(call.id, 'acme');
  }

  #spend(by: Worker, nusd: number): void {
    this.spent.push({ by, nusd, told: false, there: false, known: new Set() });
  }

  async step(step: Step): Promise<void> {
    if (step.do === 'lose') return await this.lose(step.away, step.saved);
    if (step.do === 'save') return await this.save();
    const one = this.all[step.at]!;
    if (step.do === 'hold') await this.hold(one, step.nusd);
    else if (step.do === 'miss') await this.miss(one, step.place);
    else if (step.do === 'renew') await this.renew(one);
    else if (step.do === 'end') await this.end(one, step.place, step.nusd);
    else if (step.do === 'release') await this.release(one);
    else if (step.do === 'hear') await this.hear(one);
    else if (step.do === 'gone') {
      // It dies before it could tell, and perhaps again before it was asked anything.
      await this.hold(one, step.nusd);
      await this.end(one, one.calls.length - 1, step.nusd);
      for (let times = 0; times <= step.starts; times++) {
        if (times > 0) await one.start();
        await this.crash(one);
      }
      one.away = true;
      await one.start();
    } else if (step.do === 'crash') {
      await this.crash(one);
      one.away = true;
      if (step.again) await one.start();
    } else {
      await one.start();
      await this.told(one);
    }
    if ('tells' in step && step.tells && !one.away) await this.told(one);
  }

  /** What is counted at least, and at most. */
  sums(): readonly [number, number] {
    const sum = (list: readonly Spent[]) => list.reduce((sum, { nusd }) => sum + nusd, 0);
    const [known, back] = [this.spent.filter(({ told, there }) => !told || there), ({ nusd }: Spent) => nusd < 0];
    // What came back may be forgotten as well.
    const came = this.spent.filter(back);
    return [
      sum(known.filter((one) => !back(one))) + sum(came),
      sum(this.spent) - sum(came.filter(({ there }) => !there)),
    ];
  }
}

test('whoever is away, dies or is started again while Redis loses everything, what somebody knows counts, and once', {
  timeout: 120_000,
}, async () => {
  const follow = async (steps: readonly Step[]): Promise<void> => {
    await house.server.client().flushall();
    const model = new Model();
    const { all } = model;
    for (const one of all) await one.start();
    for (const step of steps) await model.step(step);
    for (const one of all) await one.start();
    for (let times = 0; times < 2; times++) for (const one of all) await model.told(one);
    for (const one of all) while (one.calls.length > 0) await model.end(one, 0, 1);
    for (const one of all) await model.told(one);
    const state = await remote.read('acme', budgets, []);
    expect(state.budgets.map(({ held }) => held)).toEqual([0, 0]);
    const [least, most] = model.sums();
    const [counted, rolled] = state.budgets.map((one) => one.spent);
    expect({ counted, least, most, fits: counted! >= least && counted! <= most }).toMatchObject({ fits: true });
    expect({ rolled, least, most, fits: rolled! >= least }).toMatchObject({ fits: true });
    expect(await remote.reconcile('acme', { repair: false })).toEqual([]);
    await house.closeAll();
    remote = await house.watcher({ lease_ms });
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 20, size: 'max' }), follow), {
    numRuns: 15,
    // One that missed two losses comes before one that missed the last.
    examples: [
      [
        [
          { do: 'hold', at: 0, nusd: 1 },
          { do: 'hold', at: 2, nusd: 1 },
          { do: 'lose', away: [0], saved: false },
          { do: 'miss', at: 2, place: 0 },
          { do: 'lose', away: [2], saved: false },
          { do: 'end', at: 0, place: 0, nusd: 1, tells: false },
        ],
      ],
    ],
  });
});
