import type { OnExceed } from '../callers/index.ts';
import { Failure } from '../exchange/index.ts';
import { type BudgetState, LedgerUnavailable, type RateState } from '../stores/index.ts';
import { usedPercent } from './budget-alerts.ts';
import { ownBudget } from './call-limits.ts';
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
      project: caller.project?.id ?? null,
      tags: caller.tags,
      key: caller.key.id,
      budgets: budgets.map((state) => budgetBody(state, ownBudget(identity, state.budget)?.onExceed ?? 'deny')),
      limits: rates.map(rateBody),
    };
  } catch (thrown) {
    if (!(thrown instanceof LedgerUnavailable)) throw thrown;
    throw new Failure('state_unavailable', 'Budgets cannot be read now.', { retryAfterSeconds: 1, cause: thrown });
  }
}

/** A budget as people see it: dollars as numbers, the rest in its own unit. */
function budgetBody(state: BudgetState, onExceed: OnExceed): Record<string, unknown> {
  const { budget, limit, spent, held, resets_at_ms } = state;
  const money = budget.unit === 'nusd';
  const suffix = money ? '_usd' : `_${budget.unit}`;
  const scale = money ? nanoPerUsd : 1;
  return {
    scope: budget.scope.kind,
    id: budget.scope.id,
    window: budget.window,
    ...(budget.rolling_ms === undefined ? {} : { rolling_hours: budget.rolling_ms / 3_600_000 }),
    on_exceed: onExceed,
    [`limit${suffix}`]: limit / scale,
    [`spent${suffix}`]: spent / scale,
    [`held${suffix}`]: held / scale,
    [`remaining${suffix}`]: (limit - spent - held) / scale,
    used_percent: Math.round(usedPercent(state) * 100) / 100,
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
