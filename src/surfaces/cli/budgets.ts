import { readArguments } from './arguments.ts';
import { CannotRun, type Command, type CommandContext, exit, UsageError } from './command.ts';
import { unlessAllSame } from './output.ts';
import type { BudgetRow } from './ports.ts';

export const budgets: Command = {
  name: 'budgets',
  summary: 'List budgets, and prove that their counters agree with the entries',
  usage: `  llm-policy budgets list [--organization ID]
  llm-policy budgets reconcile [--organization ID] [--repair]

  list       every counter of every window kept: limit, spent, held by running calls
  reconcile  rebuilds the counters from the ledger's entries and open holds and tells where they differ
  --repair   writes the rebuilt counters

  A running gateway is asked through its admin listener; without one the data is opened here. reconcile exits 1 where
  a counter differs and was not repaired. 'budgets set' and 'budgets reset' are not supported yet.`,
  async run(context) {
    const [verb, ...args] = context.args;
    switch (verb) {
      case 'list':
        return await list(context, args);
      case 'reconcile':
        return await reconcile(context, args);
      case 'set':
      case 'reset':
        throw new CannotRun(`'budgets ${verb}' is not supported yet`);
      default:
        throw new UsageError("say 'budgets list' or 'budgets reconcile'");
    }
  },
};

async function list({ config, json, out, ports }: CommandContext, args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { organization: { type: 'string' } } as const);
  none(positionals);
  const rows = await (await ports.budgets(config)).list(values.organization);
  if (json) out.json({ budgets: rows });
  else if (rows.length === 0) out.print('Nothing was counted yet.');
  else {
    const organization = unlessAllSame(rows, (row) => row.organization);
    out.table(
      ['organization', 'budget', 'limit', 'spent', 'held', 'requests', 'tokens'],
      [...rows].sort(byKey).map((row) => [organization(row), ...cells(row)]),
    );
  }
  return exit.fine;
}

function byKey(a: BudgetRow, b: BudgetRow): number {
  return a.organization === b.organization ? (a.key < b.key ? -1 : 1) : a.organization < b.organization ? -1 : 1;
}

function cells(row: BudgetRow): string[] {
  return [
    row.key.replace(/^budget:/, ''),
    amount(row.limit_usd, row.limit_tokens ?? row.limit_requests),
    amount(row.spent_usd, row.spent_tokens ?? row.spent_requests),
    amount(row.held_usd, row.held_tokens ?? row.held_requests),
    String(row.requests),
    String(row.tokens),
  ];
}

function amount(dollars: number | undefined, counted: number | undefined): string {
  return dollars === undefined ? String(counted ?? 0) : usd(dollars);
}

/** At least cents; small amounts with as many decimals as they have. */
function usd(amount: number): string {
  const [whole = '0', cents = ''] = amount.toFixed(9).replace(/0+$/, '').split('.');
  return `$${whole}.${cents.padEnd(2, '0')}`;
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
        one.key.replace(/^budget:/, ''),
        one.what,
        amount(one.counted_usd, one.counted_tokens ?? one.counted_requests),
        amount(one.rebuilt_usd, one.rebuilt_tokens ?? one.rebuilt_requests),
      ]),
    );
    out.print(repair ? 'The rebuilt counters were written.' : 'Nothing was changed; --repair writes the rebuilt ones.');
  }
  return drift.length === 0 || repair ? exit.fine : exit.found;
}

function none(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new UsageError(`unexpected '${positionals[0]}'`);
}
