import type { AuditMeasured, BudgetMeasured, Metrics } from '../observe/index.ts';
import type { BudgetCounter, Ledger } from '../stores/index.ts';
import { unitOf } from './counter-view.ts';

/** Budgets, holds, drift and the trail's state as metrics. */
export function watchLedger(
  metrics: Metrics,
  audit: () => AuditMeasured,
  ledger: Ledger,
  organizations: () => readonly string[],
): LedgerFigures {
  let budgets: readonly BudgetMeasured[] = [];
  let reservations = 0;
  let drift_nusd: number | undefined;
  metrics.readAudit(audit);
  metrics.readBudgets(() => budgets);
  metrics.readLedger(() => ({ reservations, drift_nusd }));
  const refresh = async (): Promise<void> => {
    try {
      const read: BudgetMeasured[] = [];
      let holds = 0;
      for (const organization of organizations()) {
        const money = (await ledger.counters(organization)).filter((counter) => unitOf(counter) === 'usd');
        read.push(...latest(money));
        holds += (await ledger.holds(organization)).length;
      }
      budgets = read;
      reservations = holds;
    } catch {
      // A lost ledger must not take the metrics with it: the last figures stand.
    }
  };
  return {
    refresh,
    reconciled(differences) {
      const money = differences.filter(({ key }) => !/:(tokens|requests)(#held)?$/.test(key));
      drift_nusd = money.reduce((sum, { counted, rebuilt }) => sum + Math.abs(counted - rebuilt), 0);
    },
  };
}

export interface LedgerFigures {
  /** Reads anew what is read only when Prometheus asks. */
  refresh(): Promise<void>;
  /** Told what a reconciliation found: the drift of money counters is a metric from then on. */
  reconciled(
    differences: readonly { readonly key: string; readonly counted: number; readonly rebuilt: number }[],
  ): void;
}

/** `budget:team:research:day:2026-11-21` as labels; of a budget's windows the latest. */
function latest(counters: readonly BudgetCounter[]): readonly BudgetMeasured[] {
  const newest = new Map<string, { readonly date: string; readonly measured: BudgetMeasured }>();
  for (const { organization, key, limit, spent, held } of counters) {
    const [, kind = '', id = '', window = '', date = ''] = key.split(':');
    const budget = `${kind}:${id}:${window}`;
    if ((newest.get(budget)?.date ?? '') > date) continue;
    newest.set(budget, {
      date,
      measured: {
        organization,
        kind: kind as BudgetMeasured['kind'],
        id,
        window,
        limit_nusd: limit,
        spent_nusd: spent,
        held_nusd: held,
      },
    });
  }
  return [...newest.values()].map(({ measured }) => measured);
}
