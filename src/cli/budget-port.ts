import { ensureServerSecret } from '../callers/index.ts';
import type { Settings } from '../config.ts';
import { forecastReport, listBudgets, spendingReport } from '../gateway/budget-reports.ts';
import { configuredLimits } from '../gateway/configured-limit.ts';
import { driftView } from '../gateway/counter-view.ts';
import { openLedger } from '../gateway/open-stores.ts';
import { openLog } from '../observe/index.ts';
import type { Ledger } from '../stores/index.ts';
import { CannotRun, UsageError } from '../surfaces/cli/command.ts';
import type {
  BudgetChange,
  BudgetPort,
  BudgetRow,
  BudgetWish,
  DriftRow,
  ForecastRow,
  SpendingRow,
} from '../surfaces/cli/ports.ts';
import { adminClient } from './admin-client.ts';

/** Budgets through the running gateway, or where none runs from the data itself, which then is only read. */
export function budgetPort(settings: Settings): BudgetPort {
  const admin = adminClient(settings);
  const changed = (answer: unknown): BudgetChange => {
    if (answer !== undefined) return answer as BudgetChange;
    throw new CannotRun(`no gateway answers at ${admin.address}: a running one changes budgets, and records who did`);
  };
  return {
    async list(organization) {
      const answer = await admin.get(`/admin/v1/budgets${query({ organization })}`);
      if (answer !== undefined) return (answer as { budgets: readonly BudgetRow[] }).budgets;
      return here(
        settings,
        organization,
        (ledger, ids) => listBudgets(ledger, ids, Date.now()) as Promise<BudgetRow[]>,
      );
    },
    async reconcile(organization, repair) {
      const answer = await admin.post(`/admin/v1/budgets/reconcile${query({ organization, repair: String(repair) })}`);
      if (answer !== undefined) return (answer as { drift: readonly DriftRow[] }).drift;
      return here(settings, organization, async (ledger, ids) => {
        const rows: DriftRow[] = [];
        for (const id of ids) {
          const found = await ledger.reconcile(id, { repair });
          rows.push(...found.map((one) => ({ organization: id, ...driftView(one) })));
        }
        return rows;
      });
    },
    async spending({ organization, since, until, by }) {
      const wanted = { organization, since: instant(since), until: instant(until), by: by.join(',') };
      const answer = await admin.get(`/admin/v1/reports/spending${query(wanted)}`);
      if (answer !== undefined) return (answer as { spending: readonly SpendingRow[] }).spending;
      return here(settings, organization, async (ledger, ids) => {
        const rows = await spendingReport(ledger, ids, { since, until, by }).catch((thrown: unknown) => {
          throw thrown instanceof RangeError ? new UsageError(thrown.message) : thrown;
        });
        return rows as SpendingRow[];
      });
    },
    async forecast(organization) {
      const answer = await admin.get(`/admin/v1/reports/forecast${query({ organization })}`);
      if (answer !== undefined) return (answer as { forecast: readonly ForecastRow[] }).forecast;
      return here(settings, organization, async (ledger, ids) => {
        const secret = ensureServerSecret(settings.state.path, settings.auth.hash_secret);
        const limitOf = configuredLimits(() => settings, secret);
        return (await forecastReport(ledger, ids, Date.now(), limitOf)) as unknown as ForecastRow[];
      });
    },
    set: async ({ unit, ...wish }, limit, expires_at) =>
      changed(
        await admin.post('/admin/v1/budgets/overrides', {
          ...wish,
          [`limit_${unit}`]: limit,
          ...(expires_at === undefined ? {} : { expires_at }),
        }),
      ),
    unset: async (wish) => changed(await admin.delete(`/admin/v1/budgets/overrides${query(named(wish))}`)),
    reset: async (wish) => changed(await admin.post('/admin/v1/budgets/reset', wish)),
  };
}

function named({ rolling_hours, ...wish }: BudgetWish): Record<string, string | undefined> {
  return { ...wish, rolling_hours: rolling_hours === undefined ? undefined : String(rolling_hours) };
}

function instant(at_ms: number | undefined): string | undefined {
  return at_ms === undefined ? undefined : new Date(at_ms).toISOString();
}

function query(fields: Readonly<Record<string, string | undefined>>): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) given.set(name, value);
  return given.size === 0 ? '' : `?${given}`;
}

/** No gateway answers: the data is opened here, which its lock allows only while that is so. */
async function here<T>(
  settings: Settings,
  organization: string | undefined,
  read: (ledger: Ledger, ids: readonly string[]) => Promise<T>,
): Promise<T> {
  const known = settings.organizations.map(({ id }) => id);
  if (organization !== undefined && !known.includes(organization)) {
    throw new CannotRun(`there is no organization '${organization}' in the configuration`);
  }
  const ledger = await openLedger(settings, `cli-${process.pid}`, openLog({ level: 'silent' }), { reader: true }).catch(
    (error: Error) => {
      throw new CannotRun(`no gateway answers at its admin listener, and the data cannot be opened: ${error.message}`);
    },
  );
  try {
    return await read(ledger, organization === undefined ? known : [organization]);
  } finally {
    await ledger.close();
  }
}
