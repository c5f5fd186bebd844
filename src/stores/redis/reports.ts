import type { Budget, BudgetCounter, LedgerEntry } from '../ledger.ts';
import { budgetOfKey } from '../window-key.ts';
import type { Answer } from './answers.ts';
import type { Line } from './line.ts';
import { baseOf } from './plan.ts';
import { scripts } from './scripts.ts';

export interface Source {
  readonly line: Line;
  readonly prefix: string;
  readonly entries_max: number;
}

/** Reports and upkeep may take this long; verbs have a deadline of their own. */
export const report_ms = 5_000;
const page = 1_000;
const fold_max = 200;
const tidy_max = 100;

/** What `sums` tells of a counter. */
export interface CounterSums {
  readonly key: string;
  readonly limit: number;
  readonly counted: Sums;
  readonly folded: Omit<Sums, 'held'>;
  readonly heldByHolds: number;
}

export interface Sums {
  spent: number;
  held: number;
  requests: number;
  tokens: number;
}

/** Every counter, and what of its history is told by sums instead of entries, at one moment. */
export async function sums(
  { line, prefix }: Source,
  organization: string,
): Promise<{ readonly newest: string; readonly generation: number; readonly counters: readonly CounterSums[] }> {
  const base = baseOf(prefix, organization);
  const answer = (await line.run(scripts.sums, [`${base}counters`], [base], report_ms)) as Answer;
  const counters: CounterSums[] = [];
  for (let at = 2; at < answer.length; at += 10) {
    const [limit = 0, spent = 0, held = 0, requests = 0, tokens = 0, s = 0, r = 0, t = 0, heldByHolds = 0] = answer
      .slice(at + 1, at + 10)
      .map(Number);
    counters.push({
      key: String(answer[at]),
      limit,
      counted: { spent, held, requests, tokens },
      folded: { spent: s, requests: r, tokens: t },
      heldByHolds,
    });
  }
  return { newest: String(answer[0]), generation: Number(answer[1]), counters };
}

export async function counters(source: Source, organization: string): Promise<readonly BudgetCounter[]> {
  const all = await sums(source, organization);
  return all.counters.map(({ key, limit, counted }) => ({ key, organization, limit, ...counted }));
}

export async function holds({ line, prefix }: Source, organization: string) {
  const base = baseOf(prefix, organization);
  const answer = (await line.run(scripts.holds, [`${base}leases`], [base], report_ms)) as Answer;
  const open: { id: string; amount: { nusd: number; tokens: number }; owner: string; expires_at_ms: number }[] = [];
  for (let at = 0; at < answer.length; at += 5) {
    open.push({
      id: String(answer[at]),
      amount: { nusd: Number(answer[at + 1]), tokens: Number(answer[at + 2]) },
      owner: String(answer[at + 3]),
      expires_at_ms: Number(answer[at + 4]),
    });
  }
  return open;
}

/** An entry with what only rebuilding needs. */
export interface Step {
  readonly entry: LedgerEntry;
  readonly prior: { readonly nusd: number; readonly tokens: number } | undefined;
  readonly requests: number;
}

/** Entries up to `until` (a stream id), oldest first. */
export async function* steps({ line, prefix }: Source, organization: string, until: string): AsyncGenerator<Step> {
  const key = `${baseOf(prefix, organization)}entries`;
  for (let from = '-'; ; ) {
    const rows = (await line.call('xrange', [key, from, until, 'COUNT', page], report_ms)) as [string, string[]][];
    for (const [id, fields] of rows) yield stepOf(id, fields, organization);
    const last = rows.at(-1);
    if (last === undefined || rows.length < page) return;
    from = `(${last[0]}`;
  }
}

export async function* entries(source: Source, organization: string): AsyncGenerator<LedgerEntry> {
  for await (const { entry } of steps(source, organization, '+')) yield entry;
}

function stepOf(id: string, fields: readonly string[], organization: string): Step {
  const row: Record<string, string> = {};
  for (let at = 0; at + 1 < fields.length; at += 2) row[fields[at] ?? ''] = fields[at + 1] ?? '';
  const amount = { nusd: Number(row.nusd), tokens: Number(row.tokens) };
  const spends = row.kind === 'settled' || row.kind === 'provisional';
  const [nusd, tokens] = (row.prior ?? '').split(':').map(Number);
  const prior = nusd === undefined || tokens === undefined ? undefined : { nusd, tokens };
  const budgets = (row.budgets ?? '').split(' ').flatMap((key) => {
    const unit: Budget['unit'] | undefined = budgetOfKey(key)?.budget.unit;
    if (unit === undefined) return [];
    return [{ key, unit, amount: unit === 'requests' ? (spends ? 1 : 0) : amount[unit] }];
  });
  const entry = {
    id: row.id ?? '',
    organization,
    at_ms: Number(id.split('-')[0]),
    amount,
    estimated: row.estimated === '1',
    provisional: row.kind === 'provisional' || row.kind === 'held',
    ...(row.kind === 'reset' ? { reset: true as const } : {}),
    budgets,
  };
  return { entry, prior, requests: spends ? (prior === undefined ? 1 : 0) : -1 };
}

/** Folds entries beyond the number kept into sums, and forgets what is known of expired counters. */
export async function trim({ line, prefix, entries_max }: Source, organizations: Iterable<string>): Promise<void> {
  for (const organization of organizations) {
    const base = baseOf(prefix, organization);
    for (let folded = fold_max; folded === fold_max; ) {
      folded = Number(await line.run(scripts.fold, [`${base}entries`], [base, entries_max, fold_max], report_ms));
    }
    await line.run(scripts.tidy, [`${base}counters`], [base, tidy_max], report_ms);
  }
}
