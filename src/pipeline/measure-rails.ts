import type { Finding, Measured, Passage, Rail } from '../exchange/index.ts';
import { Unable } from '../policy/index.ts';
import { railByName } from '../rails/index.ts';
import { promptPassages } from './facts.ts';
import type { Read } from './read.ts';
import type { Walk } from './walk.ts';

/** What a program's rules read. */
export type Needs = ReturnType<Read['pinned']['program']['needs']>;

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

/** Characters measured before the event loop gets a turn: a huge prompt must not stall the other exchanges. */
const sliceCharacters = 65_536;

/** What the rails of a program found. */
export interface MeasuredRails {
  readonly rails: Record<string, unknown> | undefined;
  readonly found: readonly FoundIn[];
  readonly railOutcomes: readonly RailOutcome[];
  readonly scanned: number;
}

/** No rail was needed. */
export const unmeasured: MeasuredRails = Object.freeze({
  rails: undefined,
  found: Object.freeze([]),
  railOutcomes: Object.freeze([]),
  scanned: 0,
});

/** Short texts are measured at once, without a promise; long ones in slices, with turns of the event loop between them. */
export function measureRails(walk: Walk, read: Read, needs: Needs): MeasuredRails | Promise<MeasuredRails> {
  let scanned = 0;
  for (const passage of read.view.passages) scanned += passage.text.length;
  const { list, clear } = wantedRails(needs);
  const found: FoundIn[] = [];
  if (scanned > sliceCharacters) {
    return measureLong(walk, read, list, { rails: {}, found, railOutcomes: [], scanned });
  }
  const facts = new Array<RailFact | Unable>(list.length);
  let nothing = true;
  for (let index = 0; index < list.length; index += 1) {
    const one = list[index];
    if (one === undefined) break;
    const started = walk.monotonic();
    const fact = measureAll(one, read.view.passages, found);
    walk.metrics.rail(one.name, (walk.monotonic() - started) / 1000);
    facts[index] = fact;
    if (fact !== nothingFound) nothing = false;
  }
  if (nothing && clear !== undefined) {
    return { rails: clear.rails, found, railOutcomes: clear.railOutcomes, scanned };
  }
  const measured = { rails: {}, found, railOutcomes: [], scanned };
  list.forEach((one, index) => {
    const fact = facts[index];
    if (fact !== undefined) keep(read, measured, one, fact);
  });
  return measured;
}

interface Measuring extends MeasuredRails {
  readonly rails: Record<string, unknown>;
  readonly found: FoundIn[];
  readonly railOutcomes: RailOutcome[];
}

async function measureLong(
  walk: Walk,
  read: Read,
  list: readonly WantedRail[],
  measured: Measuring,
): Promise<MeasuredRails> {
  for (const one of list) {
    const started = walk.monotonic();
    keep(read, measured, one, await measureInSlices(one, read.view.passages, measured.found));
    walk.metrics.rail(one.name, (walk.monotonic() - started) / 1000);
  }
  return measured;
}

/** One rail is done. */
function keep(
  read: Read,
  { rails, found, railOutcomes }: Measuring,
  { name, redacted }: WantedRail,
  fact: RailFact | Unable,
): void {
  rails[name] = redacted ? withRedacted(fact, read, name, found) : fact;
  railOutcomes.push(outcomeOf(name, fact));
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

/** A rail that a program needs. */
interface WantedRail {
  readonly name: string;
  readonly rail: Rail | undefined;
  /** The types that are looked for; undefined for all. */
  readonly types: readonly string[] | undefined;
  /** Whether a rule reads the prompt without what it finds. */
  readonly redacted: boolean;
}

interface WantedRails {
  readonly list: readonly WantedRail[];
  /** What they say together where none finds anything, as of nearly every prompt; undefined where that is told with its text. */
  readonly clear: Pick<MeasuredRails, 'rails' | 'railOutcomes'> | undefined;
}

const known = new WeakMap<Needs, WantedRails>();

/** The rails a program needs, looked up once. */
function wantedRails(needs: Needs): WantedRails {
  let wanted = known.get(needs);
  if (wanted === undefined) {
    const list = [...needs.rails].map(([name, types]) => ({
      name,
      rail: railByName(name),
      types: types === 'all' ? undefined : [...types],
      redacted: needs.facts.has(`rails.${name}.redacted`),
    }));
    const clear = {
      rails: clearRails(needs),
      railOutcomes: Object.freeze(list.map(({ name }) => outcomeOf(name, nothingFound))),
    };
    wanted = { list, clear: list.some(({ redacted }) => redacted) ? undefined : clear };
    known.set(needs, wanted);
  }
  return wanted;
}

const knownClear = new WeakMap<Needs, Record<string, unknown>>();

/** What the rails a program needs say where none of them found anything: one object for all exchanges. */
export function clearRails(needs: Needs): Record<string, unknown> {
  let rails = knownClear.get(needs);
  if (rails === undefined) {
    rails = Object.freeze(Object.fromEntries([...needs.rails.keys()].map((name) => [name, nothingFound])));
    knownClear.set(needs, rails);
  }
  return rails;
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
  { name, rail, types }: WantedRail,
  passages: readonly Passage[],
  found: FoundIn[],
): RailFact | Unable {
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
  { name, rail, types }: WantedRail,
  passages: readonly Passage[],
  found: FoundIn[],
): Promise<RailFact | Unable> {
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
