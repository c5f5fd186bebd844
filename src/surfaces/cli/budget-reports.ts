import { spendingCsv } from '../spending-csv.ts';
import { list, readArguments } from './arguments.ts';
import { budgetCell, counted, none, overrideCell, resetCell } from './budget-text.ts';
import { type CommandContext, exit, UsageError } from './command.ts';
import { moment } from './moment.ts';
import { shownTime, unlessAllSame } from './output.ts';

/** `budgets export`: what was spent, and by whom. */
export async function exportSpending(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, {
    organization: { type: 'string' },
    since: { type: 'string' },
    until: { type: 'string' },
    by: { type: 'string' },
    format: { type: 'string' },
  } as const);
  none(positionals);
  const { format } = values;
  if (format !== undefined && format !== 'csv' && format !== 'json') {
    throw new UsageError(`--format is csv or json, not '${format}'`);
  }
  const by = list(values.by) ?? ['team'];
  const rows = await (await context.ports.budgets(context.config)).spending({
    organization: values.organization,
    since: moment('since', values.since),
    until: moment('until', values.until),
    by,
  });
  const { out } = context;
  if (context.json || format === 'json') out.json({ spending: rows });
  else if (format === 'csv') out.print(spendingCsv(rows, by));
  else if (rows.length === 0) out.print('Nothing was spent.');
  else {
    out.table(
      [...by, 'requests', 'input tokens', 'output tokens', 'cost'],
      rows.map((row) => [
        ...by.map((name) => String(row[name])),
        ...[row.requests, row.input_tokens, row.output_tokens].map(String),
        `$${row.cost_usd_exact}`,
      ]),
    );
  }
  return exit.fine;
}

/** `budgets forecast`: when budgets will be spent. */
export async function forecastBudgets(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { organization: { type: 'string' } } as const);
  none(positionals);
  const { out } = context;
  const rows = await (await context.ports.budgets(context.config)).forecast(values.organization);
  if (context.json) out.json({ forecast: rows });
  else if (rows.length === 0) out.print('Nothing was counted in the running windows.');
  else {
    const organization = unlessAllSame(rows, (row) => row.organization);
    out.table(
      ['organization', 'budget', 'limit', 'spent', 'an hour', 'spent at (utc)', 'resets (utc)', 'override'],
      rows.map((row) => [
        organization(row),
        budgetCell(row),
        counted(row, 'limit'),
        counted(row, 'spent'),
        counted(row, 'per_hour'),
        row.spent_at === null ? 'not in this window' : shownTime(row.spent_at),
        resetCell(row),
        overrideCell(row),
      ]),
    );
  }
  return exit.fine;
}
