import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { alertRecord } from '../observe/index.ts';
import type { Budget, BudgetState } from '../stores/index.ts';
import { budgetName } from './call-limits.ts';
import { windowName } from './refusal.ts';
import type { Walk } from './walk.ts';

/** Percent of a budget that is spent or held. */
export function usedPercent({ limit, spent, held }: Pick<BudgetState, 'limit' | 'spent' | 'held'>): number {
  return limit === 0 ? 100 : (100 * (spent + held)) / limit;
}

/** The percents of its limit a budget has passed, ascending. One that only warns warns of its limit in any case. */
function passed(state: BudgetState): readonly number[] {
  const { warnPercent, hard, limit } = state.budget;
  if (warnPercent.length === 0 && (hard || limit === Number.MAX_SAFE_INTEGER)) return none;
  const used = usedPercent(state);
  const over = warnPercent.filter((percent) => used >= percent);
  return !hard && used > 100 && !over.includes(100) ? [...over, 100] : over;
}

const none: readonly number[] = [];
const noWarnings: readonly string[] = Object.freeze([]);

/** What callers are told of budgets that are nearly, or quite, used up. */
export function budgetWarnings(states: readonly BudgetState[]): readonly string[] {
  let warnings: string[] | undefined;
  for (const state of states) {
    const percent = passed(state).at(-1);
    if (percent === undefined) continue;
    const { budget } = state;
    warnings ??= [];
    warnings.push(
      `The ${windowName(budget)} budget of ${budget.scope.kind} '${budget.scope.id}' is over ${percent} % used.`,
    );
  }
  return warnings ?? noWarnings;
}

/**
 * Marks of alerts that were raised, remembered so that the ledger need not be asked for each call. Not for longer than this:
 * people set counters to zero, which arms their alerts, and what a lost ledger answers says nothing of who raised one.
 */
const marksKept = 10_000;
const known_ms = 60_000;
const mark_lease_ms = 10_000;

/** What raising an alert takes of the walk. */
type Raising = Pick<Walk, 'ledger' | 'owner' | 'clock' | 'metrics' | 'log' | 'trail'>;

/**
 * Raises an alert when a budget passes a percent it warns at: a record, a metric and a line of the log, once for each
 * percent, limit and window, whatever the number of gateways. Who raises it is decided in the ledger: the mark of an
 * alert is a budget of one request in the same window. A raised limit arms its alerts again.
 */
export class BudgetAlerts {
  readonly #marked = new LRUCache<string, number>({ max: marksKept });

  /** Looks at budgets as a call left them. Never throws: an alert that cannot be marked is tried with the next call. */
  see(walk: Raising, organization: string, states: readonly BudgetState[]): void {
    for (const state of states) {
      for (const percent of passed(state)) this.#raise(walk, organization, state, percent);
    }
  }

  #raise(walk: Raising, organization: string, state: BudgetState, percent: number): void {
    const mark = `${organization} ${budgetName(state.budget)} ${state.limit} ${percent}`;
    const now_ms = walk.clock();
    const until = this.#marked.get(mark);
    if (until !== undefined && now_ms < until) return;
    const turns_ms = state.resets_at_ms === 0 ? Number.POSITIVE_INFINITY : state.resets_at_ms;
    this.#marked.set(mark, Math.min(turns_ms, now_ms + known_ms));
    void first(walk, organization, markOf(state, percent)).then(
      (raised) => {
        if (raised) tell(walk, organization, state, percent);
      },
      () => this.#marked.delete(mark),
    );
  }
}

/** Ends a scope's name where it is an alert's mark. No scope of a configuration has a `#` in it. */
const markSign = '#alert';

/** The marks of all alerts that a budget may have raised under its limit. Who sets its counter to zero clears them as well. */
export function alertMarks(state: Pick<BudgetState, 'budget' | 'limit'>): readonly Budget[] {
  const { warnPercent, hard } = state.budget;
  const percents = hard ? warnPercent : new Set([...warnPercent, 100]);
  return [...percents].map((percent) => markOf(state, percent));
}

function markOf({ budget, limit }: Pick<BudgetState, 'budget' | 'limit'>, percent: number): Budget {
  const { scope, window, timeZone, rolling_ms, unit } = budget;
  return {
    scope: { kind: scope.kind, id: `${scope.id}${markSign}-${percent}-of-${limit}-${unit}` },
    window,
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(rolling_ms === undefined ? {} : { rolling_ms }),
    unit: 'requests',
    limit: 1,
    hard: true,
    warnPercent: [],
  };
}

/** The end of a mark's scope, and its unit: the name of a token's project may have a `#alert` in it, and spends money. */
const markEnd = new RegExp(`${encodeURIComponent(markSign)}-[\\d.]+-of-\\d+-(?:nusd|tokens|requests):.*:requests$`);

/** Whether a counter is no budget's but an alert's mark. */
export function isAlertMark(key: string): boolean {
  return markEnd.test(key);
}

/** Ledger entries of marks have ids that begin so. */
export const alertPrefix = 'alert_';

async function first({ ledger, owner }: Raising, organization: string, mark: Budget): Promise<boolean> {
  const id = alertPrefix + randomUUID().replaceAll('-', '');
  const amount = { nusd: 0, tokens: 0 };
  const reserved = await ledger.reserve({
    id,
    organization,
    amount,
    budgets: [mark],
    rates: [],
    lease_ms: mark_lease_ms,
    owner,
  });
  if (reserved.outcome === 'refused') return false;
  try {
    await ledger.post({ id, organization, amount, estimated: false });
  } catch {
    // The mark is made, and nobody else will raise the alert: once the lease is over it is spent at its estimate.
  }
  return true;
}

function tell(walk: Raising, organization: string, state: BudgetState, percent: number): void {
  const { budget, limit, spent, held, resets_at_ms } = state;
  const { scope } = budget;
  const window = windowName(budget);
  const [unit, scale] = budget.unit === 'nusd' ? (['usd', 1e9] as const) : ([budget.unit, 1] as const);
  const amounts = {
    [`limit_${unit}`]: limit / scale,
    [`spent_${unit}`]: spent / scale,
    [`held_${unit}`]: held / scale,
  };
  const about = { scope: scope.kind, id: scope.id, window, unit, percent, ...amounts };
  walk.metrics.budgetWarning({ organization, kind: scope.kind, id: scope.id, window, percent });
  walk.log.warn('budget alert', { organization, state: `${window} budget of a ${scope.kind} over ${percent} %` });
  const resets_at = resets_at_ms === 0 ? undefined : new Date(resets_at_ms).toISOString();
  const id = `ex_${randomUUID().replaceAll('-', '')}`;
  void walk.trail.end(
    alertRecord({ exchange: id, time_ms: walk.clock(), organization, alert: { ...about, resets_at } }),
  );
}
