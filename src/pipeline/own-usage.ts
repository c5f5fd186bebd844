import { Failure } from '../exchange/index.ts';
import { type BudgetState, LedgerUnavailable, type RateState } from '../stores/index.ts';
import type { Walk } from './walk.ts';

const nanoPerUsd = 1e9;

/** A caller's own budgets, limits and use. Throws `state_unavailable` when the ledger is lost. */
export async function ownUsage(
  walk: Walk,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Promise<unknown> {
  const identity = await walk.pinned().directory.identify(headers);
  const { caller } = identity;
  try {
    const { budgets, rates } = await walk.ledger.read(caller.organization.id, identity.budgets, identity.rates);
    return {
      organization: caller.organization.id,
      team: caller.team.id,
      user: caller.user?.id ?? null,
      key: caller.key.id,
      budgets: budgets.map(budgetBody),
      limits: rates.map(rateBody),
    };
  } catch (thrown) {
    if (!(thrown instanceof LedgerUnavailable)) throw thrown;
    throw new Failure('state_unavailable', 'Budgets cannot be read now.', { retryAfterSeconds: 1, cause: thrown });
  }
}

/** A budget as people see it: dollars as numbers, the rest in its own unit. */
export function budgetBody({ budget, spent, held, resets_at_ms }: BudgetState): Record<string, unknown> {
  const money = budget.unit === 'nusd';
  const suffix = money ? '_usd' : `_${budget.unit}`;
  const scale = money ? nanoPerUsd : 1;
  return {
    scope: budget.scope.kind,
    id: budget.scope.id,
    window: budget.window,
    [`limit${suffix}`]: budget.limit / scale,
    [`spent${suffix}`]: spent / scale,
    [`held${suffix}`]: held / scale,
    [`remaining${suffix}`]: (budget.limit - spent - held) / scale,
    resets_at: resets_at_ms === 0 ? null : new Date(resets_at_ms).toISOString(),
  };
}

function rateBody({ rate, used, remaining, reset_ms }: RateState): Record<string, unknown> {
  return {
    scope: rate.scope.kind,
    id: rate.scope.id,
    unit: rate.unit,
    window_seconds: rate.window_ms / 1000,
    limit: rate.limit,
    used,
    remaining,
    resets_in_seconds: Math.ceil(reset_ms / 1000),
  };
}
