import fc from 'fast-check';
import type { Amount, Budget, Ledger, Override, Rate, Reserved } from '../../src/stores/index.ts';
import { HoldGone } from '../../src/stores/index.ts';
import { budget, rate, research } from '../contracts/ledger.ts';

/** Many scopes, every unit, calendar and rolling: a call takes some of them. No window turns while a test runs. */
export const budgets: readonly Budget[] = [
  budget({ limit: 1_000, window: 'total' }),
  budget({ limit: 900, window: 'rolling', rolling_ms: 86_400_000 }),
  budget({ limit: 400, window: 'rolling', rolling_ms: 3_600_000, unit: 'tokens' }),
  budget({ limit: 5, window: 'rolling', rolling_ms: 3_600_000, unit: 'requests', scope: { kind: 'key', id: 'k' } }),
  budget({ limit: 600, window: 'total', unit: 'tokens', scope: { kind: 'organization', id: 'acme' } }),
  budget({ limit: 6, window: 'total', unit: 'requests', scope: { kind: 'tag', id: 'nightly' } }),
  budget({ limit: 100, window: 'total', hard: false, scope: { kind: 'user', id: 'u' } }),
  budget({ limit: 10, window: 'total', hard: false, scope: { kind: 'model', id: 'm' } }),
];
const hour = { scope: research, window_ms: 3_600_000 };
export const rates: readonly Rate[] = [
  rate({ ...hour, unit: 'requests', limit: 8 }),
  rate({ ...hour, unit: 'tokens', limit: 500 }),
  rate({ ...hour, unit: 'input_tokens', limit: 300 }),
  rate({ ...hour, unit: 'output_tokens', limit: 300, scope: { kind: 'model', id: 'm' } }),
  rate({ ...hour, unit: 'concurrent', limit: 3, window_ms: 0 }),
];

interface Asking {
  readonly id: string;
  readonly amount: Amount;
  readonly of: readonly number[];
  readonly at: readonly number[];
}

export type Step =
  | ({ readonly do: 'reserve' | 'amend'; readonly dies: boolean } & Asking)
  | { readonly do: 'settle' | 'post'; readonly id: string; readonly amount: Amount }
  | { readonly do: 'release'; readonly id: string }
  | { readonly do: 'override'; readonly budget: number; readonly limit: number }
  | { readonly do: 'clear' | 'reset'; readonly budget: number }
  | { readonly do: 'restart' }
  | { readonly do: 'clock'; readonly ms: number };

const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const amount = fc
  .record({ nusd: fc.nat(400), tokens: fc.nat(200), share: fc.nat(100) })
  .map(({ nusd, tokens, share }) => ({ nusd, tokens, input: Math.floor((tokens * share) / 100) }));
const asking = {
  id,
  amount,
  of: fc.subarray([...budgets.keys()]),
  at: fc.subarray([...rates.keys()]),
};
const which = fc.nat(budgets.length - 1);

/** One after another in a call's life, and what people do to limits meanwhile. */
export const verbs = (dies: fc.Arbitrary<boolean>) => [
  { weight: 8, arbitrary: fc.record({ do: fc.constant('reserve' as const), dies, ...asking }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('amend' as const), dies, ...asking }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('settle' as const, 'post' as const), id, amount }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), id }) },
];
export const people = [
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('override' as const), budget: which, limit: fc.nat(1_500) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('clear' as const, 'reset' as const), budget: which }) },
];

export const seriesOf = (place: number): Override['budget'] => {
  const { hard: _, limit: __, warnPercent: ___, ...series } = budgets[place]!;
  return series;
};

const words: Record<string, string> = { total: 'total', rolling: 'rolling' };
export const keyOf = (place: number): string => {
  const { scope, window, rolling_ms, unit } = budgets[place]!;
  const length = rolling_ms === undefined ? '' : `:${rolling_ms / 1_000}s`;
  return `budget:${scope.kind}:${scope.id}:${words[window]}${length}${unit === 'nusd' ? '' : `:${unit}`}`;
};

/** Does one step and tells what the ledger answered, without what hangs on the moment. */
export async function take(ledger: Ledger, step: Step, organization: string): Promise<unknown> {
  switch (step.do) {
    case 'reserve':
      return timeless(await ledger.reserve({ ...asked(step, organization), owner: 'here', labels: { id: step.id } }));
    case 'amend':
      try {
        return timeless(await ledger.amend(asked(step, organization)));
      } catch (error) {
        if (error instanceof HoldGone) return 'gone';
        throw error;
      }
    case 'settle': {
      const { outcome, budgets: states } = await ledger.settle(settlement(step, organization));
      return { outcome, states: states.map(stateOf) };
    }
    case 'post':
      return ledger.post(settlement(step, organization));
    case 'release':
      return ledger.release(step.id, organization);
    case 'override':
      return ledger.override(organization, { budget: seriesOf(step.budget), limit: step.limit });
    case 'clear':
      return ledger.clearOverride(organization, seriesOf(step.budget));
    case 'reset':
      return ledger.reset(organization, keyOf(step.budget));
    default:
      throw new Error(`${step.do} is no step of a ledger`);
  }
}

function asked(step: Extract<Step, { do: 'reserve' | 'amend' }>, organization: string) {
  return {
    id: step.id,
    organization,
    amount: step.amount,
    budgets: step.of.map((place) => budgets[place]!),
    rates: step.at.map((place) => rates[place]!),
    lease_ms: step.dies ? 0 : 600_000,
  };
}

function settlement(step: Extract<Step, { do: 'settle' | 'post' }>, organization: string) {
  return { id: step.id, organization, amount: step.amount, estimated: false };
}

function stateOf({ budget: { scope, window, unit }, limit, spent, held }: ReturnType<typeof statesOf>[number]) {
  return { scope, window, unit, limit, spent, held };
}

function statesOf(reserved: Extract<Reserved, { outcome: 'held' }>) {
  return reserved.budgets;
}

function timeless(reserved: Reserved): unknown {
  if (reserved.outcome === 'held') {
    const uses = reserved.rates.map(({ rate: { unit }, used, remaining }) => ({ unit, used, remaining }));
    uses.sort((a, b) => (a.unit < b.unit ? -1 : 1));
    return { outcome: 'held', states: reserved.budgets.map(stateOf), uses };
  }
  // Which of them is told hangs on the moment.
  const { refusal, refusals = [refusal] } = reserved;
  return refusals.map((one) => {
    if (one.kind === 'budget') return { refused: stateOf(one), asked: one.asked };
    return { refused: one.rate.unit, asked: one.asked, used: one.used, remaining: one.remaining };
  });
}

/** All that can be seen of an organisation, without times. */
export async function seen(ledger: Ledger, organization: string) {
  // Asked first: it comes after everything that was posted and not waited for.
  const used = (await ledger.read(organization, [], rates)).rates.map((one) => one.used);
  // A counter under a limit of nothing, in which nothing is, is one to some stores and none to others.
  const counters = (await ledger.counters(organization))
    .filter(({ limit, spent, held, requests }) => limit + spent + held + requests > 0)
    .map(({ organization: _, ...counter }) => counter);
  const holds = (await ledger.holds(organization)).map(({ id: name, amount: held }) => ({ id: name, ...held }));
  const entries: unknown[] = [];
  for await (const { at_ms: _, organization: __, ...entry } of ledger.entries(organization)) entries.push(entry);
  const by = (of: (one: { key: string } & { id: string }) => string) => (a: unknown, b: unknown) =>
    of(a as never) < of(b as never) ? -1 : 1;
  return { counters: counters.sort(by((one) => one.key)), holds: holds.sort(by((one) => one.id)), entries, used };
}
