import { alertPrefix } from '../pipeline/budget-alerts.ts';
import type { LedgerEntry } from '../stores/index.ts';

/** What spending can be told by. Days and months are UTC's. */
export const dimensions = [
  'organization',
  'team',
  'project',
  'user',
  'key',
  'model',
  'provider',
  'tag',
  'day',
  'month',
] as const;
export type Dimension = (typeof dimensions)[number];

/** Of entries that were written before they said whom they are for. */
const unknown = '(unknown)';
/** Of calls that had none: no user, no project, no tag. */
const nobody = '(none)';

/** Sums of one group. Nano-dollars are exact. */
export interface SpendingRow {
  readonly group: readonly string[];
  requests: number;
  input_tokens: number;
  output_tokens: number;
  nusd: bigint;
  /** The part of it that we counted and no provider told. */
  estimated_nusd: bigint;
}

export interface SpendingWish {
  readonly by: readonly Dimension[];
  /** Unix ms; from the one on and before the other. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/**
 * Entries summed by who and what they were for, the dearest group first. A call with several tags counts under each, so
 * sums by tag can exceed the whole. What replaces the reaper's estimate takes its place, whichever of the two is asked for.
 */
export async function spendingBy(
  entries: AsyncIterable<LedgerEntry>,
  { by, since = 0, until = Number.POSITIVE_INFINITY }: SpendingWish,
): Promise<readonly SpendingRow[]> {
  const rows = new Map<string, SpendingRow>();
  const estimates = new Map<string, LedgerEntry>();
  const add = (entry: LedgerEntry, sign: 1 | -1): void => {
    if (entry.at_ms < since || entry.at_ms >= until) return;
    for (const group of groupsOf(entry, by)) {
      const key = JSON.stringify(group);
      const row = rows.get(key) ?? {
        group,
        requests: 0,
        input_tokens: 0,
        output_tokens: 0,
        nusd: 0n,
        estimated_nusd: 0n,
      };
      rows.set(key, row);
      const { nusd, tokens, input = 0 } = entry.amount;
      const amount = BigInt(nusd) * BigInt(sign);
      row.nusd += amount;
      if (entry.estimated) row.estimated_nusd += amount;
      row.input_tokens += sign * input;
      row.output_tokens += sign * (tokens - input);
      row.requests += sign * requestsOf(entry);
    }
  };
  for await (const entry of entries) {
    if (entry.reset === true || entry.id.startsWith(alertPrefix)) continue;
    const estimate = estimates.get(entry.id);
    if (estimate !== undefined) {
      add(estimate, -1);
      estimates.delete(entry.id);
    }
    add(entry, 1);
    if (entry.provisional) estimates.set(entry.id, entry);
  }
  const told = [...rows.values()].filter((row) => row.requests !== 0 || row.nusd !== 0n || row.output_tokens !== 0);
  return told.sort((a, b) =>
    a.nusd === b.nusd ? (a.group.join() < b.group.join() ? -1 : 1) : a.nusd < b.nusd ? 1 : -1,
  );
}

/** An estimate that was taken back because its owner lives says zero, and is no request. */
function requestsOf({ provisional, amount }: LedgerEntry): number {
  return provisional && amount.nusd === 0 && amount.tokens === 0 ? 0 : 1;
}

function groupsOf(entry: LedgerEntry, by: readonly Dimension[]): readonly (readonly string[])[] {
  let groups: readonly (readonly string[])[] = [[]];
  for (const dimension of by) {
    const values = valuesOf(entry, dimension);
    groups = groups.flatMap((group) => values.map((value) => [...group, value]));
  }
  return groups;
}

function valuesOf({ organization, at_ms, labels }: LedgerEntry, dimension: Dimension): readonly string[] {
  switch (dimension) {
    case 'organization':
      return [organization];
    case 'day':
      return [new Date(at_ms).toISOString().slice(0, 10)];
    case 'month':
      return [new Date(at_ms).toISOString().slice(0, 7)];
    case 'tag':
      if (labels === undefined) return [unknown];
      return labels.tags === undefined ? [nobody] : labels.tags.split(',');
    default:
      return [labels?.[dimension] ?? (labels === undefined ? unknown : nobody)];
  }
}

/** Dollars of nano-dollars, every digit of them. */
export function exactUsd(nano: bigint): string {
  const sign = nano < 0n ? '-' : '';
  const digits = String(nano < 0n ? -nano : nano).padStart(10, '0');
  const cents = digits.slice(-9).replace(/0+$/, '').padEnd(2, '0');
  return `${sign}${digits.slice(0, -9)}.${cents}`;
}

/** Rows as JSON has them: dollars as numbers, and exactly as text. */
export function spendingView(row: SpendingRow, by: readonly Dimension[]): Record<string, unknown> {
  return {
    ...Object.fromEntries(by.map((dimension, index) => [dimension, row.group[index]])),
    requests: row.requests,
    input_tokens: row.input_tokens,
    output_tokens: row.output_tokens,
    cost_usd: Number(row.nusd) / 1e9,
    cost_usd_exact: exactUsd(row.nusd),
    estimated_usd: Number(row.estimated_nusd) / 1e9,
    estimated_usd_exact: exactUsd(row.estimated_nusd),
  };
}
