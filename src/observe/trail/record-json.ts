import type { Usage } from '../../exchange/index.ts';
import type { Lines } from '../../stores/index.ts';
import type { AuditRecord, DecisionSummary, Intent, RecordAttempt, RecordRail, RecordTimings } from '../record.ts';
import { askedBefore, keepAsked } from './asked.ts';
import { any, braces, close, duration, field, flag, list, number, once, text, Words, word } from './json-fields.ts';
import { writeJson, writeNumber } from './json-values.ts';

/** What of a record lies in the open: without texts, and without what is personal of its caller. */
export type OpenRecord = Omit<AuditRecord, 'content'>;

const callerFields = {
  organization: word('organization'),
  team: word('team'),
  project: word('project'),
  key: word('key'),
  tags: field(
    'tags',
    list<string>((lines, tag) => lines.quoted(tag)),
  ),
};

function writeCaller(lines: Lines, one: Intent['caller']): void {
  const start = lines.size;
  callerFields.organization(lines, one.organization);
  callerFields.team(lines, one.team);
  callerFields.project(lines, one.project);
  callerFields.key(lines, one.key);
  callerFields.tags(lines, one.tags);
  close(lines, start, braces);
}

const attemptFields = {
  provider: word('provider'),
  model: word('model'),
  status: number('status'),
  failure: word('failure'),
  ms: duration('ms'),
  cost_nusd: number('cost_nusd'),
};

function writeAttempt(lines: Lines, one: RecordAttempt): void {
  const start = lines.size;
  attemptFields.provider(lines, one.provider);
  attemptFields.model(lines, one.model);
  attemptFields.status(lines, one.status);
  attemptFields.failure(lines, one.failure);
  attemptFields.ms(lines, one.ms);
  attemptFields.cost_nusd(lines, one.cost_nusd);
  close(lines, start, braces);
}

const railFields = {
  rail: word('rail'),
  on: word('on'),
  outcome: word('outcome'),
  reason: text('reason'),
  findings: any('findings'),
};
const noFindings = new Uint8Array(Buffer.from(',"findings":[]'));

function writeRail(lines: Lines, one: RecordRail): void {
  const start = lines.size;
  railFields.rail(lines, one.rail);
  railFields.on(lines, one.on);
  railFields.outcome(lines, one.outcome);
  railFields.reason(lines, one.reason);
  if (one.findings.length === 0) lines.put(noFindings);
  else railFields.findings(lines, one.findings);
  close(lines, start, braces);
}

const usageFields = {
  input: number('input'),
  output: number('output'),
  cacheRead: number('cacheRead'),
  cacheWrite: number('cacheWrite'),
  cacheWrite1h: number('cacheWrite1h'),
  reasoning: number('reasoning'),
  audioInput: number('audioInput'),
  imageInput: number('imageInput'),
  audioOutput: number('audioOutput'),
  toolCalls: any('toolCalls'),
  serviceTier: word('serviceTier'),
  inferenceGeo: word('inferenceGeo'),
} satisfies { readonly [Name in keyof Usage]-?: unknown };

function writeUsage(lines: Lines, one: Usage): void {
  const start = lines.size;
  usageFields.input(lines, one.input);
  usageFields.output(lines, one.output);
  usageFields.cacheRead(lines, one.cacheRead);
  usageFields.cacheWrite(lines, one.cacheWrite);
  usageFields.cacheWrite1h(lines, one.cacheWrite1h);
  usageFields.reasoning(lines, one.reasoning);
  usageFields.audioInput(lines, one.audioInput);
  usageFields.imageInput(lines, one.imageInput);
  usageFields.audioOutput(lines, one.audioOutput);
  usageFields.toolCalls(lines, one.toolCalls);
  usageFields.serviceTier(lines, one.serviceTier);
  usageFields.inferenceGeo(lines, one.inferenceGeo);
  close(lines, start, braces);
}

const timingFields = {
  total: duration('total'),
  upstream: duration('upstream'),
  first_token: duration('first_token'),
  overhead: duration('overhead'),
};

function writeTimings(lines: Lines, one: RecordTimings): void {
  const start = lines.size;
  timingFields.total(lines, one.total);
  timingFields.upstream(lines, one.upstream);
  timingFields.first_token(lines, one.first_token);
  timingFields.overhead(lines, one.overhead);
  close(lines, start, braces);
}

const factNames = new Words((name) => `,${JSON.stringify(name)}:`);

function writeFact(lines: Lines, name: string, value: unknown): void {
  const plain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  const json = plain ? undefined : JSON.stringify(value);
  if (!plain && json === undefined) return;
  lines.put(factNames.of(name));
  if (typeof value === 'string') lines.quoted(value);
  else if (typeof value === 'number') writeNumber(lines, value);
  else if (typeof value === 'boolean') lines.letters(value ? 'true' : 'false');
  else if (json !== undefined) lines.text(json);
}

function writeFacts(lines: Lines, read: AuditRecord['facts']): void {
  const start = lines.size;
  for (const name in read) writeFact(lines, name, read[name]);
  close(lines, start, braces);
}

const summary = once<DecisionSummary>(writeJson);
const decisionFields = {
  request: field('request', summary),
  response: field('response', summary),
  settle: field('settle', summary),
};

function writeDecision(lines: Lines, made: AuditRecord['decision']): void {
  const start = lines.size;
  decisionFields.request(lines, made.request);
  decisionFields.response(lines, made.response);
  decisionFields.settle(lines, made.settle);
  close(lines, start, braces);
}

const fields = {
  exchange: text('exchange'),
  request_id: text('request_id'),
  time_ms: number('time_ms'),
  route: word('route'),
  format: word('format'),
  caller: field('caller', once(writeCaller)),
  model_asked: word('model_asked'),
  model_used: word('model_used'),
  provider: word('provider'),
  region: word('region'),
  streamed: flag('streamed'),
  held_nusd: number('held_nusd'),
  program: word('program'),
  prices: word('prices'),
  uninspected: flag('uninspected'),
  passed: any('passed'),
  attempts: field('attempts', list(writeAttempt)),
  scanned_in_bytes: number('scanned_in_bytes'),
  scanned_out_bytes: number('scanned_out_bytes'),
  rails: field('rails', list(once(writeRail))),
  facts: field('facts', writeFacts),
  decision: field('decision', writeDecision),
  usage: field('usage', writeUsage),
  cost_nusd: number('cost_nusd'),
  cost_estimated: flag('cost_estimated'),
  ending: word('ending'),
  limited_by: text('limited_by'),
  failure: any('failure'),
  timings: field('timings', writeTimings),
  trimmed: flag('trimmed'),
  kind: word('kind'),
  change: any('change'),
  alert: any('alert'),
};

/** Who called what: what came before in the same words is written in one piece. */
function writeAsked(lines: Lines, open: Intent): void {
  const before = askedBefore(open);
  if (before !== undefined) {
    lines.put(before.bytes);
    return;
  }
  const start = lines.size;
  fields.route(lines, open.route);
  fields.format(lines, open.format);
  fields.caller(lines, open.caller);
  fields.model_asked(lines, open.model_asked);
  fields.model_used(lines, open.model_used);
  fields.provider(lines, open.provider);
  fields.region(lines, open.region);
  fields.streamed(lines, open.streamed);
  keepAsked(open, lines.bytes.subarray(start, lines.size));
}

/** What an intent and a record begin with. Field by field and no loop: the engine then knows where each lies. */
function writeBeginning(lines: Lines, open: Intent): void {
  fields.exchange(lines, open.exchange);
  fields.request_id(lines, open.request_id);
  fields.time_ms(lines, open.time_ms);
  writeAsked(lines, open);
}

/**
 * Writes the JSON of an intent, as `JSON.stringify` would spell it. By hand because each call has one, and a record: of
 * most of their fields the bytes are known from the calls before.
 */
export function writeIntent(lines: Lines, open: Intent): void {
  const start = lines.size;
  writeBeginning(lines, open);
  fields.held_nusd(lines, open.held_nusd);
  fields.program(lines, open.program);
  fields.prices(lines, open.prices);
  fields.uninspected(lines, open.uninspected);
  fields.passed(lines, open.passed);
  close(lines, start, braces);
}

/** Writes what an intent has of its own beside others of the same caller who asks the same, with a comma before each field. */
export function writeOwn(lines: Lines, open: Intent): void {
  fields.exchange(lines, open.exchange);
  fields.request_id(lines, open.request_id === open.exchange ? undefined : open.request_id);
  fields.time_ms(lines, open.time_ms);
  fields.held_nusd(lines, open.held_nusd);
}

/**
 * Writes the JSON of a record's open part: what `JSON.stringify` would say, durations to the microsecond. With other
 * facts and decisions than its own where some of them are not for everybody's eyes; its texts are left out in any case.
 */
export function writeRecord(lines: Lines, open: OpenRecord, told = open.facts, decision = open.decision): void {
  const start = lines.size;
  writeBeginning(lines, open);
  fields.attempts(lines, open.attempts);
  fields.scanned_in_bytes(lines, open.scanned_in_bytes);
  fields.scanned_out_bytes(lines, open.scanned_out_bytes);
  fields.rails(lines, open.rails);
  fields.facts(lines, told);
  fields.decision(lines, decision);
  fields.program(lines, open.program);
  fields.prices(lines, open.prices);
  fields.usage(lines, open.usage);
  fields.cost_nusd(lines, open.cost_nusd);
  fields.cost_estimated(lines, open.cost_estimated);
  fields.held_nusd(lines, open.held_nusd);
  fields.ending(lines, open.ending);
  fields.limited_by(lines, open.limited_by);
  fields.failure(lines, open.failure);
  fields.timings(lines, open.timings);
  fields.uninspected(lines, open.uninspected);
  fields.passed(lines, open.passed);
  fields.trimmed(lines, open.trimmed);
  fields.kind(lines, open.kind);
  fields.change(lines, open.change);
  fields.alert(lines, open.alert);
  close(lines, start, braces);
}
