import { UsageError } from './command.ts';
import { shownTime } from './output.ts';
import type { BudgetRow } from './ports.ts';

interface Row {
  readonly organization: string;
  readonly key: string;
}

/** A budget in a table, its names as people write them. */
export function budgetCell({ key }: Pick<Row, 'key'>): string {
  const text = key.replace(/^budget:/, '');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** When its window turns. */
export function resetCell({ key, resets_at }: { readonly key: string; readonly resets_at: string | null }): string {
  if (resets_at !== null) return shownTime(resets_at);
  return key.includes(':rolling:') ? 'rolls' : 'never';
}

/** How long another limit than the configured one is in force; nothing where none is. */
export function overrideCell({ override }: Pick<BudgetRow, 'override'>): string {
  if (override === undefined) return '';
  return override.expires_at === null ? 'until unset' : `until ${shownTime(override.expires_at)}`;
}

export function byKey(a: Row, b: Row): number {
  return a.organization === b.organization ? (a.key < b.key ? -1 : 1) : a.organization < b.organization ? -1 : 1;
}

/** The amount a row has under a name, in whichever unit it has it: dollars are shown as such. */
export function counted(row: object, name: string): string {
  const amounts = row as Readonly<Record<string, unknown>>;
  const dollars = amounts[`${name}_usd`];
  if (typeof dollars === 'number') return usd(dollars);
  const plain = amounts[`${name}_tokens`] ?? amounts[`${name}_requests`] ?? 0;
  return typeof plain === 'number' ? String(Math.round(plain * 100) / 100) : '-';
}

/** At least cents; small amounts with as many decimals as they have. */
export function usd(amount: number): string {
  const [whole = '0', cents = ''] = amount.toFixed(9).replace(/0+$/, '').split('.');
  return `$${whole}.${cents.padEnd(2, '0')}`;
}

/** Throws `UsageError` for what stands on the line and means nothing. */
export function none(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new UsageError(`unexpected '${positionals[0]}'`);
}
