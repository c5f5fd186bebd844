import type { AuditMeasured, BudgetMeasured, Metrics } from '../observe/index.ts';
import { usedPercent } from '../pipeline/budget-alerts.ts';
import { windowName } from '../pipeline/refusal.ts';
import { budgetOfKey, type Ledger, seriesOfKey } from '../stores/index.ts';
import { type StandingCounter, standingCounters, unitOf } from './counter-view.ts';
import { checkDrift } from './drift-check.ts';

/** Budgets, holds, drift and the trail's state as metrics. Drift is looked for every `every_ms`, one organisation at a time. */
export function watchLedger(
  metrics: Metrics,
  audit: () => AuditMeasured,
  ledger: Ledger,
  organizations: () => readonly string[],
  every_ms = 60_000,
): LedgerFigures {
  let budgets: readonly BudgetMeasured[] = [];
  let reservations = 0;
  /** By organisation, as the last look at it found. */
  const drifts = new Map<string, number>();
  metrics.readAudit(audit);
  metrics.readBudgets(() => budgets);
  metrics.readLedger(() => ({ reservations, drift_nusd: drifts.size === 0 ? undefined : sumOf(drifts.values()) }));
  const refresh = async (): Promise<void> => {
    try {
      const read: BudgetMeasured[] = [];
      let holds = 0;
      for (const organization of organizations()) {
        const counters = await standingCounters(ledger, organization, Date.now());
        const money = counters.filter((counter) => unitOf(counter) === 'usd');
        read.push(...latest(money));
        holds += (await ledger.holds(organization)).length;
      }
      budgets = read;
      reservations = holds;
    } catch {
      // A lost ledger must not take the metrics with it: the last figures stand.
    }
  };
  const reconciled: LedgerFigures['reconciled'] = (organization, differences) => {
    const money = differences.filter(({ key }) => !/:(tokens|requests)(#held)?$/.test(key));
    drifts.set(organization, sumOf(money.map(({ counted, rebuilt }) => Math.abs(counted - rebuilt))));
  };
  const checks = checkDrift(ledger, organizations, reconciled, every_ms);
  return { refresh, reconciled, close: () => checks.close() };
}

export interface LedgerFigures {
  /** Reads anew what is read only when Prometheus asks. */
  refresh(): Promise<void>;
  /** Told what a reconciliation found in an organisation: the drift of its money counters is a metric from then on. */
  reconciled(
    organization: string,
    differences: readonly { readonly key: string; readonly counted: number; readonly rebuilt: number }[],
  ): void;
  /** No further checks. */
  close(): void;
}

function sumOf(numbers: Iterable<number>): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}

/**
 * `budget:team:research:day:2026-11-21` as labels; of a budget's windows the latest. Where that is over, and nobody called
 * since, nothing is spent in the one that runs. Of two that differ in their time zone alone, as where it was configured
 * anew, the one that is nearest its limit: labels do not name zones.
 */
function latest(counters: readonly StandingCounter[]): readonly BudgetMeasured[] {
  const newest = new Map<string, StandingCounter>();
  for (const counter of counters) {
    const series = seriesOfKey(counter.key);
    const known = newest.get(series);
    if (known === undefined || known.end_ms <= counter.end_ms) newest.set(series, counter);
  }
  const told = new Map<string, { readonly counter: StandingCounter; readonly measured: BudgetMeasured }>();
  for (const counter of newest.values()) {
    const budget = budgetOfKey(counter.key)?.budget;
    if (budget === undefined) continue;
    const { kind, id } = budget.scope;
    // As its alerts have it: rolling windows of two lengths are two budgets.
    const window = windowName(budget);
    const label = `${kind}:${id}:${window}`;
    const known = told.get(label);
    if (known !== undefined && !nearer(counter, known.counter)) continue;
    const { organization, limit, spent, held, current } = counter;
    const figures = { limit_nusd: limit, spent_nusd: current ? spent : 0, held_nusd: held };
    told.set(label, { counter, measured: { organization, kind, id, window, ...figures } });
  }
  return [...told.values()].map(({ measured }) => measured);
}

/** A window that runs before one that is over, then the one of which more is used. */
function nearer(counter: StandingCounter, than: StandingCounter): boolean {
  if (counter.current !== than.current) return counter.current;
  return usedPercent(counter) > usedPercent(than);
}
