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

/** A section's budgets as the ledger's. */
export function budgetsOf(scope: Scope, settings: readonly BudgetSettings[]): readonly Budget[] {
  return settings.map((budget) => ({
    scope,
    window: budget.window,
    ...(budget.time_zone === 'UTC' ? {} : { timeZone: budget.time_zone }),
    ...limitOf(budget),
    hard: budget.on_exceed === 'deny',
    warnPercent: [...budget.warn_percent].sort((a, b) => a - b),
  }));
}

const minute_ms = 60_000;

/** A section's `limits` as the ledger's rates. */
export function ratesOf(scope: Scope, settings: LimitSettings): readonly Rate[] {
  const rates: Rate[] = [];
  if (settings.requests_per_minute !== undefined) {
    rates.push({ scope, unit: 'requests', limit: settings.requests_per_minute, window_ms: minute_ms });
  }
  if (settings.tokens_per_minute !== undefined) {
    rates.push({ scope, unit: 'tokens', limit: settings.tokens_per_minute, window_ms: minute_ms });
  }
  if (settings.concurrent !== undefined) {
    rates.push({ scope, unit: 'concurrent', limit: settings.concurrent, window_ms: 0 });
  }
  return rates;
}
