import { readArguments } from './arguments.ts';
import { resetBudget, setBudget, unsetBudget } from './budget-changes.ts';
import { exportSpending, forecastBudgets } from './budget-reports.ts';
import { budgetCell, byKey, counted, none, overrideCell, resetCell } from './budget-text.ts';
import { type Command, type CommandContext, exit } from './command.ts';
import { unlessAllSame } from './output.ts';
import type { BudgetRow } from './ports.ts';
import { noSuchVerb } from './verbs.ts';

const verbs = {
  list,
  set: setBudget,
  unset: unsetBudget,
  reset: resetBudget,
  export: exportSpending,
  forecast: forecastBudgets,
  reconcile,
} as const satisfies Record<string, (context: CommandContext, args: readonly string[]) => Promise<number>>;

export const budgets: Command = {
  name: 'budgets',
  summary: 'List, raise and reset budgets, report what was spent, and prove that counters agree with the entries',
  usage: `  llm-policy budgets list [--all] [--organization ID]
  llm-policy budgets set SCOPE WINDOW AMOUNT [--unit usd|tokens|requests] [--for 2h | --until TIME] [--organization ID]
  llm-policy budgets unset SCOPE WINDOW [--unit U] [--organization ID]
  llm-policy budgets reset SCOPE WINDOW [--unit U] [--organization ID]
  llm-policy budgets export [--since T] [--until T] [--by a,b] [--format csv|json] [--organization ID]
  llm-policy budgets forecast [--organization ID]
  llm-policy budgets reconcile [--organization ID] [--repair]

  list       budgets of the running windows: limit in force, spent, held by running calls; --all of every window kept
  set        another limit, from the next call on and everywhere, until it expires or is taken back
  unset      the configured limit again
  reset      nothing is spent any more in the running window; what is held stays
  export     what was spent by organization, team, project, user, key, model, provider, tag, day or month (default team)
  forecast   when each budget will be spent, if it goes on as in its window so far
  reconcile  rebuilds the counters from the ledger's entries and open holds and tells where they differ
  --repair   writes the rebuilt counters

  SCOPE           organization:acme, team:research, user:research/jane, project:apollo, key:ID, model:PATTERN, tag:PATTERN
  WINDOW          minute, hour, day, week, month, total, or the hours of a rolling one: 24h
  --unit          what the budget counts (default usd)
  --for           how long: 30m, 2h, 7d
  --since         RFC 3339, or how long ago: 12h, 30d

  A running gateway is asked through its admin listener; without one the data is opened here, and limits are not changed.
  reconcile exits 1 where a counter differs and was not repaired.`,
  async run(context) {
    const [verb, ...args] = context.args;
    if (verb === undefined || !Object.hasOwn(verbs, verb)) throw noSuchVerb('budgets', verb, Object.keys(verbs));
    return await verbs[verb as keyof typeof verbs](context, args);
  },
};

async function list({ config, json, out, ports }: CommandContext, args: readonly string[]): Promise<number> {
  const options = { organization: { type: 'string' }, all: { type: 'boolean' } } as const;
  const { values, positionals } = readArguments(args, options);
  none(positionals);
  const all = await (await ports.budgets(config)).list(values.organization);
  const now = Date.now();
  const rows =
    values.all === true ? all : all.filter(({ resets_at }) => resets_at === null || Date.parse(resets_at) > now);
  if (json) out.json({ budgets: rows });
  else if (rows.length === 0)
    out.print(
      all.length === 0
        ? 'Nothing was counted yet.'
        : 'Nothing was counted in the running windows; --all lists the others.',
    );
  else {
    const organization = unlessAllSame(rows, (row) => row.organization);
    out.table(
      ['organization', 'budget', 'limit', 'spent', 'held', 'used', 'resets (utc)', 'override', 'requests', 'tokens'],
      [...rows].sort(byKey).map((row) => [organization(row), ...cells(row)]),
    );
  }
  return exit.fine;
}

function cells(row: BudgetRow): string[] {
  return [
    budgetCell(row),
    counted(row, 'limit'),
    counted(row, 'spent'),
    counted(row, 'held'),
    `${row.used_percent.toFixed(1)} %`,
    resetCell(row),
    overrideCell(row),
    String(row.requests),
    String(row.tokens),
  ];
}

async function reconcile({ config, json, out, ports }: CommandContext, args: readonly string[]): Promise<number> {
  const options = { organization: { type: 'string' }, repair: { type: 'boolean' } } as const;
  const { values, positionals } = readArguments(args, options);
  none(positionals);
  const repair = values.repair === true;
  const drift = await (await ports.budgets(config)).reconcile(values.organization, repair);
  if (json) out.json({ drift, repaired: repair });
  else if (drift.length === 0) out.print('Every counter agrees with the entries.');
  else {
    const organization = unlessAllSame(drift, (row) => row.organization);
    out.table(
      ['organization', 'budget', 'what', 'counted', 'rebuilt'],
      drift.map((one) => [
        organization(one),
        budgetCell(one),
        one.what,
        counted(one, 'counted'),
        counted(one, 'rebuilt'),
      ]),
    );
    out.print(repair ? 'The rebuilt counters were written.' : 'Nothing was changed; --repair writes the rebuilt ones.');
  }
  return drift.length === 0 || repair ? exit.fine : exit.found;
}
