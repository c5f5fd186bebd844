import { factOf } from './facts.ts';
import type { Program } from './program.ts';
import { withFact } from './record-facts.ts';
import { type FactTree, notAsked, Unable } from './unable.ts';

/** What a record of an exchange holds that a decision can be made from again. Amounts are nano-dollars. */
export interface RecordedExchange {
  readonly exchange: string;
  readonly time_ms: number;
  /** Of no exchange: not replayed. */
  readonly kind?: string | undefined;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly decision: { readonly request?: RecordedDecision | undefined };
  /** Id of the program that decided. */
  readonly program?: string | undefined;
  readonly caller?: RecordedCaller | undefined;
  readonly model_asked?: string | undefined;
  readonly model_used?: string | undefined;
  readonly provider?: string | undefined;
  readonly usage?: unknown;
  readonly cost_nusd: number;
  /** What was personal of it could not be read. */
  readonly sealed?: boolean | undefined;
}

export interface RecordedCaller {
  readonly organization?: string | undefined;
  readonly team?: string | undefined;
  readonly key?: string | undefined;
  readonly user?: string | undefined;
}

export interface RecordedDecision {
  readonly decision: string;
  readonly rules: readonly string[];
  readonly obligations: readonly string[];
  /** `fact: reason (policy/rule)`. */
  readonly unable: readonly string[];
}

/** Why a fact that no record tells stands as one that could not be computed. */
export const notRecorded = new Unable('it is not in the record');
const keptAsHash = new Unable('its text is only kept as a hash');

/** Whether a fact is undecided only because the record does not tell it. */
export function isUnrecorded(value: unknown): boolean {
  return value === notRecorded || value === keptAsHash;
}

/** Facts that a record tells outside its facts. */
const told: Readonly<Record<string, (record: RecordedExchange) => unknown>> = {
  'request.time': ({ time_ms }) => new Date(time_ms).toISOString(),
  'llm.requestedModel': ({ model_asked }) => model_asked,
  'llm.model': ({ model_used }) => model_used,
  'llm.provider': ({ provider }) => provider,
  'organization.id': ({ caller }) => caller?.organization,
  'team.id': ({ caller }) => caller?.team,
  'key.id': ({ caller }) => caller?.key,
  'user.id': ({ caller }) => caller?.user,
};

const personal = /^(?:user\.(?:id|email)$|request\.(?:ip$|headers|userAgent$)|metadata\.)/;

/** Names that programs were seen to record. A program records all it reads, so a name it records elsewhere is missing here. */
export type Recorded = ReadonlyMap<string, ReadonlySet<string>>;

/** What is known of programs by their records, and by the programs themselves where they are at hand. */
export function recordedBy(records: Iterable<RecordedExchange>, programs: readonly Program[] = []): Recorded {
  const known = new Map<string, Set<string>>();
  const add = (program: string, names: Iterable<string>) => {
    const set = known.get(program) ?? new Set();
    known.set(program, set);
    for (const name of names) set.add(name);
  };
  for (const { program, facts } of records) if (program !== undefined) add(program, Object.keys(facts));
  for (const program of programs) add(program.id, program.needs('request').facts);
  return known;
}

/**
 * The facts a program reads, as they stood when an exchange was decided. What the record does not tell is `Unable`,
 * never missing: a rule that hinges on it stays undecided.
 */
export function replayedFacts(program: Program, record: RecordedExchange, recorded: Recorded): FactTree {
  const unable = new Map((record.decision.request?.unable ?? []).flatMap(doubtIn));
  const known = record.program === undefined ? undefined : recorded.get(record.program);
  let facts: FactTree = {};
  for (const name of program.needs('request').facts) {
    const value = recordedValue(name, record, unable, known);
    if (value !== undefined && value !== null) facts = withFact(facts, name, value);
  }
  return facts;
}

function recordedValue(
  name: string,
  record: RecordedExchange,
  unable: ReadonlyMap<string, Unable>,
  known: ReadonlySet<string> | undefined,
): unknown {
  if (Object.hasOwn(record.facts, name)) {
    const value = record.facts[name];
    if (value === `unable: ${notAsked}`) return notRecorded;
    return typeof value === 'string' && /^hmac:[0-9a-f]+$/.test(value) ? keptAsHash : value;
  }
  const doubt = unable.get(name);
  if (doubt !== undefined) return doubt;
  const other = Object.hasOwn(told, name) ? told[name]?.(record) : undefined;
  if (other !== undefined) return other;
  if (personal.test(name) && record.sealed === true) return notRecorded;
  // Who asked is recorded with every call that was identified.
  if (Object.hasOwn(told, name) && !name.startsWith('llm.') && record.caller?.team !== undefined) return undefined;
  // A rail that nobody had to ask leaves no trace either.
  return known?.has(name) === true && !name.startsWith('rails.') ? undefined : notRecorded;
}

function doubtIn(text: string): readonly (readonly [string, Unable])[] {
  const [, name = '', reason = ''] = /^([^:]+): (.*) \([^()]*\)$/s.exec(text) ?? [];
  return factOf(name) === undefined ? [] : [[name, new Unable(reason)]];
}
