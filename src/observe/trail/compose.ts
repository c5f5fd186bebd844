import type { Lines } from '../../stores/index.ts';
import type { AuditRecord, DecisionSummary, Intent } from '../record.ts';
import type { Sealed } from './line.ts';
import { writeIntent, writeRecord } from './record-json.ts';
import type { Personal, Subjects } from './subjects.ts';
import { withoutNames } from './without-names.ts';

/** A line longer than this without its texts is trimmed: a log store must not be filled by one exchange. */
export const record_bytes_max = 32_768;

/** Room set aside for the record of each live exchange; a trimmed record always fits. */
export const trimmed_bytes_max = 8192;

/** Facts that are texts of people or models: only their keyed hash is kept. */
const textFacts = new Set([
  ...['llm.prompt', 'llm.systemPrompt', 'llm.messages', 'response.text'],
  ...['rails.pii.redacted', 'rails.secrets.redacted'],
]);
/** Facts that tell who somebody is, or that callers fill freely. */
const personalFact = /^(?:user\.(?:id|email)$|request\.(?:ip$|headers|userAgent$)|metadata\.|metadata$)/;
const fact_characters_max = 256;
/** Facts of a person that a record keeps as they are: callers fill some of them freely. */
const personal_characters_max = 16_384;

type Eyes = 'everybody' | 'nobody' | 'person';

/** Whose eyes the facts of a name are for, known from the calls before. */
const eyes = new Map<string, Eyes>();
const eyes_max = 1024;

function eyesOf(name: string): Eyes {
  const known = eyes.get(name);
  if (known !== undefined) return known;
  const found = personalFact.test(name) ? 'person' : textFacts.has(name) ? 'nobody' : 'everybody';
  if (eyes.size >= eyes_max) eyes.clear();
  eyes.set(name, found);
  return found;
}

/** Whether a fact is kept in the open as it is, as far as that is told without spelling it. */
function plainlyOpen(name: string, value: unknown): boolean {
  if (typeof value === 'string') return value.length <= fact_characters_max && eyesOf(name) === 'everybody';
  return (typeof value === 'number' || typeof value === 'boolean') && eyesOf(name) !== 'person';
}

function allPlainlyOpen(facts: AuditRecord['facts']): boolean {
  for (const name in facts) if (!plainlyOpen(name, facts[name])) return false;
  return true;
}

interface SplitFacts {
  readonly open: AuditRecord['facts'];
  readonly personal: Record<string, unknown> | undefined;
}

/** Splits facts in those kept in the open (long texts as keyed hashes) and those of a person. */
function splitFacts(facts: AuditRecord['facts'], hash: (text: string) => string): SplitFacts {
  if (allPlainlyOpen(facts)) return { open: facts, personal: undefined };
  const open: Record<string, unknown> = {};
  let personal: Record<string, unknown> | undefined;
  for (const name of Object.keys(facts)) {
    const value = facts[name];
    if (eyesOf(name) === 'person') {
      personal ??= {};
      personal[name] = value;
    } else open[name] = openly(name, value, hash);
  }
  return { open, personal };
}

/** A fact's value as it may stand in the open. */
function openly(name: string, value: unknown, hash: (text: string) => string): unknown {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return eyesOf(name) === 'nobody' || text.length > fact_characters_max ? `hmac:${hash(text)}` : value;
}

/** A person's facts as they are kept: where they are long in all, what is long of them as its keyed hash. */
function shortened(personal: SplitFacts['personal'], hash: (text: string) => string): SplitFacts['personal'] {
  if (personal === undefined || JSON.stringify(personal).length <= personal_characters_max) return personal;
  return Object.fromEntries(Object.entries(personal).map(([name, value]) => [name, openly(name, value, hash)]));
}

/** A record as whoever may read its personal part sees it: texts as keyed hashes; the same object where it has none. */
export function withoutTexts(record: AuditRecord, hash: (text: string) => string): AuditRecord {
  if (record.content === undefined && allPlainlyOpen(record.facts)) return record;
  const { open, personal } = splitFacts(record.facts, hash);
  return { ...record, facts: { ...open, ...shortened(personal, hash) }, content: undefined };
}

/** The record as it is told of nobody: who it was and what was known of them is gone, and what reasons quote of it. */
export function withoutPerson(record: AuditRecord): AuditRecord {
  const { user: _user, email: _email, ip: _ip, ...caller } = record.caller;
  const decision = withoutNames(record.decision, record.caller, personalFacts(record.facts));
  return { ...record, caller, decision, facts: {}, content: undefined };
}

function personalFacts(facts: AuditRecord['facts']): AuditRecord['facts'] {
  return Object.fromEntries(Object.entries(facts).filter(([name]) => eyesOf(name) === 'person'));
}

/** Characters of an exchange's id, and of most other words, that a trimmed line keeps. */
export const trimmed_exchange_max = 100;
export const trimmed_word_max = 200;

function cut(text: string | undefined, length = trimmed_word_max): string | undefined {
  return text !== undefined && text.length > length ? `${text.slice(0, length)}...` : text;
}

function cutAll(texts: readonly string[]): string[] {
  return texts.slice(0, 3).map((text) => cut(text, 100) ?? '');
}

function trimDecision(decision: DecisionSummary | undefined): DecisionSummary | undefined {
  if (decision === undefined) return undefined;
  return {
    decision: cut(decision.decision, 40) ?? '',
    policy: cut(decision.policy, 100),
    version: cut(decision.version, 40),
    rules: cutAll(decision.rules),
    reasons: cutAll(decision.reasons),
    obligations: cutAll(decision.obligations),
    shadowed: [],
    unable: cutAll(decision.unable),
    warnings: [],
  };
}

function trimIntent(intent: Intent): Intent {
  return {
    ...intent,
    exchange: cut(intent.exchange, trimmed_exchange_max) ?? '',
    request_id: cut(intent.request_id) ?? '',
    route: cut(intent.route) ?? '',
    model_asked: cut(intent.model_asked),
    model_used: cut(intent.model_used),
    passed: intent.passed && { ...intent.passed, path: cut(intent.passed.path) ?? '' },
    caller: {
      organization: cut(intent.caller.organization),
      team: cut(intent.caller.team),
      project: cut(intent.caller.project),
      key: cut(intent.caller.key),
      user: intent.caller.user,
      email: intent.caller.email,
      ip: intent.caller.ip,
    },
  };
}

/** The record with its lists cut short: who, what, outcome and cost stay. */
export function trim(record: AuditRecord): AuditRecord {
  return {
    ...record,
    ...trimIntent(record),
    attempts: record.attempts.slice(-5).map((attempt) => ({ ...attempt, model: cut(attempt.model, 100) ?? '' })),
    rails: record.rails.slice(0, 10).map((rail) => ({
      rail: cut(rail.rail, 40) ?? '',
      on: rail.on,
      outcome: rail.outcome,
      reason: cut(rail.reason, 100),
      findings: [],
    })),
    facts: {},
    decision: {
      request: trimDecision(record.decision.request),
      response: trimDecision(record.decision.response),
      settle: trimDecision(record.decision.settle),
    },
    usage: record.usage === undefined ? undefined : { ...record.usage, toolCalls: {} },
    uninspected: record.uninspected,
    content: undefined,
    trimmed: true,
  };
}

/** Whose key seals the personal part: the user, or the key where no user is known. */
export function subjectName(caller: Intent['caller']): string {
  return caller.user !== undefined ? `user ${caller.user}` : `key ${caller.key ?? ''}`;
}

/** Turns records and intents into their two parts: what may be read by all, and what is a person's, sealed. */
export class Composer {
  readonly #subjects: Subjects;
  readonly #hash: (text: string) => string;

  constructor(subjects: Subjects, hash: (text: string) => string) {
    this.#subjects = subjects;
    this.#hash = hash;
  }

  #seal(intent: Intent, facts: Record<string, unknown> | undefined, content: string | undefined): Sealed | undefined {
    const { user, email, ip } = intent.caller;
    if (user === undefined && email === undefined && ip === undefined && facts === undefined && content === undefined) {
      return undefined;
    }
    if (facts === undefined && content === undefined) return this.#subjects.sealCaller(intent.caller, subjectName);
    const who: Personal = { user, email, ip, facts };
    return this.#subjects.seal(subjectName(intent.caller), who, content);
  }

  /** What of an intent is personal, sealed. Throws where the subject's key cannot be written. */
  seal(intent: Intent): Sealed | undefined {
    return this.#seal(intent, undefined, undefined);
  }

  /**
   * Writes a record's JSON, trimmed where asked or too large; what of it is personal, sealed. Where the subject's key
   * cannot be written, it goes without its personal part rather than not at all.
   */
  record(record: AuditRecord, trimmed: boolean, lines: Lines): Sealed | undefined {
    const start = lines.size;
    try {
      return this.#record(record, trimmed, lines);
    } catch {
      lines.rewind(start);
      return this.#record({ ...withoutPerson(record), trimmed: true }, true, lines);
    }
  }

  #record(record: AuditRecord, trimmed: boolean, lines: Lines): Sealed | undefined {
    const { open, personal } = splitFacts(record.facts, this.#hash);
    // Before anything is cut: half a name is a name.
    const decision = withoutNames(record.decision, record.caller, personal);
    const kept = shortened(personal, this.#hash);
    const told = kept === personal ? record : { ...record, trimmed: true };
    const whole = trimmed ? trim({ ...record, decision }) : told;
    const start = lines.size;
    if (trimmed) writeRecord(lines, whole);
    else writeRecord(lines, whole, open, decision);
    if (!trimmed && longer(lines, start, record_bytes_max)) {
      lines.rewind(start);
      return this.#record(record, true, lines);
    }
    const content = whole.content === undefined ? undefined : JSON.stringify(whole.content);
    return this.#seal(whole, trimmed ? undefined : kept, content);
  }
}

/** Writes an intent's JSON, trimmed where it is too large. */
export function writeOpenIntent(intent: Intent, lines: Lines): void {
  const start = lines.size;
  writeIntent(lines, intent);
  if (!longer(lines, start, trimmed_bytes_max / 2)) return;
  lines.rewind(start);
  writeIntent(lines, trimIntent(intent));
}

/** Whether more than so many characters were written since. */
function longer({ bytes, size }: Lines, start: number, characters: number): boolean {
  return size - start > characters && bytes.toString('utf8', start, size).length > characters;
}
