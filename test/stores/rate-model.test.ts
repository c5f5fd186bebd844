import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Amount, HoldGone, type Ledger, type Rate } from '../../src/stores/index.ts';
import { rate } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const house = ledgerHouse();
/** Longer than a run takes: nothing that was used has gone by its end. Its slots are so short that a run goes through many. */
const window_ms = 12_000;
/** Longer than a busy machine takes. */
const deadline_ms = 20_000;
const units = ['tokens', 'input_tokens', 'output_tokens', 'requests'] as const;
const rates: readonly Rate[] = units.map((unit) => rate({ unit, limit: 1_000, window_ms }));

const amount = fc
  .record({ input: fc.nat(60), output: fc.nat(60) })
  .map(({ input, output }): Amount => ({ nusd: 0, tokens: input + output, input }));
const step = fc.record({
  do: fc.constantFrom(
    ...([
      'reserve',
      'reserve',
      'reserve',
      'short',
      'amend',
      'amend',
      'settle',
      'settle',
      'release',
      'reap',
      'report',
      'wait',
    ] as const),
  ),
  at: fc.nat(1),
  which: fc.nat(20),
  amount,
  wait_ms: fc.nat(250),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Call {
  readonly id: string;
  readonly at: number;
  amount: Amount;
  state: 'open' | 'over';
  /** It has expired, or may at any moment. */
  short: boolean;
}
type Process = Ledger & { reap(): Promise<number> };

const kinds = {
  exact: (owner: string): Promise<Process> => house.watcher({ owner, deadline_ms }),
  ahead: (owner: string): Promise<Process> => house.process({ owner, deadline_ms, ahead_ms: 500, report_ms: 75 }),
  leased: (owner: string): Promise<Process> => house.process({ owner, deadline_ms, ahead_ms: 0 }),
};

function sizes({ tokens, input = 0 }: Amount): number[] {
  return [tokens, input, tokens - input, 1];
}

let runs = 0;
async function follow(kind: keyof typeof kinds, steps: readonly Step[]): Promise<void> {
  const organization = `run${runs++}`;
  const all = [await kinds[kind](`${organization}-0`), await kinds[kind](`${organization}-1`)];
  const watch = await house.watcher({ deadline_ms });
  const began_ms = performance.now();
  /** The machine was so slow that some of it may have gone. */
  const over = () => performance.now() - began_ms > window_ms - 2_000;
  const calls: Call[] = [];
  const said: string[] = [];
  const open = (at: number, which: number) => {
    const own = calls.filter((one) => one.at === at && one.state === 'open');
    return own[which % Math.max(1, own.length)];
  };
  const flush = async () => {
    for (const one of all) if ('flush' in one) await (one as unknown as { flush(): Promise<void> }).flush();
  };
  const used = async () => {
    await flush();
    return (await watch.read(organization, [], rates)).rates.map((one) => one.used);
  };
  const really = () =>
    calls.reduce(
      (sum, { amount, state }) => (state === 'over' ? sum.map((one, at) => one + (sizes(amount)[at] ?? 0)) : sum),
      [0, 0, 0, 0],
    );
  const end = async (call: Call, how: 'settle' | 'release', cost: Amount) => {
    const ledger = all[call.at]!;
    if (how === 'settle') {
      await ledger.settle({ id: call.id, organization, amount: cost, estimated: false });
      Object.assign(call, { state: 'over', amount: cost });
    } else {
      await ledger.release(call.id, organization);
      calls.splice(calls.indexOf(call), 1);
    }
  };
  for (const { do: what, at, which, amount, wait_ms } of steps) {
    const ledger = all[at]!;
    said.push(`${Math.round(performance.now() - began_ms)} ${at} ${what} ${JSON.stringify(amount)}`);
    if (what === 'reserve' || what === 'short') {
      const id = `${organization}-${calls.length}-${said.length}`;
      const asked = {
        id,
        organization,
        amount,
        budgets: [],
        rates,
        owner: 'o',
        lease_ms: what === 'short' ? 1 : 60_000,
      };
      const { outcome } = await ledger.reserve(asked);
      said.push(`  ${id} ${outcome}`);
      if (outcome === 'held') calls.push({ id, at, amount, state: 'open', short: what === 'short' });
    } else if (what === 'wait') await sleep(wait_ms);
    else if (what === 'report') {
      const [told, true_] = [await used(), really()];
      for (const [place, one] of over() ? [] : told.entries())
        expect(one, said.join('\n')).toBeGreaterThanOrEqual(true_[place]!);
    } else if (what === 'reap') {
      await sleep(3);
      await ledger.reap();
    } else {
      const call = open(at, which);
      if (call === undefined) continue;
      said.push(`  ${call.id}`);
      if (what === 'amend') {
        const lease_ms = 60_000;
        const amended = await ledger
          .amend({ id: call.id, organization, amount, lease_ms, budgets: [], rates })
          .catch((error: unknown) => {
            if (error instanceof HoldGone) return undefined;
            throw error;
          });
        if (amended?.outcome === 'held') call.amount = amount;
      } else await end(call, what, amount);
    }
  }
  for (const call of calls.filter(({ state }) => state === 'open'))
    await end(call, 'settle', { nusd: 0, tokens: 7, input: 3 });
  for (const one of all) await one.close();
  const told = (await watch.read(organization, [], rates)).rates.map((one) => one.used);
  if (!over()) expect(told, said.join('\n')).toEqual(really());
  await watch.close();
}

const numRuns = Number(process.env.RATE_RUNS ?? 3);
test.each(Object.keys(kinds) as (keyof typeof kinds)[])(
  '%s: whatever calls hold of a rate, and in whichever slots, it counts what they used and nothing else once all is told',
  { timeout: 600_000 },
  async (kind) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 40, size: 'max' }), { minLength: 4, maxLength: 4 }),
        async (many) => {
          await Promise.all(many.map((steps) => follow(kind, steps)));
        },
      ),
      { numRuns, endOnFailure: true },
    );
  },
);
