import type { Usage } from '../../exchange/index.ts';
import type { AuditRecord, DecisionSummary, Intent, RecordAttempt, RecordRail, RecordTimings } from '../record.ts';

/** What of a record lies in the open: without texts, and without what is personal of its caller. */
export type OpenRecord = Omit<AuditRecord, 'content'>;

/** The JSON of a value. */
type Writer<T> = (value: T) => string;

/** Texts kept of each field that has few. */
const words_max = 1024;

/** A text that comes again with most records (a model, a route). */
const word: Writer<string> = (value) => JSON.stringify(value);

/** Spelled in JSON as they are. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** `JSON.stringify` costs a third of a microsecond a text, looking whether anything is to be escaped a tenth of that. */
const text: Writer<string> = (value) => (plain.test(value) ? `"${value}"` : JSON.stringify(value));
const any: Writer<unknown> = (value) => JSON.stringify(value) ?? 'null';
const flag: Writer<boolean> = String;
const number: Writer<number> = (value) => (Number.isFinite(value) ? String(value) : 'null');

function list<T>(values: readonly T[], write: (value: T) => string): string {
  let json = '';
  let separator = '[';
  for (const value of values) {
    json += separator + write(value);
    separator = ',';
  }
  return json === '' ? '[]' : `${json}]`;
}

/** How each field is written; one that is undefined is left out. */
type Writers<T> = { readonly [Field in keyof T]-?: Writer<Exclude<T[Field], undefined>> };

/**
 * Writes objects field by field, in the order of the writers. As few pieces as can be: putting a hundred together costs
 * more than making them. So a word is kept with its name before it.
 */
function object<T extends object>(writers: Writers<T>): Writer<T> {
  const fields = (Object.keys(writers) as (keyof T & string)[]).map((name) => ({
    name,
    first: `{"${name}":`,
    next: `,"${name}":`,
    write: writers[name] as Writer<unknown>,
    kept: (writers[name] as unknown) === word ? new Map<unknown, string>() : undefined,
  }));
  return (value) => {
    let json = '';
    for (const { name, first, next, write, kept } of fields) {
      const field = value[name];
      if (field === undefined) continue;
      const opening = json === '' ? first : next;
      if (kept === undefined || json === '') json += opening + write(field);
      else {
        let piece = kept.get(field);
        if (piece === undefined) {
          piece = opening + write(field);
          if (kept.size >= words_max) kept.clear();
          kept.set(field, piece);
        }
        json += piece;
      }
    }
    return json === '' ? '{}' : `${json}}`;
  };
}

const caller = object<Pick<Intent['caller'], 'organization' | 'team' | 'project' | 'key' | 'tags'>>({
  organization: word,
  team: word,
  project: word,
  key: word,
  tags: (tags) => list(tags, text),
});

const attempt = object<RecordAttempt>({
  provider: word,
  model: word,
  status: number,
  failure: word,
  ms: number,
  cost_nusd: number,
});

const findings: Writer<RecordRail['findings']> = (found) => (found.length === 0 ? '[]' : JSON.stringify(found));
const rail = object<RecordRail>({ rail: word, on: word, outcome: word, reason: text, findings });

const usage = object<Usage>({
  input: number,
  output: number,
  cacheRead: number,
  cacheWrite: number,
  cacheWrite1h: number,
  reasoning: number,
  audioInput: number,
  imageInput: number,
  audioOutput: number,
  toolCalls: any,
  serviceTier: word,
});

const timings = object<RecordTimings>({ total: number, upstream: number, first_token: number, overhead: number });

const kept = new WeakMap<DecisionSummary, string>();

/** Summaries of decisions that are made once are made once too: those are frozen, and so is their JSON kept. */
const summary: Writer<DecisionSummary> = (value) => {
  const known = kept.get(value);
  if (known !== undefined) return known;
  const json = JSON.stringify(value);
  if (Object.isFrozen(value)) kept.set(value, json);
  return json;
};

function fact(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return text(value);
    case 'number':
      return number(value);
    case 'boolean':
      return flag(value);
    default:
      return JSON.stringify(value);
  }
}

const facts: Writer<AuditRecord['facts']> = (read) => {
  let json = '';
  let separator = '{';
  for (const name in read) {
    const value = fact(read[name]);
    if (value === undefined) continue;
    json += `${separator}${text(name)}:${value}`;
    separator = ',';
  }
  return json === '' ? '{}' : `${json}}`;
};

const intent = {
  exchange: text,
  request_id: text,
  time_ms: number,
  route: word,
  format: word,
  caller,
  model_asked: word,
  model_used: word,
  provider: word,
  region: word,
  streamed: flag,
} satisfies Partial<Writers<Intent>>;

/**
 * The JSON of an intent, as `JSON.stringify` would spell it. Written by hand because each call has one, and a record: of
 * most of their fields the JSON is known from the calls before.
 */
export const intentJson: (open: Intent) => string = object<Intent>({
  ...intent,
  held_nusd: number,
  program: word,
  prices: word,
  uninspected: flag,
  passed: any,
});

/** The JSON of a record's open part, as `JSON.stringify` would spell it. */
export const recordJson: (open: OpenRecord) => string = object<OpenRecord>({
  ...intent,
  attempts: (attempts) => list(attempts, attempt),
  scanned_in_bytes: number,
  scanned_out_bytes: number,
  rails: (rails) => list(rails, rail),
  facts,
  decision: object<AuditRecord['decision']>({ request: summary, response: summary, settle: summary }),
  program: word,
  prices: word,
  usage,
  cost_nusd: number,
  cost_estimated: flag,
  held_nusd: number,
  ending: word,
  limited_by: text,
  failure: any,
  timings,
  uninspected: flag,
  passed: any,
  trimmed: flag,
  kind: word,
  change: any,
  alert: any,
});
