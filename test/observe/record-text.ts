import type { Usage } from '../../src/exchange/index.ts';
import type {
  AuditRecord,
  DecisionSummary,
  Intent,
  RecordAttempt,
  RecordRail,
  RecordTimings,
} from '../../src/observe/index.ts';

// Records and intents spelled as texts: slower than the bytes the trail writes, and what those are held against.

/** What of a record lies in the open: without texts, and without what is personal of its caller. */
export type OpenRecord = Omit<AuditRecord, 'content'>;

/** The JSON of a value. */
type Writer<T> = (value: T) => string;

/** A text that comes again with most records (a model, a route). */
const word: Writer<string> = (value) => JSON.stringify(value);

/** Texts kept of each field that has few. */
const words_max = 1024;

/** Words with what stands before them, each made once. */
class Pieces {
  readonly #opening: string;
  readonly #known = new Map<unknown, string>();

  constructor(opening: string) {
    this.#opening = opening;
  }

  of(value: string): string {
    let piece = this.#known.get(value);
    if (piece !== undefined) return piece;
    piece = this.#opening + word(value);
    if (this.#known.size >= words_max) this.#known.clear();
    this.#known.set(value, piece);
    return piece;
  }
}

/** Spelled in JSON as they are. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** `JSON.stringify` costs a third of a microsecond a text, looking whether anything is to be escaped a tenth of that. */
const text: Writer<string> = (value) => (plain.test(value) ? `"${value}"` : JSON.stringify(value));
const any: Writer<unknown> = (value) => JSON.stringify(value) ?? 'null';
const flag: Writer<boolean> = String;
const number: Writer<number> = (value) => (Number.isFinite(value) ? String(value) : 'null');

/** `.000` to `.999`, made once. */
const thousandths = Array.from({ length: 1000 }, (_, us) => `.${String(1000 + us).slice(1)}`);

/** Milliseconds, to the microsecond: a duration's further digits tell nothing and are dear to spell. */
const duration: Writer<number> = (value) => {
  if (!(value >= 0 && value < 1e9)) return number(value);
  const us = Math.round(value * 1000);
  const rest = us % 1000;
  return rest === 0 ? `${us / 1000}` : `${(us - rest) / 1000}${thousandths[rest]}`;
};

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
  const fields = (Object.keys(writers) as (keyof T & string)[]).map((name) => {
    const openings = [`{"${name}":`, `,"${name}":`] as const;
    const write = writers[name] as Writer<unknown>;
    const words = write === (word as unknown) ? openings.map((opening) => new Pieces(opening)) : undefined;
    return { name, openings, write, words };
  });
  return (value) => {
    let json = '';
    for (const { name, openings, write, words } of fields) {
      const field = value[name];
      if (field === undefined) continue;
      const place = json === '' ? 0 : 1;
      json += words?.[place]?.of(field as string) ?? openings[place] + write(field);
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
  ms: duration,
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
  inferenceGeo: word,
});

const timings = object<RecordTimings>({
  total: duration,
  upstream: duration,
  first_token: duration,
  overhead: duration,
});

/** What is frozen is the same for many calls (a decision's summary, a caller), and so is its JSON kept. */
function once<T extends object>(write: Writer<T>): Writer<T> {
  const kept = new WeakMap<T, string>();
  return (value) => {
    const known = kept.get(value);
    if (known !== undefined) return known;
    const json = write(value);
    if (Object.isFrozen(value)) kept.set(value, json);
    return json;
  };
}

const summary = once<DecisionSummary>((value) => JSON.stringify(value));

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

/** A field that is not the first of its object: with the comma and the name before it, nothing where it is undefined. */
function field<T>(name: string, write: Writer<T>): Writer<T | undefined> {
  const opening = `,"${name}":`;
  if (write !== (word as unknown)) return (value) => (value === undefined ? '' : opening + write(value));
  const pieces = new Pieces(opening);
  return (value) => (value === undefined ? '' : pieces.of(value as string));
}

const intentFields = {
  request_id: field('request_id', text),
  time_ms: field('time_ms', number),
  route: field('route', word),
  format: field('format', word),
  caller: field('caller', once(caller)),
  model_asked: field('model_asked', word),
  model_used: field('model_used', word),
  provider: field('provider', word),
  region: field('region', word),
  streamed: field('streamed', flag),
};

/** What an intent and a record begin with. Field by field and no loop: the engine then knows where each lies. */
function beginning(open: Intent): string {
  const write = intentFields;
  return `{"exchange":${text(open.exchange)}${write.request_id(open.request_id)}${write.time_ms(open.time_ms)}${write.route(
    open.route,
  )}${write.format(open.format)}${write.caller(open.caller)}${write.model_asked(open.model_asked)}${write.model_used(
    open.model_used,
  )}${write.provider(open.provider)}${write.region(open.region)}${write.streamed(open.streamed)}`;
}

const held_nusd = field('held_nusd', number);
const program = field('program', word);
const prices = field('prices', word);
const uninspected = field('uninspected', flag);
const passed = field('passed', any);

/**
 * The JSON of an intent, as `JSON.stringify` would spell it. Written by hand because each call has one, and a record: of
 * most of their fields the JSON is known from the calls before.
 */
export function intentJson(open: Intent): string {
  return `${beginning(open)}${held_nusd(open.held_nusd)}${program(open.program)}${prices(open.prices)}${uninspected(
    open.uninspected,
  )}${passed(open.passed)}}`;
}

const recordFields = {
  attempts: field<AuditRecord['attempts']>('attempts', (attempts) => list(attempts, attempt)),
  scanned_in_bytes: field('scanned_in_bytes', number),
  scanned_out_bytes: field('scanned_out_bytes', number),
  rails: field<AuditRecord['rails']>('rails', (rails) => list(rails, rail)),
  facts: field('facts', facts),
  decision: field(
    'decision',
    object<AuditRecord['decision']>({ request: summary, response: summary, settle: summary }),
  ),
  usage: field('usage', usage),
  cost_nusd: field('cost_nusd', number),
  cost_estimated: field('cost_estimated', flag),
  ending: field('ending', word),
  limited_by: field('limited_by', text),
  failure: field('failure', any),
  timings: field('timings', timings),
  trimmed: field('trimmed', flag),
  kind: field('kind', word),
  change: field('change', any),
  alert: field('alert', any),
};

/**
 * The JSON of a record's open part: what `JSON.stringify` would say, durations to the microsecond. With other facts and
 * decisions than its own where some of them are not for everybody's eyes; its texts are left out in any case.
 */
export function recordJson(open: OpenRecord, told = open.facts, decision = open.decision): string {
  const write = recordFields;
  const measured = `${write.attempts(open.attempts)}${write.scanned_in_bytes(open.scanned_in_bytes)}${write.scanned_out_bytes(
    open.scanned_out_bytes,
  )}${write.rails(open.rails)}${write.facts(told)}${write.decision(decision)}`;
  const paid = `${program(open.program)}${prices(open.prices)}${write.usage(open.usage)}${write.cost_nusd(
    open.cost_nusd,
  )}${write.cost_estimated(open.cost_estimated)}${held_nusd(open.held_nusd)}`;
  const ended = `${write.ending(open.ending)}${write.limited_by(open.limited_by)}${write.failure(open.failure)}${write.timings(
    open.timings,
  )}${uninspected(open.uninspected)}${passed(open.passed)}`;
  return `${beginning(open)}${measured}${paid}${ended}${write.trimmed(open.trimmed)}${write.kind(open.kind)}${write.change(
    open.change,
  )}${write.alert(open.alert)}}`;
}
