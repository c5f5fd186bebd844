import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { expect } from 'vitest';
import type { Amount, Budget, LeasedLedger, Rate, RedisLedger, RedisLedgerOptions } from '../../src/stores/index.ts';
import { HoldGone, openLeasedLedger, openRedisLedger } from '../../src/stores/index.ts';
import { budget, rate } from '../contracts/ledger.ts';
import { eventually } from '../support/wait.ts';

export const organization = 'acme';
export const slice_lease_ms = 250;

const budgets: readonly Budget[] = [
  budget({ limit: 5_000, window: 'total' }),
  budget({ limit: 3_000, window: 'total', unit: 'tokens' }),
  budget({ limit: 12, window: 'total', unit: 'requests' }),
  budget({ limit: 100, window: 'total', hard: false, scope: { kind: 'user', id: 'u' } }),
  budget({ limit: 4_500, window: 'rolling', rolling_ms: 86_400_000 }),
  budget({ limit: 2_500, window: 'rolling', rolling_ms: 86_400_000, unit: 'tokens', scope: { kind: 'key', id: 'k' } }),
  budget({ limit: 10, window: 'rolling', rolling_ms: 3_600_000, unit: 'requests', scope: { kind: 'key', id: 'k' } }),
];
const keys = [
  'budget:team:research:total',
  'budget:team:research:total:tokens',
  'budget:team:research:total:requests',
  'budget:user:u:total',
  'budget:team:research:rolling:86400s',
  'budget:key:k:rolling:86400s:tokens',
  'budget:key:k:rolling:3600s:requests',
];
const seats: Rate = rate({ unit: 'concurrent', limit: 6, window_ms: 0 });
const speed: Rate = rate({ unit: 'requests', limit: 25, window_ms: 3_600_000 });

export type Step =
  | {
      readonly do: 'reserve' | 'amend' | 'die';
      readonly at: number;
      readonly id: string;
      readonly amount: Amount;
      readonly of: readonly number[];
      readonly rates: boolean;
    }
  | { readonly do: 'settle'; readonly at: number; readonly id: string; readonly amount: Amount }
  | { readonly do: 'release'; readonly at: number; readonly id: string }
  | { readonly do: 'abandon'; readonly at: number; readonly id: string }
  | { readonly do: 'crash'; readonly at: number }
  | { readonly do: 'restart'; readonly at: number }
  | { readonly do: 'report'; readonly at: number }
  | { readonly do: 'pass' }
  | {
      readonly do: 'limit';
      readonly at: number;
      readonly place: number;
      readonly limit: number;
      readonly over: boolean;
    }
  | { readonly do: 'reset'; readonly at: number; readonly place: number }
  | { readonly do: 'away'; readonly at: number; readonly place: number; readonly amounts: readonly Amount[] }
  | {
      readonly do: 'slow';
      readonly at: number;
      readonly id: string;
      readonly place: number;
      readonly calls: readonly { readonly at: number; readonly amount: Amount }[];
      readonly amount: Amount;
      readonly of: readonly number[];
      readonly rates: boolean;
    }
  | { readonly do: 'reconcile'; readonly at: number; readonly repair: boolean }
  | {
      readonly do: 'lose';
      readonly at: number;
      readonly id: string;
      readonly amount: Amount;
      readonly of: readonly number[];
      readonly rates: boolean;
      readonly renews: boolean;
    }
  | { readonly do: 'crowd'; readonly calls: readonly { readonly at: number; readonly amount: Amount }[] }
  | { readonly do: 'sit'; readonly at: number; readonly calls: readonly { readonly amount: Amount }[] };

const workers = 3;
const at = fc.nat(workers - 1);
const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const amount = fc.record({ nusd: fc.nat(1_500), tokens: fc.nat(900) });
const asking = { at, id, amount, of: fc.subarray([0, 1, 2, 3, 4, 5, 6]), rates: fc.boolean() };

const calls = fc.array(fc.record({ at, amount }), { maxLength: 12 });

const small = fc.array(fc.record({ amount: fc.record({ nusd: fc.nat(200), tokens: fc.nat(100) }) }), { maxLength: 8 });

const kinds = [
  { weight: 8, arbitrary: fc.record({ do: fc.constant('reserve' as const), ...asking }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('amend' as const), ...asking }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('settle' as const), at, id, amount }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('die' as const), ...asking }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), at, id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abandon' as const), at, id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), at }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('report' as const), at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('limit' as const),
      at,
      place: fc.nat(6),
      limit: fc.nat(6_000),
      over: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('reset' as const), at, place: fc.nat(6) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('slow' as const), place: fc.nat(6), calls, ...asking }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconcile' as const), at, repair: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('crowd' as const),
      calls,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sit' as const), at, calls: small }) },
] as const;
/** Everyone is away for longer than a lease, a counter is set to zero, and one worker is back before the others. */
const away = fc.record({
  do: fc.constant('away' as const),
  at,
  place: fc.nat(6),
  amounts: fc.array(amount, { maxLength: 8 }),
});

export const steps = fc.array(fc.oneof(...kinds), { maxLength: 50 });
export const stepsAway = fc.array(fc.oneof(...kinds, { weight: 4, arbitrary: away }), { maxLength: 40 });
/** Redis loses all of it, and everyone is there to tell: what is forgotten with the dead, and limits that stand in, are not. */
const alive = fc
  .oneof(...kinds)
  .filter(({ do: what }) => what !== 'crash' && what !== 'restart' && what !== 'die' && what !== 'limit');
const lose = fc.record({ do: fc.constant('lose' as const), renews: fc.boolean(), ...asking });
export const stepsLost = fc.array(fc.oneof({ weight: 8, arbitrary: alive }, { weight: 1, arbitrary: lose }), {
  maxLength: 40,
});

interface Call {
  amount: Amount;
  readonly of: Set<number>;
  seated: boolean;
  state: 'open' | 'estimated' | 'settled';
  /** More than it held. */
  debt: Amount;
  /** Budgets in which its estimate or its cost was set to zero, and what it has cost there since. */
  readonly forgiven: Map<number, Amount>;
}

type RedisLedgerAt = Omit<RedisLedgerOptions, 'owner'>;

/** A process that may die: what it leaves is its journal. */
class Worker {
  readonly calls = new Map<string, Call>();
  /** Limits that its configuration has, and no other's. */
  readonly limits = new Map<number, Budget>();
  /** Settled before under ids that are in use again. */
  readonly past: Call[] = [];
  requests = 0;
  ledger: LeasedLedger | undefined;
  #directory: string;
  readonly #left: LeasedLedger[] = [];
  readonly #options: RedisLedgerAt;

  constructor(options: RedisLedgerAt) {
    this.#options = options;
    this.#directory = mkdtempSync(join(tmpdir(), 'leased-'));
  }

  async start(): Promise<LeasedLedger> {
    this.ledger ??= await openLeasedLedger({
      ...this.#options,
      owner: 'here',
      path: this.#directory,
      slice_lease_ms,
      report_ms: 0,
    });
    return this.ledger;
  }

  /** Everything is forgotten but the journal, as it lies on the disk at this moment. */
  crash(): void {
    if (this.ledger === undefined) return;
    this.#left.push(this.ledger);
    // Its calls are over: nobody sits any more.
    for (const call of this.calls.values()) call.seated = false;
    this.ledger = undefined;
    const copy = mkdtempSync(join(tmpdir(), 'leased-'));
    cpSync(this.#directory, copy, { recursive: true, filter: (name) => !name.endsWith('lock') });
    this.#directory = copy;
  }

  async bury(): Promise<void> {
    for (const one of [...this.#left, this.ledger]) await one?.close().catch(() => {});
    rmSync(this.#directory, { recursive: true, force: true });
  }

  all(): Call[] {
    return [...this.calls.values(), ...this.past];
  }
}

const seriesOf = (place: number) => {
  const { hard: _, limit: __, warnPercent: ___, ...series } = budgets[place]!;
  return series;
};
const inUnit = (place: number, one: Amount) => {
  const { unit } = budgets[place]!;
  return unit === 'requests' ? 1 : one[unit];
};

/**
 * Walks the steps over workers that share a Redis, and looks after each whether anything was overrun or lost. Resolves with
 * what ends all of it, which waits for leases to run out and looks whether everything was told: nobody need wait beside it.
 * With `away`, counters are set to zero while workers are dead or away: which of their amounts were forgiven is not known,
 * so that only limits and entries are looked at. With `lost`, Redis loses its data while everyone is there.
 */
export async function follow(
  url: string,
  keyPrefix: string,
  list: readonly Step[],
  { away = false, lost = false } = {},
): Promise<() => Promise<void>> {
  const options = { url, keyPrefix, deadline_ms: 30_000, reap_interval_ms: 0, entries_max: 20 };
  const remote = await openRedisLedger({ ...options, owner: 'watch' });
  const all = Array.from({ length: workers }, () => new Worker(options));
  let crowded = 0;
  /** Whether leases ran out: seats of calls that still ran may have been given to others since. */
  let lapsed = false;
  /** The highest limit each budget has had, anywhere. */
  const tops = budgets.map(({ limit }) => limit);
  const bury = async (): Promise<void> => {
    for (const one of all) await one.bury();
    await remote.close();
  };
  /** Once everything is told, all of it is forgiven. */
  const reset = async (at: number, place: number): Promise<void> => {
    if (away) {
      await (all[at]!.ledger ?? remote).reset(organization, keys[place]!);
      return;
    }
    for (const one of all) await (await one.start()).flush();
    await all[at]!.ledger!.reset(organization, keys[place]!);
    for (const call of all.flatMap((one) => one.all())) {
      if (call.state !== 'open' && call.of.has(place)) call.forgiven.set(place, { nusd: 0, tokens: 0 });
    }
  };
  const crowd = async (calls: readonly { readonly at: number; readonly amount: Amount }[]): Promise<void> => {
    const asked = calls.map(async (call) => {
      const id = `crowd-${crowded++}`;
      await take(all[call.at]!, { do: 'reserve', id, of: [0, 1, 2, 4, 5, 6], rates: true, ...call }, away);
    });
    await Promise.all(asked);
  };
  /** What all of them were told of and have told, is gone; each may have to wait for the others to tell it again. */
  const lose = async (step: Extract<Step, { readonly do: 'lose' }>): Promise<void> => {
    await take(all[step.at]!, { ...step, do: 'reserve', of: [...step.of, 0], amount: { nusd: 90, tokens: 9 } }, away);
    await take(all[step.at]!, { ...step, do: 'abandon' }, away);
    // Of sums that were told at one time the larger counts.
    for (const one of all) {
      await sleep(2);
      await one.ledger!.flush();
    }
    const client = new Redis(url);
    const gone = await client.keys(`${keyPrefix}:{${organization}}:*`);
    if (gone.length > 0) await client.del(...gone);
    client.disconnect();
    const told = () => Promise.all([remote.reap(), ...all.map((one) => one.ledger!.reap())]);
    // Each is to have met what the others began.
    for (let times = 0; times < 2; times++) await eventually(async () => (await told()).length > 0);
    if (step.renews) await take(all[step.at]!, { ...step, do: 'amend' }, away);
  };
  const pass = async (): Promise<void> => {
    await sleep(slice_lease_ms + 20);
    await remote.reap();
    lapsed = true;
  };
  /** Others sit where a worker's calls sat that was away; until fewer do than may, no seat that comes free is a new call's. */
  const sit = async ({ at, calls }: Extract<Step, { readonly do: 'sit' }>): Promise<void> => {
    const worker = all[at]!;
    await crowd(calls.map((call) => ({ ...call, at })));
    await pass();
    const since_ms = performance.now();
    await crowd(calls.map((call) => ({ ...call, at: (at + 1) % workers })));
    await worker.ledger?.flush();
    const used = async () => (await remote.read(organization, [], [seats])).rates[0]!.used;
    const sitting = [...worker.calls].filter(([, { state, seated }]) => state === 'open' && seated);
    for (const [id, { amount }] of sitting) {
      const over = (await used()) > seats.limit;
      await take(worker, { do: 'settle', at, id, amount }, away);
      const next = `crowd-${crowded}`;
      await crowd([{ at, amount: { nusd: 0, tokens: 0 } }]);
      // Until the leases of the others' seats may be over.
      if (over && performance.now() - since_ms < slice_lease_ms) expect(worker.calls.has(next)).toBe(false);
    }
  };
  try {
    for (const one of all) await one.start();
    for (const step of list) {
      if (step.do === 'pass') await pass();
      else if (step.do === 'lose') await lose(step);
      else if (step.do === 'away') {
        await pass();
        await remote.reset(organization, keys[step.place]!);
        await crowd(step.amounts.map((amount) => ({ at: step.at, amount })));
      } else if (step.do === 'crowd') await crowd(step.calls);
      else if (step.do === 'slow') {
        // Its lease is missed, people forgive the estimate, others use the room, and then it renews.
        const worker = all[step.at]!;
        await take(worker, { ...step, do: 'abandon' }, away);
        await reset(step.at, step.place);
        await crowd(step.calls);
        const known = worker.calls.get(step.id);
        await take(worker, { ...step, do: 'amend', amount: known?.amount ?? step.amount }, away);
      } else if (step.do === 'limit') {
        const { place, limit } = step;
        tops[place] = Math.max(tops[place]!, limit);
        const who = all[step.at]!;
        if (step.over) await (who.ledger ?? remote).override(organization, { budget: seriesOf(place), limit });
        else who.limits.set(place, { ...budgets[place]!, limit });
      } else if (step.do === 'reset') {
        await reset(step.at, step.place);
      } else if (step.do === 'reconcile') {
        const who = all[step.at]!;
        expect(await (who.ledger ?? remote).reconcile(organization, { repair: step.repair })).toEqual([]);
      } else if (step.do === 'sit') await sit(step);
      else await take(all[step.at]!, step, away);
      await nothingOverrun(remote, all, { lapsed, tops, away, lost });
      expect(await remote.reconcile(organization, { repair: false })).toEqual([]);
    }
  } catch (error) {
    await bury();
    throw error;
  }
  return async () => {
    try {
      for (const worker of all) await worker.start();
      await sleep(slice_lease_ms + 20);
      await remote.reap();
      await nothingOverrun(remote, all, { lapsed: true, tops, away, lost });
      for (const place of budgets.keys()) await remote.clearOverride(organization, seriesOf(place));
      await everythingEnds(remote, all, { away, lost });
    } finally {
      await bury();
    }
  };
}

async function take(
  worker: Worker,
  step: Exclude<
    Step,
    { readonly do: 'pass' | 'away' | 'lose' | 'crowd' | 'sit' | 'slow' | 'limit' | 'reset' | 'reconcile' }
  >,
  away: boolean,
): Promise<void> {
  if (step.do === 'restart' || step.do === 'crash' || step.do === 'report') {
    if (step.do === 'restart') await worker.start();
    else if (step.do === 'crash') worker.crash();
    else await worker.ledger?.flush();
    return;
  }
  const { ledger } = worker;
  if (ledger === undefined) return;
  const known = worker.calls.get(step.id);
  switch (step.do) {
    case 'release':
      await ledger.release(step.id, organization);
      if (known?.state === 'open') worker.requests--;
      if (known !== undefined && known.state !== 'settled') worker.calls.delete(step.id);
      return;
    case 'settle': {
      const { id, amount: cost } = step;
      const { outcome } = await ledger.settle({ id, organization, amount: cost, estimated: false });
      expect(outcome).toBe(known === undefined ? 'unknown' : known.state === 'settled' ? 'repeated' : 'settled');
      if (known === undefined || known.state === 'settled') return;
      known.debt = {
        nusd: Math.max(known.debt.nusd, cost.nusd - known.amount.nusd),
        tokens: Math.max(known.debt.tokens, cost.tokens - known.amount.tokens),
      };
      for (const place of known.forgiven.keys()) {
        known.forgiven.set(place, {
          nusd: Math.max(0, cost.nusd - known.amount.nusd),
          tokens: Math.max(0, cost.tokens - known.amount.tokens),
        });
      }
      known.amount = cost;
      known.state = 'settled';
      return;
    }
    case 'abandon': {
      if (known?.state !== 'open') return;
      const amendment = { id: step.id, organization, amount: known.amount, budgets: [], rates: [], lease_ms: 0 };
      const { outcome } = await ledger.amend(amendment);
      if (!away) expect(outcome).toBe('held');
      await ledger.reap();
      known.state = 'estimated';
      return;
    }
    case 'die': {
      if (known === undefined) return;
      if (known.state === 'open') await take(worker, { ...step, do: 'abandon' }, away);
      if (known.state !== 'estimated') return;
      // Of one that counts in some budgets only it would be the second item that is told, which is not in the copy.
      if (known.forgiven.size % known.of.size !== 0) return;
      const { nusd, tokens } = known.amount;
      const amount = { nusd: Math.min(nusd, step.amount.nusd), tokens: Math.min(tokens, step.amount.tokens) };
      const asked = { id: step.id, organization, amount, budgets: [], rates: [], lease_ms: 600_000 };
      await ledger.read(
        organization,
        [...known.of].map((place) => budgets[place]!),
        [],
      );
      const renewal = ledger.amend(asked).catch(() => {});
      await turn();
      worker.crash();
      // What it had sent is done all the same.
      await renewal;
      const open = await (await worker.start()).holds(organization);
      if (!open.some(({ id }) => id === step.id)) return;
      // Nothing came back that it would have had to wait for.
      for (const place of known.of) expect(inUnit(place, known.amount)).toBe(0);
      known.amount = amount;
      known.state = 'open';
      known.forgiven.clear();
      return;
    }
    case 'reserve':
    case 'amend': {
      const limits = {
        budgets: step.of.map((place) => worker.limits.get(place) ?? budgets[place]!),
        rates: step.rates ? [seats, speed] : [],
      };
      const asked = { id: step.id, organization, amount: step.amount, ...limits, lease_ms: 600_000 };
      if (step.do === 'reserve') {
        const { outcome } = await ledger.reserve({ ...asked, owner: 'here' });
        if (known !== undefined) expect(outcome).toBe('held');
        if (known !== undefined || outcome !== 'held') return;
        const debt = { nusd: 0, tokens: 0 };
        worker.calls.set(step.id, {
          amount: step.amount,
          of: new Set(step.of),
          seated: step.rates,
          state: 'open',
          debt,
          forgiven: new Map(),
        });
        worker.requests += step.rates ? 1 : 0;
        return;
      }
      try {
        const { outcome } = await ledger.amend(asked);
        expect(known === undefined || known.state === 'settled').toBe(false);
        if (known === undefined || outcome !== 'held') return;
        known.amount = step.amount;
        for (const place of step.of) known.of.add(place);
        known.seated ||= step.rates;
        known.state = 'open';
        known.forgiven.clear();
      } catch (error) {
        if (!(error instanceof HoldGone)) throw error;
        expect(known === undefined || known.state === 'settled').toBe(true);
      }
    }
  }
}

function sums(all: readonly Worker[], place: number) {
  const calls = all.flatMap((worker) => worker.all()).filter((one) => one.of.has(place));
  const total = (list: readonly Call[], of: (one: Call) => number) => list.reduce((sum, one) => sum + of(one), 0);
  const over = calls.filter(({ state }) => state !== 'open');
  const cost = (one: Call) => one.forgiven.get(place) ?? one.amount;
  return {
    spent: total(over, (one) => {
      return one.forgiven.has(place) && budgets[place]!.unit === 'requests' ? 0 : inUnit(place, cost(one));
    }),
    held: total(
      calls.filter(({ state }) => state === 'open'),
      (one) => inUnit(place, one.amount),
    ),
    debt: total(calls, ({ debt }) => (budgets[place]!.unit === 'requests' ? 0 : inUnit(place, debt))),
    count: over.filter(({ forgiven }) => !forgiven.has(place)).length,
    tokens: total(over, (one) => cost(one).tokens),
  };
}

interface Told {
  readonly away: boolean;
  readonly lost: boolean;
}

/** Neither what Redis counts nor what the processes admitted is above a limit, but for debts. */
async function nothingOverrun(
  remote: RedisLedger,
  all: readonly Worker[],
  { lapsed, tops, away, lost }: Told & { readonly lapsed: boolean; readonly tops: readonly number[] },
): Promise<void> {
  const counted = new Map((await remote.counters(organization)).map((one) => [one.key, one]));
  for (const [place, { hard }] of budgets.entries()) {
    const limit = tops[place]!;
    const { spent, held, debt } = sums(all, place);
    const redis = counted.get(keys[place]!) ?? { spent: 0, held: 0, leased: 0 };
    expect(redis.leased ?? 0).toBeLessThanOrEqual(redis.held);
    if (away) {
      // What calls cost is counted though others have their room by now; what they hold is not.
      const settled = all
        .flatMap((worker) => worker.all())
        .filter((one) => one.of.has(place) && one.state === 'settled');
      const cost = settled.reduce((sum, one) => sum + inUnit(place, one.amount), 0);
      if (hard) expect(redis.spent + redis.held).toBeLessThanOrEqual(limit + debt + cost);
      continue;
    }
    // All that calls hold and spent was taken out there first, also of those who are dead or given up; debts come later.
    expect(redis.spent + redis.held).toBeGreaterThanOrEqual(spent + held - debt);
    if (!hard) continue;
    expect(spent + held).toBeLessThanOrEqual(limit + debt);
    expect(redis.spent + redis.held).toBeLessThanOrEqual(limit + debt);
  }
  // Sliding windows are lost with Redis.
  if (!lost) expect(all.reduce((sum, worker) => sum + worker.requests, 0)).toBeLessThanOrEqual(speed.limit);
  expect((await remote.read(organization, [], [speed])).rates[0]!.used).toBeLessThanOrEqual(speed.limit);
  const seated = all
    .flatMap((worker) => [...worker.calls.values()])
    .filter((one) => one.state === 'open' && one.seated);
  if (!lapsed) expect(seated.length).toBeLessThanOrEqual(seats.limit);
}

/** Once everyone is back and has told everything, the counters are the sum of the calls, and all the rest can be spent. */
async function everythingEnds(remote: RedisLedger, all: readonly Worker[], { away, lost }: Told): Promise<void> {
  for (const worker of all) {
    for (const [name, call] of worker.calls) {
      if (call.state !== 'open') continue;
      await worker.ledger!.settle({ id: name, organization, amount: call.amount, estimated: false });
      call.state = 'settled';
    }
    await worker.ledger!.flush();
  }
  await sleep(1_050);
  for (const worker of all) await worker.ledger!.flush();
  const counted = new Map((await remote.counters(organization)).map((one) => [one.key, one]));
  for (const place of budgets.keys()) {
    const { spent, count, tokens } = sums(all, place);
    const redis = counted.get(keys[place]!) ?? { spent: 0, held: 0, leased: 0, requests: 0, tokens: 0 };
    if (lost) {
      // Counts beside money are lost with Redis.
      expect({ place, spent: redis.spent, held: redis.held }).toEqual({ place, spent, held: 0 });
      continue;
    }
    if (away) {
      expect({ place, held: redis.held }).toEqual({ place, held: 0 });
      continue;
    }
    expect({ place, spent: redis.spent, held: redis.held, requests: redis.requests, tokens: redis.tokens }).toEqual({
      place,
      spent,
      held: 0,
      requests: count,
      tokens,
    });
  }
  expect(await remote.reconcile(organization, { repair: false })).toEqual([]);
  expect(await remote.holds(organization)).toEqual([]);
  expect((await remote.read(organization, [], [seats])).rates[0]!.used).toBe(0);
  if (away) return;
  const rest = budgets[0]!.limit - sums(all, 0).spent;
  if (rest <= 0) return;
  const last = { organization, budgets: [budgets[0]!], rates: [], lease_ms: 60_000, owner: 'here' };
  const over = await all[0]!.ledger!.reserve({ ...last, id: 'over', amount: { nusd: rest + 1, tokens: 0 } });
  expect(over.outcome).toBe('refused');
  const fits = await all[1]!.ledger!.reserve({ ...last, id: 'fits', amount: { nusd: rest, tokens: 0 } });
  expect(fits.outcome).toBe('held');
}
