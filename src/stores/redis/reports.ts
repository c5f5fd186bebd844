import { labelsOf } from '../labels.ts';
import type { Amount, Budget, BudgetCounter, Labels, LedgerEntry } from '../ledger.ts';
import { amountOf } from '../rate-key.ts';
import { advance, amountIn, count, counts, type Step, type Tally, tally } from '../tally.ts';
import { budgetOfKey } from '../window-key.ts';
import type { Line } from './line.ts';
import { baseOf } from './plan.ts';
import { scripts } from './scripts.ts';
import { eachOf } from './upkeep.ts';

export interface Source {
  readonly line: Line;
  readonly prefix: string;
  readonly entries_max: number;
}

/** Reports and upkeep may take this long; verbs have a deadline of their own. */
export const report_ms = 5_000;
/** Entries read at once: the event loop is held for no longer than they take to be taken apart, a few milliseconds. */
const page = 200;
const fold_max = 200;
const tidy_max = 100;

/** A counter and what it should be made of. */
export interface CounterSums {
  readonly key: string;
  /** The one in force. */
  readonly limit: number;
  readonly counted: Tally;
  /** With what is leased. */
  readonly held: number;
  readonly leased: number;
  /** What of its history is told by sums instead of entries. */
  readonly folded: Tally;
  readonly heldByHolds: number;
  /** How often it was set to zero, and how often repaired. */
  readonly resets: number;
  readonly repairs: number;
}

export interface Sums {
  readonly newest: string;
  readonly generation: number;
  /** The time as spending is counted. */
  readonly time_ms: number;
  /** Of the store that told it. */
  readonly epoch: string;
  readonly counters: readonly CounterSums[];
}

const columns = 15;

/** Every counter at one moment. */
export async function sums({ line, prefix }: Source, organization: string): Promise<Sums> {
  const base = baseOf(prefix, organization);
  const answer = (await line.run(scripts.sums, [`${base}counters`], [base], report_ms)) as (string | number)[];
  const time_ms = Number(answer[2]);
  const counters: CounterSums[] = [];
  for (let at = 4; at < answer.length; at += columns) {
    const key = String(answer[at]);
    const [limit = 0, spent = 0, held = 0, requests = 0, tokens = 0, leased = 0] = answer
      .slice(at + 1, at + 7)
      .map(Number);
    const [s = 0, r = 0, t = 0] = answer.slice(at + 8, at + 11).map(Number);
    counters.push({
      key,
      limit,
      held,
      leased,
      counted: tallyOf(key, { spent, requests, tokens }, String(answer[at + 7])),
      folded: tallyOf(key, { spent: s, requests: r, tokens: t }, String(answer[at + 11])),
      heldByHolds: Number(answer[at + 12]),
      resets: Number(answer[at + 13]),
      repairs: Number(answer[at + 14]),
    });
  }
  return { newest: String(answer[0]), generation: Number(answer[1]), time_ms, epoch: String(answer[3]), counters };
}

/** `slots` as scripts tell them: `slot:spent:requests:tokens,...`. */
function tallyOf(key: string, told: Pick<Tally, 'spent' | 'requests' | 'tokens'>, slots: string): Tally {
  const one = tally(key, budgetOfKey(key)?.budget.unit ?? 'nusd');
  if (one.rolling === undefined) return Object.assign(one, told);
  for (const part of slots === '' ? [] : slots.split(',')) {
    const [slot = 0, spent = 0, requests = 0, tokens = 0] = part.split(':').map(Number);
    const at_ms = slot * one.rolling.slot_ms;
    advance(one, at_ms);
    if (counts(one, at_ms)) count(one, spent, tokens, requests, at_ms);
  }
  return one;
}

export async function counters(source: Source, organization: string): Promise<readonly BudgetCounter[]> {
  const all = await sums(source, organization);
  return all.counters.map(({ key, limit, held, leased, counted: { spent, requests, tokens } }) => {
    const counter = { key, organization, limit, spent, held, requests, tokens };
    return leased === 0 ? counter : { ...counter, leased };
  });
}

export async function holds({ line, prefix }: Source, organization: string) {
  const base = baseOf(prefix, organization);
  const answer = (await line.run(scripts.holds, [`${base}leases`], [base], report_ms)) as (string | number)[];
  const open: { id: string; amount: Amount; owner: string; expires_at_ms: number }[] = [];
  for (let at = 0; at < answer.length; at += 6) {
    const [nusd = 0, tokens = 0, input = 0] = answer.slice(at + 1, at + 4).map(Number);
    open.push({
      id: String(answer[at]),
      amount: amountOf(nusd, tokens, input),
      owner: String(answer[at + 4]),
      expires_at_ms: Number(answer[at + 5]),
    });
  }
  return open;
}

/** Entries up to `until` (a stream id), oldest first. */
export async function* steps({ line, prefix }: Source, organization: string, until: string): AsyncGenerator<Step> {
  const key = `${baseOf(prefix, organization)}entries`;
  const said = new Said();
  for (let from = '-'; ; ) {
    const rows = (await line.call('xrange', [key, from, until, 'COUNT', page], report_ms)) as [string, string[]][];
    for (const [id, fields] of rows) yield stepOf(id, fields, organization, said);
    const last = rows.at(-1);
    if (last === undefined || rows.length < page) return;
    from = `(${last[0]}`;
  }
}

export async function* entries(source: Source, organization: string): AsyncGenerator<LedgerEntry> {
  for await (const { entry } of steps(source, organization, '+')) yield entry;
}

/** The counters of a step. */
interface Counters {
  readonly all: readonly { readonly key: string; readonly unit: Budget['unit'] }[];
  readonly forgiven: readonly string[];
}

/** What most entries of a history have in common is taken apart once. */
class Said {
  readonly #counters = new Map<string, Counters>();
  readonly #labels = new Map<string, Labels | undefined>();

  counters(text: string): Counters {
    return remembered(this.#counters, text, countersOf);
  }

  labels(text: string): Labels | undefined {
    return remembered(this.#labels, text, labelsOf);
  }
}

const said_max = 1_000;

function remembered<T>(known: Map<string, T>, text: string, read: (text: string) => T): T {
  const before = known.get(text);
  if (before !== undefined || known.has(text)) return before as T;
  if (known.size >= said_max) known.clear();
  const made = read(text);
  known.set(text, made);
  return made;
}

/** Keys with spaces between; a `!` behind one says that an estimate counted in it no more. */
function countersOf(text: string): Counters {
  const all: { key: string; unit: Budget['unit'] }[] = [];
  const forgiven: string[] = [];
  for (const word of text.split(' ')) {
    const key = word.replace('!', '');
    const unit = budgetOfKey(key)?.budget.unit;
    if (unit === undefined) continue;
    if (word.endsWith('!')) forgiven.push(key);
    all.push({ key, unit });
  }
  return { all, forgiven };
}

function stepOf(id: string, fields: readonly string[], organization: string, said: Said): Step {
  const row: Record<string, string> = {};
  for (let at = 0; at + 1 < fields.length; at += 2) row[fields[at] ?? ''] = fields[at + 1] ?? '';
  const amount = amountOf(Number(row.nusd), Number(row.tokens), Number(row.input));
  const spends = row.kind === 'settled' || row.kind === 'provisional';
  const [nusd, tokens = 0, input = 0, at_ms = 0] = (row.prior || '-').split(':').map(Number);
  const prior = nusd === undefined || Number.isNaN(nusd) ? undefined : { ...amountOf(nusd, tokens, input), at_ms };
  const moved = row.moved === undefined ? undefined : Number(row.moved);
  const { all, forgiven } = said.counters(row.budgets ?? '');
  const budgets = all.map(({ key, unit }) => ({ key, unit, amount: moved ?? (spends ? amountIn(unit, amount) : 0) }));
  const labels = said.labels(row.labels ?? '');
  const entry = {
    id: row.id ?? '',
    organization,
    at_ms: Number(row.at ?? id.split('-')[0]),
    amount,
    estimated: row.estimated === '1',
    provisional: row.kind === 'provisional' || row.kind === 'held' || row.kind === 'slice',
    ...(row.kind === 'reset' ? { reset: true as const } : {}),
    ...(labels === undefined ? {} : { labels }),
    budgets,
  };
  return { entry, prior, forgiven, spends, ...(moved === undefined ? {} : { moved }) };
}

/** Folds entries beyond the number kept into sums, and forgets what is known of expired counters. Rejects as `reapedOfAll`. */
export async function trim(source: Source, organizations: Iterable<string>): Promise<void> {
  const [failed] = await eachOf([...organizations].map((organization) => () => trimOne(source, organization)));
  if (failed !== undefined) throw failed;
}

async function trimOne({ line, prefix, entries_max }: Source, organization: string): Promise<void> {
  const base = baseOf(prefix, organization);
  for (let folded = fold_max; folded === fold_max; ) {
    folded = Number(await line.run(scripts.fold, [`${base}entries`], [base, entries_max, fold_max], report_ms));
  }
  await line.run(scripts.tidy, [`${base}counters`], [base, tidy_max], report_ms);
}
