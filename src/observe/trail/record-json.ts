import type { Usage } from '../../exchange/index.ts';
import type { AuditRecord, DecisionSummary, Intent, RecordAttempt, RecordRail, RecordTimings } from '../record.ts';
import { any, braces, close, duration, field, flag, list, number, once, text, Words, word } from './json-fields.ts';
import type { Pen } from './pen.ts';

/** What of a record lies in the open: without texts, and without what is personal of its caller. */
export type OpenRecord = Omit<AuditRecord, 'content'>;

const callerFields = {
  organization: word('organization'),
  team: word('team'),
  project: word('project'),
  key: word('key'),
  tags: field(
    'tags',
    list<string>((pen, tag) => pen.text(tag)),
  ),
};

function writeCaller(pen: Pen, one: Intent['caller']): void {
  const start = pen.end;
  callerFields.organization(pen, one.organization);
  callerFields.team(pen, one.team);
  callerFields.project(pen, one.project);
  callerFields.key(pen, one.key);
  callerFields.tags(pen, one.tags);
  close(pen, start, braces);
}

const attemptFields = {
  provider: word('provider'),
  model: word('model'),
  status: number('status'),
  failure: word('failure'),
  ms: duration('ms'),
  cost_nusd: number('cost_nusd'),
};

function writeAttempt(pen: Pen, one: RecordAttempt): void {
  const start = pen.end;
  attemptFields.provider(pen, one.provider);
  attemptFields.model(pen, one.model);
  attemptFields.status(pen, one.status);
  attemptFields.failure(pen, one.failure);
  attemptFields.ms(pen, one.ms);
  attemptFields.cost_nusd(pen, one.cost_nusd);
  close(pen, start, braces);
}

const railFields = {
  rail: word('rail'),
  on: word('on'),
  outcome: word('outcome'),
  reason: text('reason'),
  findings: any('findings'),
};
const noFindings = new Uint8Array(Buffer.from(',"findings":[]'));

function writeRail(pen: Pen, one: RecordRail): void {
  const start = pen.end;
  railFields.rail(pen, one.rail);
  railFields.on(pen, one.on);
  railFields.outcome(pen, one.outcome);
  railFields.reason(pen, one.reason);
  if (one.findings.length === 0) pen.bytes(noFindings);
  else railFields.findings(pen, one.findings);
  close(pen, start, braces);
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
} satisfies { readonly [Name in keyof Usage]-?: unknown };

function writeUsage(pen: Pen, one: Usage): void {
  const start = pen.end;
  usageFields.input(pen, one.input);
  usageFields.output(pen, one.output);
  usageFields.cacheRead(pen, one.cacheRead);
  usageFields.cacheWrite(pen, one.cacheWrite);
  usageFields.cacheWrite1h(pen, one.cacheWrite1h);
  usageFields.reasoning(pen, one.reasoning);
  usageFields.audioInput(pen, one.audioInput);
  usageFields.imageInput(pen, one.imageInput);
  usageFields.audioOutput(pen, one.audioOutput);
  usageFields.toolCalls(pen, one.toolCalls);
  usageFields.serviceTier(pen, one.serviceTier);
  close(pen, start, braces);
}

const timingFields = {
  total: duration('total'),
  upstream: duration('upstream'),
  first_token: duration('first_token'),
  overhead: duration('overhead'),
};

function writeTimings(pen: Pen, one: RecordTimings): void {
  const start = pen.end;
  timingFields.total(pen, one.total);
  timingFields.upstream(pen, one.upstream);
  timingFields.first_token(pen, one.first_token);
  timingFields.overhead(pen, one.overhead);
  close(pen, start, braces);
}

const factNames = new Words((name) => `,${JSON.stringify(name)}:`);

function writeFact(pen: Pen, name: string, value: unknown): void {
  const plain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  const json = plain ? undefined : JSON.stringify(value);
  if (!plain && json === undefined) return;
  pen.bytes(factNames.of(name));
  if (typeof value === 'string') pen.text(value);
  else if (typeof value === 'number') pen.number(value);
  else if (typeof value === 'boolean') pen.flag(value);
  else if (json !== undefined) pen.utf8(json);
}

function writeFacts(pen: Pen, read: AuditRecord['facts']): void {
  const start = pen.end;
  for (const name in read) writeFact(pen, name, read[name]);
  close(pen, start, braces);
}

const summary = once<DecisionSummary>((pen, value) => pen.json(value));
const decisionFields = {
  request: field('request', summary),
  response: field('response', summary),
  settle: field('settle', summary),
};

function writeDecision(pen: Pen, made: AuditRecord['decision']): void {
  const start = pen.end;
  decisionFields.request(pen, made.request);
  decisionFields.response(pen, made.response);
  decisionFields.settle(pen, made.settle);
  close(pen, start, braces);
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

/** Who called what, as it was written: all that the beginnings of a caller's calls mostly have in common. */
interface Asked
  extends Pick<Intent, 'route' | 'format' | 'model_asked' | 'model_used' | 'provider' | 'region' | 'streamed'> {
  readonly bytes: Uint8Array;
}

/** Of callers that are frozen; of each the few ways of asking that come again. */
const asked = new WeakMap<Intent['caller'], readonly Asked[]>();
const asked_max = 8;
const asked_bytes_max = 1024;
const noneAsked: readonly Asked[] = [];

function sameAsked(one: Asked, open: Intent): boolean {
  return (
    one.model_asked === open.model_asked &&
    one.model_used === open.model_used &&
    one.route === open.route &&
    one.format === open.format &&
    one.provider === open.provider &&
    one.region === open.region &&
    one.streamed === open.streamed
  );
}

/** Who called what: what came before in the same words is written in one piece. */
function writeAsked(pen: Pen, open: Intent): void {
  const known = asked.get(open.caller) ?? noneAsked;
  for (const one of known) {
    if (!sameAsked(one, open)) continue;
    pen.bytes(one.bytes);
    return;
  }
  const start = pen.end;
  fields.route(pen, open.route);
  fields.format(pen, open.format);
  fields.caller(pen, open.caller);
  fields.model_asked(pen, open.model_asked);
  fields.model_used(pen, open.model_used);
  fields.provider(pen, open.provider);
  fields.region(pen, open.region);
  fields.streamed(pen, open.streamed);
  if (pen.end - start > asked_bytes_max || !Object.isFrozen(open.caller)) return;
  const bytes = new Uint8Array(pen.block.subarray(start, pen.end));
  const { route, format, model_used, provider, region, streamed } = open;
  // A copy: the caller's own word may be a part of a whole request. One that is not the same (half a character) is not kept.
  const model_asked = open.model_asked && Buffer.from(open.model_asked).toString();
  if (model_asked !== open.model_asked) return;
  const one = { route, format, model_asked, model_used, provider, region, streamed, bytes };
  asked.set(open.caller, known.length < asked_max ? [...known, one] : [one]);
}

/** What an intent and a record begin with. Field by field and no loop: the engine then knows where each lies. */
function writeBeginning(pen: Pen, open: Intent): void {
  fields.exchange(pen, open.exchange);
  fields.request_id(pen, open.request_id);
  fields.time_ms(pen, open.time_ms);
  writeAsked(pen, open);
}

/**
 * Writes the JSON of an intent, as `JSON.stringify` would spell it. By hand because each call has one, and a record: of
 * most of their fields the bytes are known from the calls before.
 */
export function writeIntent(pen: Pen, open: Intent): void {
  const start = pen.end;
  writeBeginning(pen, open);
  fields.held_nusd(pen, open.held_nusd);
  fields.program(pen, open.program);
  fields.prices(pen, open.prices);
  fields.uninspected(pen, open.uninspected);
  fields.passed(pen, open.passed);
  close(pen, start, braces);
}

/**
 * Writes the JSON of a record's open part: what `JSON.stringify` would say, durations to the microsecond. With other
 * facts and decisions than its own where some of them are not for everybody's eyes; its texts are left out in any case.
 */
export function writeRecord(pen: Pen, open: OpenRecord, told = open.facts, decision = open.decision): void {
  const start = pen.end;
  writeBeginning(pen, open);
  fields.attempts(pen, open.attempts);
  fields.scanned_in_bytes(pen, open.scanned_in_bytes);
  fields.scanned_out_bytes(pen, open.scanned_out_bytes);
  fields.rails(pen, open.rails);
  fields.facts(pen, told);
  fields.decision(pen, decision);
  fields.program(pen, open.program);
  fields.prices(pen, open.prices);
  fields.usage(pen, open.usage);
  fields.cost_nusd(pen, open.cost_nusd);
  fields.cost_estimated(pen, open.cost_estimated);
  fields.held_nusd(pen, open.held_nusd);
  fields.ending(pen, open.ending);
  fields.limited_by(pen, open.limited_by);
  fields.failure(pen, open.failure);
  fields.timings(pen, open.timings);
  fields.uninspected(pen, open.uninspected);
  fields.passed(pen, open.passed);
  fields.trimmed(pen, open.trimmed);
  fields.kind(pen, open.kind);
  fields.change(pen, open.change);
  fields.alert(pen, open.alert);
  close(pen, start, braces);
}
