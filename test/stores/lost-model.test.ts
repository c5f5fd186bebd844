import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RedisLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { eventually } from '../support/wait.ts';

const organization = 'acme';
const budgets = [
  budget({ window: 'total', limit: 1_000_000 }),
  budget({ window: 'total', unit: 'tokens', limit: 10_000_000 }),
  budget({ window: 'total', unit: 'requests', limit: 1_000_000 }),
  budget({ window: 'rolling', rolling_ms: 86_400_000, limit: 1_000_000 }),
];

const keys = ['total', 'total:tokens', 'total:requests', 'rolling:86400s'].map((one) => `budget:team:research:${one}`);

const house = ledgerHouse();
/** How long those are waited for that do not come. */
const lease_ms = 400;

/** What is known of a call, and what it counts now. */
interface Call {
  readonly id: string;
  readonly owner: number;
  readonly held: number;
  state: 'held' | 'estimated' | 'over';
  spent: number;
  readonly short: boolean;
  /** People set the counters to zero since it was settled at the estimate. */
  forgiven: boolean;
  requests: number;
}

const at = fc.nat(2);
const cost = fc.integer({ min: 1, max: 500 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('hold' as const), at, cost, short: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('settle' as const), at, cost }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), at, cost }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reap' as const), at, cost }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const), at, cost }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const part = fc.record({
  steps: fc.array(step, { maxLength: 8 }),
  away: fc.subarray([0, 1, 2], { maxLength: 2 }),
  /** From which step on a replica was behind; none has it all. */
  behind: fc.option(fc.nat(8)),
  since: fc.array(step, { maxLength: 6 }),
});

let run = 0;
class Model {
  readonly all: RedisLedger[] = [];
  readonly calls: Call[] = [];
  readonly said: string[] = [];
  /** What each settled since it was told the sums itself, and when those were told last: what is in them may be added again. */
  readonly #added: { nusd: number; at: number }[][] = [[], [], []];
  /** Estimates, as far as they were taken back: who counted them does not know, and tells them. */
  #given: number[] = [];
  #told = 0;
  #time = 0;
  /** An estimate of after that is taken for one of before by a Redis that lost both: it is not given back. */
  #wasCleared = false;
  more = [0, 0, 0];

  #hear(at: number): void {
    this.#added[at] = [];
    this.#told = ++this.#time;
  }

  #clear(): void {
    this.#wasCleared = true;
    this.#told = ++this.#time;
    this.#given = [];
    for (const one of this.calls) {
      if (one.spent >= 0) Object.assign(one, { spent: 0, requests: 0 });
      if (one.state === 'estimated') one.forgiven = true;
    }
  }

  #perhaps(nusd: number): void {
    this.more = [this.more[0]! + nusd, this.more[1]! + nusd * 10, this.more[2]! + 1];
  }

  /** Redis loses everything. */
  lose(away: readonly number[]): void {
    // Where one is away that knows of an estimate, the call is held again by its owner, and ends beside the sum that has it in.
    for (const { state, held } of away.length === 0 && !this.#wasCleared ? [] : this.calls)
      if (state === 'estimated') this.#perhaps(held);
    for (const held of this.#given.splice(0)) this.#perhaps(held);
    for (const added of this.#added) {
      if ((added.at(-1)?.at ?? 0) < this.#told) continue;
      for (const { nusd } of added.filter((one) => one.at < this.#told)) {
        this.#perhaps(nusd);
      }
    }
  }

  get truth(): number[] {
    const counted = this.calls.filter((one) => one.spent >= 0);
    const nusd = counted.reduce((sum, one) => sum + one.spent, 0);
    const requests = counted.reduce((sum, one) => sum + one.requests, 0);
    return [nusd, nusd * 10, requests, nusd];
  }

  async take({ kind, at, cost, ...more }: Step, away: readonly number[]): Promise<void> {
    if (away.includes(at)) return;
    const ledger = this.all[at]!;
    if (kind === 'hold') {
      const short = 'short' in more && more.short;
      const id = `run-${run}-${this.calls.length}`;
      const asked = { ...request(id, { nusd: cost, tokens: cost * 10 }, { budgets }), lease_ms: short ? 1 : 600_000 };
      expect((await ledger.reserve(asked)).outcome).toBe('held');
      this.#hear(at);
      this.calls.push({ id, owner: at, held: cost, state: 'held', spent: -1, short, forgiven: false, requests: 0 });
      this.said.push(`${at} holds ${id} ${cost}${short ? ' short' : ''}`);
    } else if (kind === 'reap') {
      await sleep(3);
      const there = new Set((await ledger.holds(organization)).map(({ id }) => id));
      if ((await ledger.reap()) > 0) this.#hear(at);
      for (const call of this.calls) {
        // One that is over, and whose end was lost: it counts beside what its owner tells who comes later.
        if (call.state === 'over' && call.short && there.has(call.id)) this.#perhaps(call.held);
        // Redis that lost a call of one who is away cannot settle it.
        if (call.state !== 'held' || !call.short || !there.has(call.id)) continue;
        Object.assign(call, { state: 'estimated', spent: call.held, requests: 1, forgiven: false });
      }
      this.said.push(`${at} reaps`);
    } else if (kind === 'reset') {
      let isDone = false;
      for (const key of keys) isDone = (await ledger.reset(organization, key)) || isDone;
      this.said.push(`${at} sets to zero: ${isDone}`);
      if (isDone) this.#clear();
    } else {
      const mine = this.calls.filter((one) => one.owner === at && one.state !== 'over');
      const call = mine[cost % Math.max(1, mine.length)];
      if (call === undefined) return;
      if (kind === 'settle') {
        const amount = { nusd: cost, tokens: cost * 10 };
        const { outcome } = await ledger.settle({ id: call.id, organization, amount, estimated: false });
        this.said.push(`${at} settles ${call.id} ${cost}: ${outcome}`);
        if (call.state === 'estimated') {
          this.#hear(at);
          this.#given.push(Math.max(0, call.held - cost));
        } else this.#added[at]!.push({ nusd: cost, at: ++this.#time });
        if (call.forgiven) Object.assign(call, { state: 'over', spent: Math.max(0, cost - call.held) });
        else Object.assign(call, { state: 'over', spent: cost, requests: 1 });
      } else {
        await ledger.release(call.id, organization);
        if (call.state === 'estimated') {
          this.#hear(at);
          this.#given.push(call.held);
        }
        this.said.push(`${at} releases ${call.id}`);
        Object.assign(call, { state: 'over', spent: -1, requests: 0 });
      }
    }
    await sleep(2);
  }
}

/** What a replica has. */
async function copied(): Promise<Map<string, [Buffer, number]>> {
  const client = house.server.client();
  const all = new Map<string, [Buffer, number]>();
  for (const key of await client.keys('*')) {
    const bytes = await client.dumpBuffer(key);
    if (bytes !== null) all.set(key, [bytes, Math.max(0, await client.pttl(key))]);
  }
  return all;
}

/** That becomes the primary, or one with nothing. */
async function failOver(copy: Map<string, [Buffer, number]>): Promise<void> {
  const client = house.server.client();
  await client.flushall();
  for (const [key, [bytes, ttl_ms]] of copy) await client.restore(key, ttl_ms, bytes);
  // As with a connection to another server, whoever asks something meets it first.
  for (const key of await client.keys('*:epoch:*')) await client.del(key);
}

const come = (ledger: RedisLedger) => eventually(() => ledger.release('nothing', organization).then(() => true));

test('whatever is held, settled, given back, abandoned and set to zero: no amount is forgotten when Redis loses all or fails over, and none counts twice that somebody can tell', {
  timeout: 300_000,
}, async () => {
  const watch = await house.watcher({ lease_ms });
  const spent = async () => (await watch.read(organization, budgets, [])).budgets.map((one) => one.spent);
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 2 }), async (parts) => {
      await house.server.client().flushall();
      run++;
      const model = new Model();
      for (const place of [0, 1, 2]) {
        model.all.push(await house.watcher({ lease_ms, deadline_ms: 10_000, owner: `gateway-${run}-${place}` }));
      }
      for (const { steps, away, since, behind } of parts) {
        let copy = new Map<string, [Buffer, number]>();
        for (const [place, one] of steps.entries()) {
          if (place === behind) copy = await copied();
          await model.take(one, []);
        }
        if (parts[0]!.steps === steps) expect(await spent(), model.said.join('\n')).toEqual(model.truth);
        model.said.push(`lost ${copy.size === 0 ? 'all' : `from step ${behind} on`}, away ${away}`);
        model.lose(away);
        await failOver(copy);
        await Promise.all(model.all.map((one, place) => (away.includes(place) ? undefined : come(one))));
        for (const one of since) await model.take(one, away);
        model.said.push('all come');
        for (const place of away) await come(model.all[place]!);
        for (const one of model.all) await come(one);
        const counted = await spent();
        model.said.push(`${counted} of ${model.truth}, and ${model.more}`);
        for (const [place, sum] of counted.entries()) {
          expect(sum, model.said.join('\n')).toBeGreaterThanOrEqual(model.truth[place]!);
          // Of a window that rolls nobody knows which part of a sum is told again.
          if (place < 3)
            expect(sum, model.said.join('\n')).toBeLessThanOrEqual(model.truth[place]! + model.more[place]!);
        }
        expect(await watch.reconcile(organization, { repair: false }), model.said.join('\n')).toEqual([]);
      }
      for (const one of model.all) await one.close();
    }),
    { numRuns: 8 },
  );
});
