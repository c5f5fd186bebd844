import { decide } from './decide.ts';
import type { Decision } from './decision.ts';
import { factOf } from './facts.ts';
import { reader } from './leaf.ts';
import { inside, type Program } from './program.ts';
import {
  isUnrecorded,
  type Recorded,
  type RecordedDecision,
  type RecordedExchange,
  recordedBy,
  replayedFacts,
} from './replay.ts';
import type { FactTree } from './unable.ts';

export interface SimulateOptions {
  /** Programs that records name, where they are at hand: what those did not record was missing. */
  readonly programs?: readonly Program[];
  /** What a call would have cost with another model, in nano-dollars; undefined where the price is not known. */
  readonly costWith?: (model: string, record: RecordedExchange) => number | undefined;
  /** Facts of exchanges that are told beside their records: with what modules say (`tellRecorded`). */
  readonly told?: ReadonlyMap<RecordedExchange, FactTree>;
  /** Exchanges named for each change. Default 5. */
  readonly examples?: number;
}

/** Calls whose outcome would change in the same way, by the same rule. */
export interface OutcomeChange {
  readonly from: string;
  readonly to: string;
  /** The rule that decides now; `(default)` where none does. */
  readonly rule: string;
  /** The rules that decided then. */
  readonly was: readonly string[];
  readonly count: number;
  /** Cost of calls that would not have been made, or made with a cheaper model. */
  readonly saved_usd: number;
  /** Cost of calls that would have been made besides (by their estimates), or made with a dearer model. */
  readonly added_usd: number;
  /** Calls whose cost cannot be told. */
  readonly unpriced: number;
  readonly exchanges: readonly string[];
}

export interface SimulationReport {
  readonly program: string;
  /** Exchanges that were decided on when they were recorded, and so again. */
  readonly exchanges: number;
  readonly same: number;
  readonly changed: number;
  /** Exchanges whose outcome hinges on facts that were not recorded. */
  readonly unknown: number;
  /** Those facts, and for how many exchanges each was missed. */
  readonly unrecorded: Readonly<Record<string, number>>;
  /** Records that hold no decision. */
  readonly skipped: number;
  /** The most frequent first. */
  readonly changes: readonly OutcomeChange[];
  readonly saved_usd: number;
  readonly added_usd: number;
  readonly unpriced: number;
}

type Tally = { -readonly [K in keyof OutcomeChange]: OutcomeChange[K] } & { exchanges: string[] };

/**
 * Decides recorded exchanges again, by another program and on the facts of the time, and tells whose outcome would have
 * been another. What hinges on a fact the records do not tell is counted as unknown, not guessed. Calls of which a model
 * was substituted are decided for the model they went to.
 */
export function simulate(
  program: Program,
  records: Iterable<RecordedExchange>,
  options: SimulateOptions = {},
): SimulationReport {
  const list = [...records];
  const recorded = recordedBy(list, options.programs);
  const changes = new Map<string, Tally>();
  const unrecorded = new Map<string, number>();
  let [exchanges, unknown, changed] = [0, 0, 0];
  for (const record of list) {
    const before = record.kind === undefined ? record.decision.request : undefined;
    if (before === undefined) continue;
    exchanges++;
    const { decision, hinges } = replayed(program, record, recorded, options.told?.get(record));
    if (hinges.length > 0) {
      unknown++;
      for (const name of hinges) unrecorded.set(name, (unrecorded.get(name) ?? 0) + 1);
      continue;
    }
    const [from, to] = [recordedOutcome(before), outcomeOf(decision)];
    if (from === to) continue;
    changed++;
    note(changes, from, to, decision, record, before, options);
  }
  const found = [...changes.values()].sort((a, b) => b.count - a.count || (a.rule < b.rule ? -1 : 1));
  const sum = (of: (change: OutcomeChange) => number) => found.reduce((total, change) => total + of(change), 0);
  return {
    program: program.id,
    exchanges,
    same: exchanges - unknown - changed,
    changed,
    unknown,
    unrecorded: Object.fromEntries([...unrecorded].sort((a, b) => b[1] - a[1])),
    skipped: list.length - exchanges,
    changes: found.map((change) => ({ ...change, saved_usd: usd(change.saved_usd), added_usd: usd(change.added_usd) })),
    saved_usd: usd(sum(({ saved_usd }) => saved_usd)),
    added_usd: usd(sum(({ added_usd }) => added_usd)),
    unpriced: sum(({ unpriced }) => unpriced),
  };
}

// Money is added up in whole nano-dollars.
const usd = (nusd: number) => nusd / 1e9;

/** What a program decides on a record, and the facts that are not recorded and could make it another decision. */
export function replayed(
  program: Program,
  record: RecordedExchange,
  recorded: Recorded,
  told?: FactTree,
): { readonly facts: FactTree; readonly decision: Decision; readonly hinges: readonly string[] } {
  const facts = told ?? replayedFacts(program, record, recorded);
  const decision = decide(program, 'request', facts);
  const watched = new Set(decision.shadowed.map(({ rule }) => rule));
  const doubts = decision.unable.filter(({ rule, fact: name }) => {
    const fact = factOf(name);
    return !watched.has(rule) && (fact === undefined || isUnrecorded(reader(fact)(facts)));
  });
  return { facts, decision, hinges: certain(program, decision) ? [] : [...new Set(doubts.map(({ fact }) => fact))] };
}

/** A deny that matched stands whatever the undecided rules would have said, unless one of them could end the evaluation. */
function certain(program: Program, { decision, determining, matchedRules }: Decision): boolean {
  if (decision !== 'deny' || inside(program).tables.request.rules.some(({ final }) => final)) return false;
  return determining.some((rule) => matchedRules.includes(rule));
}

function outcomeOf({ decision, obligations }: Decision): string {
  return decision === 'deny'
    ? decision
    : outcomeText(
        decision,
        obligations.map(({ type }) => type),
      );
}

// Substitutions that led to the model the decision is about are told with it; their rules are not of this decision.
function recordedOutcome({ decision, obligations, rules }: RecordedDecision): string {
  if (decision === 'deny') return decision;
  const own = obligations.flatMap((text) => {
    const [, type = text, rule = ''] = /^(\w+) \((.*)\)$/s.exec(text) ?? [];
    return rules.includes(rule) ? [type] : [];
  });
  return outcomeText(decision, own);
}

function outcomeText(decision: string, types: readonly string[]): string {
  const kinds = [...new Set(types)].sort();
  return kinds.length === 0 ? decision : `${decision} (${kinds.join(', ')})`;
}

function note(
  changes: Map<string, Tally>,
  from: string,
  to: string,
  decision: Decision,
  record: RecordedExchange,
  before: RecordedDecision,
  { costWith, examples = 5 }: SimulateOptions,
): void {
  const rule = decision.determining[0] ?? '(default)';
  const key = JSON.stringify([from, to, rule, before.rules]);
  let tally = changes.get(key);
  if (tally === undefined) {
    tally = { from, to, rule, was: before.rules, count: 0, saved_usd: 0, added_usd: 0, unpriced: 0, exchanges: [] };
    changes.set(key, tally);
  }
  tally.count++;
  if (tally.exchanges.length < examples) tally.exchanges.push(record.exchange);
  const difference = costDifference(decision, record, before, costWith);
  if (difference === undefined) tally.unpriced++;
  else if (difference < 0) tally.saved_usd -= difference;
  else tally.added_usd += difference;
}

/** Nano-dollars more; undefined where nobody can tell. */
function costDifference(
  decision: Decision,
  record: RecordedExchange,
  before: RecordedDecision,
  costWith: SimulateOptions['costWith'],
): number | undefined {
  if (!decision.allowed) return before.decision === 'deny' ? 0 : -record.cost_nusd;
  if (before.decision === 'deny') {
    const estimate = record.facts['llm.estimatedCost'];
    return typeof estimate === 'number' ? Math.round(estimate * 1e9) : undefined;
  }
  const model = decision.modifications.substituteModel;
  if (model === undefined || model === record.model_used) return 0;
  const cost = costWith?.(model, record);
  return cost === undefined ? undefined : cost - record.cost_nusd;
}
