import { instantOf } from '../instant.ts';
import { readArguments } from './arguments.ts';
import { budgetCell, counted, none } from './budget-text.ts';
import { type CommandContext, exit, UsageError } from './command.ts';
import { span } from './moment.ts';
import { shownTime } from './output.ts';
import type { BudgetChange, BudgetWish } from './ports.ts';

const units = ['usd', 'tokens', 'requests'] as const;
const whose = { organization: { type: 'string' }, unit: { type: 'string' } } as const;

/** `budgets set SCOPE WINDOW AMOUNT`: another limit. */
export async function setBudget(context: CommandContext, args: readonly string[]): Promise<number> {
  const options = { ...whose, for: { type: 'string' }, until: { type: 'string' } } as const;
  const { values, positionals } = readArguments(args, options);
  const [scope, window, amount, ...rest] = positionals;
  if (amount === undefined) throw new UsageError("'budgets set' needs a scope, a window and an amount");
  none(rest);
  const wish = wishOf(scope, window, values);
  const limit = Number(amount.replace(/^\$/, ''));
  if (!/^\$?\d+(\.\d+)?$/.test(amount))
    throw new UsageError(`the amount is a number such as 75 or 0.50, not '${amount}'`);
  const expires_at = expiry(values.for, values.until);
  const change = await (await context.ports.budgets(context.config)).set(wish, limit, expires_at);
  const until = expires_at === undefined ? 'until it is unset' : `until ${shownTime(expires_at)} UTC`;
  const before = counted(change, 'configured_limit');
  told(context, change, `${keyOf(change)}: the limit is ${counted(change, 'limit')} ${until} (configured: ${before}).`);
  return exit.fine;
}

/** `budgets unset SCOPE WINDOW`: the configured limit. */
export async function unsetBudget(context: CommandContext, args: readonly string[]): Promise<number> {
  const wish = named('unset', args);
  const change = await (await context.ports.budgets(context.config)).unset(wish);
  told(context, change, `${wish.scope} ${wish.window}: the configured limit is in force again.`);
  return exit.fine;
}

/** `budgets reset SCOPE WINDOW`: nothing is spent any more. */
export async function resetBudget(context: CommandContext, args: readonly string[]): Promise<number> {
  const change = await (await context.ports.budgets(context.config)).reset(named('reset', args));
  const before = typeof change.before === 'object' && change.before !== null ? change.before : {};
  told(context, change, `${keyOf(change)}: nothing is spent any more (it was ${counted(before, 'spent')}).`);
  return exit.fine;
}

function named(verb: string, args: readonly string[]): BudgetWish {
  const { values, positionals } = readArguments(args, whose);
  const [scope, window, ...rest] = positionals;
  if (window === undefined) throw new UsageError(`'budgets ${verb}' needs a scope and a window`);
  none(rest);
  return wishOf(scope, window, values);
}

function wishOf(
  scope = '',
  window = '',
  { organization, unit = 'usd' }: { readonly organization?: string | undefined; readonly unit?: string | undefined },
): BudgetWish {
  const counts = units.find((one) => one === unit);
  if (counts === undefined) throw new UsageError(`--unit is ${units.join(', ')}, not '${unit}'`);
  const hours = /^(\d+)h$/.exec(window)?.[1];
  return {
    scope,
    ...(hours === undefined ? { window } : { window: 'rolling', rolling_hours: Number(hours) }),
    unit: counts,
    ...(organization === undefined ? {} : { organization }),
  };
}

function expiry(lasting: string | undefined, until: string | undefined): string | undefined {
  if (lasting !== undefined && until !== undefined) throw new UsageError('--for and --until say the same: give one');
  if (lasting !== undefined) {
    const ms = span(lasting);
    if (ms === undefined || ms === 0) throw new UsageError(`--for is how long (30m, 2h, 7d), not '${lasting}'`);
    return new Date(Date.now() + ms).toISOString();
  }
  if (until === undefined) return undefined;
  const at = instantOf(until);
  if (at === undefined) throw new UsageError(`--until is a time (2026-11-21T09:00:00Z), not '${until}'`);
  return new Date(at).toISOString();
}

function keyOf({ key }: BudgetChange): string {
  return budgetCell({ key: String(key) });
}

function told({ json, out }: CommandContext, change: BudgetChange, text: string): void {
  if (json) out.json(change);
  else out.print(text);
}
