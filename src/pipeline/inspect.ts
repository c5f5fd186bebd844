import type { Finding, Measured, Passage } from '../exchange/index.ts';
import { type FactTree, type Told, Unable, withVerdicts } from '../policy/index.ts';
import { railByName } from '../rails/index.ts';
import { enrich } from './accept.ts';
import { factsFor, figuresFor } from './decide.ts';
import { promptPassages, requestFacts, unsettledFacts, wants } from './facts.ts';
import { budgetFacts, type MoneyOfModels, moneyOfModels, usageFacts } from './money-facts.ts';
import type { Read } from './read.ts';
import type { Walk } from './walk.ts';

type Needs = ReturnType<Read['pinned']['program']['needs']>;

/** A finding with the passage it stands in. */
export interface FoundIn {
  readonly passage: Passage;
  readonly finding: Finding;
}

/** What one rail said of the request as a whole. */
export interface RailOutcome {
  readonly rail: string;
  readonly outcome: 'findings' | 'clear' | 'unable';
  readonly reason: string | undefined;
}

/** A request measured: the facts its program needs, and no others. */
export interface Inspected extends Read {
  /** All facts but `llm.*`, which belong to a candidate. */
  readonly facts: FactTree;
  readonly wanted: ReadonlySet<string>;
  /** Budgets and usage of the candidates, where rules read them. */
  readonly ofModels: MoneyOfModels | undefined;
  readonly found: readonly FoundIn[];
  readonly railOutcomes: readonly RailOutcome[];
  /** UTF-16 units of text that rails looked at. */
  readonly scanned: number;
  /** Every module that was asked had said the same of the same inputs before. */
  readonly cached: boolean;
}

/** Characters measured before the event loop gets a turn: a huge prompt must not stall the other exchanges. */
const sliceCharacters = 65_536;

/** Runs just the rails and reads just the figures that the program's request rules need. */
export function inspect(walk: Walk, read: Read): Inspected | Promise<Inspected> {
  const needs = read.pinned.program.needs('request');
  const facts = requestFacts(read, needs.facts) as Record<string, unknown>;
  const measuring = needs.rails.size === 0 ? unmeasured : measure(walk, read, needs);
  if (measuring instanceof Promise) return measuring.then((measured) => inform(walk, read, needs, facts, measured));
  return inform(walk, read, needs, facts, measuring);
}

/** What the rails found. */
interface MeasuredRails {
  readonly rails: Record<string, unknown> | undefined;
  readonly found: readonly FoundIn[];
  readonly railOutcomes: readonly RailOutcome[];
  readonly scanned: number;
}

const unmeasured: MeasuredRails = Object.freeze({
  rails: undefined,
  found: Object.freeze([]),
  railOutcomes: Object.freeze([]),
  scanned: 0,
});

/** Short texts are measured at once, without a promise; long ones in slices, with turns of the event loop between them. */
function measure(walk: Walk, read: Read, needs: Needs): MeasuredRails | Promise<MeasuredRails> {
  let scanned = 0;
  for (const passage of read.view.passages) scanned += passage.text.length;
  const measured = { rails: {}, found: [], railOutcomes: [], scanned };
  if (scanned > sliceCharacters) return measureLong(walk, read, needs, measured);
  for (const [name, types] of needs.rails) {
    const started = walk.monotonic();
    const fact = measureAll(name, wantedTypes(types), read.view.passages, measured.found);
    keep(walk, read, needs, measured, name, fact, started);
  }
  return measured;
}

interface Measuring extends MeasuredRails {
  readonly rails: Record<string, unknown>;
  readonly found: FoundIn[];
  readonly railOutcomes: RailOutcome[];
}

async function measureLong(walk: Walk, read: Read, needs: Needs, measured: Measuring): Promise<MeasuredRails> {
  for (const [name, types] of needs.rails) {
    const started = walk.monotonic();
    const fact = await measureInSlices(name, wantedTypes(types), read.view.passages, measured.found);
    keep(walk, read, needs, measured, name, fact, started);
  }
  return measured;
}

/** One rail is done. */
function keep(
  walk: Walk,
  read: Read,
  needs: Needs,
  { rails, found, railOutcomes }: Measuring,
  name: string,
  fact: RailFact | Unable,
  started: number,
): void {
  rails[name] = needs.facts.has(`rails.${name}.redacted`) ? withRedacted(fact, read, name, found) : fact;
  railOutcomes.push(outcomeOf(name, fact));
  walk.metrics.rail(name, (walk.monotonic() - started) / 1000);
}

/** The facts with what was measured; a promise only where figures are to be read, or modules asked. */
function inform(
  walk: Walk,
  read: Read,
  needs: Needs,
  facts: Record<string, unknown>,
  { rails, found, railOutcomes, scanned }: MeasuredRails,
): Inspected | Promise<Inspected> {
  facts.rails = rails;
  const more = { facts: facts as FactTree, wanted: needs.facts, found, railOutcomes, scanned };
  const inspected = enrich(read, { ...more, ofModels: undefined, cached: false });
  const { budget, usage } = wants(needs.facts);
  if (!budget && !usage && read.pinned.modules === undefined) return inspected;
  return figured(walk, inspected, facts, budget, usage);
}

async function figured(
  walk: Walk,
  inspected: Inspected,
  facts: Record<string, unknown>,
  budget: boolean,
  usage: boolean,
): Promise<Inspected> {
  const { wanted, candidates } = inspected;
  if (budget) facts.budget = await budgetFacts(walk, inspected, wanted);
  if (usage) facts.usage = await usageFacts(walk, inspected, wanted);
  const ofModels = budget || usage ? await moneyOfModels(walk, inspected, candidates, wanted) : undefined;
  const known = enrich(inspected, { ofModels });
  const told = tellModules(walk, known);
  if (told === undefined) return known;
  const { facts: all, asked, hits } = told instanceof Promise ? await told : told;
  // What is of a candidate is found anew for each.
  const { budget: money, usage: used } = known.facts;
  return enrich(known, {
    facts: { ...all, llm: undefined, budget: money, usage: used },
    cached: asked > 0 && hits === asked,
  });
}

/** What modules of rules say. They are given the facts of the first candidate, and are not asked again for another. */
function tellModules(walk: Walk, inspected: Inspected): Told | Promise<Told> | undefined {
  const { pinned, candidates, identity } = inspected;
  const { modules, program } = pinned;
  const [first] = candidates;
  if (modules === undefined || first === undefined) return undefined;
  const facts = factsFor(inspected, figuresFor(walk, inspected, first, undefined));
  const tenant = identity.caller.organization.id;
  return withVerdicts(program, 'request', facts, { modules, tenant, unsettled: unsettledFacts(facts) });
}

/** What was measured, and the prompt without it. */
function withRedacted(measured: RailFact | Unable, { view }: Read, rail: string, found: readonly FoundIn[]): unknown {
  if (measured instanceof Unable) return measured;
  const redacted = promptPassages(view).map((passage) => withoutFindings(passage, rail, found));
  return { ...measured, redacted: redacted.join('\n') };
}

function withoutFindings(passage: Passage, rail: string, found: readonly FoundIn[]): string {
  const own = found
    .filter((one) => one.passage === passage && one.finding.rail === rail)
    .map(({ finding }) => finding)
    .sort((a, b) => a.start - b.start);
  let [text, from] = ['', 0];
  for (const { type, start, end } of own) {
    if (start >= from) text += `${passage.text.slice(from, start)}[REDACTED:${type}]`;
    from = Math.max(from, end);
  }
  return text + passage.text.slice(from);
}

const lists = new WeakMap<ReadonlySet<string>, readonly string[]>();

/** The types of a rail that are looked for, as the rails want them; a program's set is the same for every call. */
function wantedTypes(types: 'all' | ReadonlySet<string>): readonly string[] | undefined {
  if (types === 'all') return undefined;
  let list = lists.get(types);
  if (list === undefined) {
    list = [...types];
    lists.set(types, list);
  }
  return list;
}

function outcomeOf(rail: string, measured: RailFact | Unable): RailOutcome {
  if (measured instanceof Unable) return { rail, outcome: 'unable', reason: measured.reason };
  return { rail, outcome: measured.found ? 'findings' : 'clear', reason: undefined };
}

export interface RailFact {
  readonly found: boolean;
  readonly types: readonly string[];
  readonly score: number;
  readonly count: number;
}

function measureAll(
  name: string,
  types: readonly string[] | undefined,
  passages: readonly Passage[],
  found: FoundIn[],
): RailFact | Unable {
  const rail = railByName(name);
  if (rail === undefined) return noRail(name);
  const first = found.length;
  try {
    for (const passage of passages) {
      const unable = passage.text.length === 0 ? undefined : note(rail.measure(passage, types), passage, found);
      if (unable !== undefined) return unable;
    }
  } catch (thrown) {
    return broken(name, thrown);
  }
  return factOf(found, first);
}

async function measureInSlices(
  name: string,
  types: readonly string[] | undefined,
  passages: readonly Passage[],
  found: FoundIn[],
): Promise<RailFact | Unable> {
  const rail = railByName(name);
  if (rail === undefined) return noRail(name);
  const first = found.length;
  let since = 0;
  for (const passage of passages) {
    if (passage.text.length === 0) continue;
    since += passage.text.length;
    if (since > sliceCharacters) {
      since = 0;
      await turn();
    }
    try {
      const slices = passage.text.length > sliceCharacters ? rail.measureSlices?.(passage, types) : undefined;
      const measured = slices === undefined ? rail.measure(passage, types) : await inSlices(slices);
      const unable = note(measured, passage, found);
      if (unable !== undefined) return unable;
    } catch (thrown) {
      return broken(name, thrown);
    }
  }
  return factOf(found, first);
}

function noRail(name: string): Unable {
  return new Unable(`there is no rail '${name}'`);
}

function note(measured: Measured, passage: Passage, found: FoundIn[]): Unable | undefined {
  if (measured.outcome === 'unable') return new Unable(measured.reason);
  if (measured.outcome === 'findings') for (const finding of measured.findings) found.push({ passage, finding });
  return undefined;
}

/** A rail that breaks has not said "clear": the policy decides what not knowing means. */
function broken(name: string, thrown: unknown): Unable {
  return new Unable(`the rail '${name}' failed: ${thrown instanceof Error ? thrown.name : 'unknown'}`);
}

function factOf(found: readonly FoundIn[], first: number): RailFact {
  return found.length === first ? nothingFound : railFact(found.slice(first).map((one) => one.finding));
}

/** One slice a turn of the event loop. */
async function inSlices(slices: Generator<void, Measured>): Promise<Measured> {
  for (;;) {
    const step = slices.next();
    if (step.done === true) return step.value;
    await turn();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const nothingFound: RailFact = Object.freeze({ found: false, types: Object.freeze([]), score: 0, count: 0 });

/** Findings of one rail as the fact a policy reads. */
export function railFact(findings: readonly Finding[]): RailFact {
  if (findings.length === 0) return nothingFound;
  let score = 0;
  const types = new Set<string>();
  for (const finding of findings) {
    types.add(finding.type);
    if (finding.score > score) score = finding.score;
  }
  return { found: findings.length > 0, types: [...types], score, count: findings.length };
}
