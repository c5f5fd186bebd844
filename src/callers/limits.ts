import type { Budget, Rate, Scope } from '../stores/index.ts';
import type { BudgetSettings, LimitSettings } from './settings.ts';

const nanoPerUsd = 1_000_000_000n;

/**
 * Dollars as whole nano-dollars, exactly: the decimal digits are read, not multiplied. Undefined where the amount is
 * finer than a nano-dollar or above 2^53 of them (about nine million dollars), which no store counts exactly.
 */
export function nanoUsd(usd: number): number | undefined {
  const match = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(usd));
  if (match === null) return undefined;
  const [, whole = '', fraction = '', exponent = '0'] = match;
  const digits = BigInt(whole + fraction);
  // The value is digits x 10^scale dollars.
  const scale = Number(exponent) - fraction.length;
  let nano: bigint;
  if (scale >= 0) {
    nano = digits * 10n ** BigInt(Math.min(scale, 40)) * nanoPerUsd;
  } else {
    const divisor = 10n ** BigInt(-scale);
    if ((digits * nanoPerUsd) % divisor !== 0n) return undefined;
    nano = (digits * nanoPerUsd) / divisor;
  }
  return nano <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(nano) : undefined;
}

/** What is limited by a budget: exactly one of the three is given (`checkOrganizations` sees to it). */
function limitOf(settings: BudgetSettings): Pick<Budget, 'unit' | 'limit'> {
  if (settings.limit_tokens !== undefined) return { unit: 'tokens', limit: settings.limit_tokens };
  if (settings.limit_requests !== undefined) return { unit: 'requests', limit: settings.limit_requests };
  const limit = nanoUsd(settings.limit_usd ?? Number.NaN);
  if (limit === undefined) throw new RangeError(`a budget of ${settings.limit_usd} USD cannot be counted exactly`);
  return { unit: 'nusd', limit };
}

/** What becomes of a call that a budget has no room for. */
export type OnExceed = BudgetSettings['on_exceed'];

/** A budget of the ledger, with what a caller is to be met with when it refuses. */
export interface CallerBudget extends Budget {
  readonly onExceed: OnExceed;
  /** The model to go on with; only where it substitutes. */
  readonly substituteModel?: string;
  /** How long a call may wait for room; only where it throttles. */
  readonly queue_ms?: number;
}

/** A rate of the ledger, and how long a call may wait for room in it. */
export interface CallerRate extends Rate {
  readonly queue_ms?: number;
}

/** Everything one section limits. */
export interface Limits {
  readonly budgets: readonly CallerBudget[];
  readonly rates: readonly CallerRate[];
}

/** Of a budget that throttles and does not say how long. */
const queue_ms_default = 10_000;
const hour_ms = 3_600_000;

/** A section's budgets as the ledger's. */
export function budgetsOf(scope: Scope, settings: readonly BudgetSettings[]): readonly CallerBudget[] {
  return settings.map((budget) => ({
    scope,
    window: budget.window,
    ...(budget.time_zone === 'UTC' ? {} : { timeZone: budget.time_zone }),
    ...(budget.rolling_hours === undefined ? {} : { rolling_ms: budget.rolling_hours * hour_ms }),
    ...limitOf(budget),
    hard: budget.on_exceed !== 'warn',
    ...(budget.on_loss === undefined ? {} : { onLoss: budget.on_loss }),
    warnPercent: [...budget.warn_percent].sort((a, b) => a - b),
    onExceed: budget.on_exceed,
    ...(budget.substitute_model === undefined ? {} : { substituteModel: budget.substitute_model }),
    ...(budget.on_exceed === 'throttle' ? { queue_ms: budget.queue_ms ?? queue_ms_default } : {}),
  }));
}

/** What each key of `limits` counts, over which time. */
const rateKinds = [
  ['requests_per_second', 'requests', 1_000],
  ['requests_per_minute', 'requests', 60_000],
  ['requests_per_hour', 'requests', hour_ms],
  ['requests_per_day', 'requests', 24 * hour_ms],
  ['tokens_per_minute', 'tokens', 60_000],
  ['tokens_per_hour', 'tokens', hour_ms],
  ['tokens_per_day', 'tokens', 24 * hour_ms],
  ['input_tokens_per_minute', 'input_tokens', 60_000],
  ['output_tokens_per_minute', 'output_tokens', 60_000],
  ['concurrent', 'concurrent', 0],
] as const satisfies readonly (readonly [keyof LimitSettings, Rate['unit'], number])[];

/** A section's `limits` as the ledger's rates. */
export function ratesOf(scope: Scope, settings: LimitSettings): readonly CallerRate[] {
  const rates: CallerRate[] = [];
  for (const [key, unit, window_ms] of rateKinds) {
    const limit = settings[key];
    if (limit === undefined) continue;
    rates.push({
      scope,
      unit,
      limit,
      window_ms,
      ...(settings.on_loss === undefined ? {} : { onLoss: settings.on_loss }),
      ...(settings.queue_ms === undefined ? {} : { queue_ms: settings.queue_ms }),
    });
  }
  return rates;
}

/** Both of a section. */
export function limitsOf(
  scope: Scope,
  { budgets, limits }: { readonly budgets: readonly BudgetSettings[]; readonly limits: LimitSettings },
): Limits {
  return { budgets: budgetsOf(scope, budgets), rates: ratesOf(scope, limits) };
}

export const noLimits: Limits = { budgets: [], rates: [] };

/** The limits of all parts, in their order. */
export function joined(...parts: readonly Limits[]): Limits {
  const some = parts.filter((part) => part.budgets.length + part.rates.length > 0);
  if (some.length <= 1) return some[0] ?? noLimits;
  return { budgets: some.flatMap((part) => part.budgets), rates: some.flatMap((part) => part.rates) };
}
