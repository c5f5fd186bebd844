import type { Settings } from '../config.ts';
import { counterView, driftView } from '../gateway/counter-view.ts';
import { openLedger } from '../gateway/open-stores.ts';
import { openLog } from '../observe/index.ts';
import { CannotRun } from '../surfaces/cli/command.ts';
import type { BudgetPort, BudgetRow, DriftRow } from '../surfaces/cli/ports.ts';
import { adminClient } from './admin-client.ts';

/** Budgets through the running gateway, or from the data itself where none runs. */
export function budgetPort(settings: Settings): BudgetPort {
  const admin = adminClient(settings);
  const query = (organization: string | undefined, rest = ''): string =>
    `?${organization === undefined ? '' : `organization=${encodeURIComponent(organization)}&`}${rest}`;
  return {
    async list(organization) {
      const answer = await admin.get(`/admin/v1/budgets${query(organization)}`);
      if (answer !== undefined) return (answer as { budgets: readonly BudgetRow[] }).budgets;
      return here(settings, organization, async (ledger, id) => (await ledger.counters(id)).map(counterView));
    },
    async reconcile(organization, repair) {
      const answer = await admin.post(`/admin/v1/budgets/reconcile${query(organization, `repair=${repair}`)}`);
      if (answer !== undefined) return (answer as { drift: readonly DriftRow[] }).drift;
      return here(settings, organization, async (ledger, id) =>
        (await ledger.reconcile(id, { repair })).map((one) => ({ organization: id, ...driftView(one) })),
      );
    },
  };
}

/** No gateway answers: the data is opened here, which its lock allows only while that is so. */
async function here<T>(
  settings: Settings,
  organization: string | undefined,
  read: (ledger: Awaited<ReturnType<typeof openLedger>>, id: string) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const known = settings.organizations.map(({ id }) => id);
  if (organization !== undefined && !known.includes(organization)) {
    throw new CannotRun(`there is no organization '${organization}' in the configuration`);
  }
  const ids = organization === undefined ? known : [organization];
  const ledger = await openLedger(settings, `cli-${process.pid}`, openLog({ level: 'silent' }), { reader: true }).catch(
    (error: Error) => {
      throw new CannotRun(`no gateway answers at its admin listener, and the data cannot be opened: ${error.message}`);
    },
  );
  try {
    const rows: T[] = [];
    for (const id of ids) rows.push(...(await read(ledger, id)));
    return rows;
  } finally {
    await ledger.close();
  }
}
