import { budgetOfKey, type LedgerEntry, windowKey } from '../stores/index.ts';
import type { ConfiguredLimit } from './configured-limit.ts';
import { instantView, overrideView, type StandingCounter, shown, unitOf } from './counter-view.ts';

/** A limit nobody reaches: a counter that only counts. */
const unlimited = Number.MAX_SAFE_INTEGER;
const hour_ms = 3_600_000;

/** When a budget will be spent, if its spending goes on as in its window so far. */
export interface Forecast {
  readonly counter: StandingCounter;
  /** In the budget's own unit. */
  readonly per_hour: number;
  /** Unix ms; undefined where it will not be in this window. */
  readonly spent_at_ms: number | undefined;
}

/**
 * Forecasts of the budgets whose windows are running. The rate is what was spent over the time the window has run: since
 * it began, and for windows without a beginning (total, rolling) since the first entry that counts in them and is kept.
 * Where people set a counter to zero, what was spent before counts no more, nor does the time.
 */
export async function forecasts(
  counters: readonly StandingCounter[],
  entries: AsyncIterable<LedgerEntry>,
  now_ms: number,
  limitOf: ConfiguredLimit,
): Promise<readonly Forecast[]> {
  const limited = counters.filter(({ current, limit }) => current && limit < unlimited);
  const endless = new Map(limited.filter(({ end_ms }) => end_ms === 0).map(({ key }) => [key, rollingOf(key)]));
  /** Since when, and how much, in windows without a beginning: entries of long ago may be kept no more. */
  const seen = new Map<string, { readonly began_ms: number; sum: number }>();
  const emptied = new Map<string, number>();
  if (limited.length > 0) {
    for await (const { at_ms, budgets, reset } of entries) {
      for (const { key, amount } of budgets) {
        if (reset === true) {
          seen.delete(key);
          emptied.set(key, at_ms);
        }
        const rolling_ms = endless.get(key);
        const counts = rolling_ms !== undefined && amount > 0 && at_ms > now_ms - rolling_ms;
        if (!counts) continue;
        const known = seen.get(key) ?? { began_ms: at_ms, sum: 0 };
        known.sum += amount;
        seen.set(key, known);
      }
    }
  }
  return limited.map((counter) => {
    const budget = budgetOfKey(counter.key)?.budget;
    const dated = counter.end_ms > 0 && budget !== undefined;
    const { began_ms = now_ms, sum = 0 } = seen.get(counter.key) ?? {};
    const start_ms = dated ? (emptied.get(counter.key) ?? windowKey(budget, counter.end_ms - 1).start_ms) : began_ms;
    const rolling_ms = endless.get(counter.key) ?? Number.POSITIVE_INFINITY;
    const end_ms = dated ? counter.end_ms : start_ms + rolling_ms;
    const spent = dated ? counter.spent : Math.min(sum, counter.spent);
    return forecastOf(counter, laterLimit(counter, limitOf), { start_ms, end_ms, spent }, now_ms);
  });
}

/**
 * Of one budget. In a rolling window spending falls out again once it is as old as the window is long. A limit that stands
 * in for the configured one is counted on no longer than it lasts.
 */
function forecastOf(
  counter: StandingCounter,
  later: Later,
  window: { readonly start_ms: number; readonly end_ms: number; readonly spent: number },
  now_ms: number,
): Forecast {
  const { limit, spent, held } = counter;
  const { end_ms } = window;
  const per_ms = window.spent / Math.max(1000, now_ms - window.start_ms);
  /** Infinite where it is not reached by the end. */
  const reached = (most: number): number => {
    const left = most - spent - held;
    if (left <= 0) return now_ms;
    const at_ms = per_ms > 0 ? Math.ceil(now_ms + left / per_ms) : Number.POSITIVE_INFINITY;
    return at_ms < end_ms ? at_ms : Number.POSITIVE_INFINITY;
  };
  const first_ms = reached(limit);
  const spent_at_ms = first_ms <= later.from_ms ? first_ms : Math.max(later.from_ms, reached(later.limit));
  // What was spent in a rolling window goes on counting beyond the end of this one; in a dated one nothing does.
  const last_ms = Math.min(latest_ms, counter.end_ms === 0 ? latest_ms : end_ms - 1);
  const per_hour = per_ms * hour_ms;
  return { counter, per_hour, spent_at_ms: spent_at_ms <= last_ms ? spent_at_ms : undefined };
}

/** The limit from a moment on. */
interface Later {
  readonly from_ms: number;
  readonly limit: number;
}

/** What limits again once an override is over. */
function laterLimit({ organization, limit, override }: StandingCounter, limitOf: ConfiguredLimit): Later {
  const { expires_at_ms: from_ms = Number.POSITIVE_INFINITY } = override ?? {};
  return { from_ms, limit: (override && limitOf(organization, override)) ?? limit };
}

/** The last moment a date can say. */
const latest_ms = 8_640_000_000_000_000;

function rollingOf(key: string): number {
  return budgetOfKey(key)?.budget.rolling_ms ?? Number.POSITIVE_INFINITY;
}

/** A forecast as people see it, amounts in dollars where they are money. */
export function forecastView({ counter, per_hour, spent_at_ms }: Forecast): Record<string, unknown> {
  const { organization, key, limit, spent, held, end_ms, override } = counter;
  const unit = unitOf(counter);
  return {
    organization,
    key,
    [`limit_${unit}`]: shown(unit, limit),
    [`spent_${unit}`]: shown(unit, spent),
    [`held_${unit}`]: shown(unit, held),
    [`per_hour_${unit}`]: shown(unit, per_hour),
    spent_at: instantView(spent_at_ms),
    resets_at: instantView(end_ms),
    ...overrideView(override),
  };
}
