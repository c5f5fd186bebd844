import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AuditRecord, DecisionSummary, Intent } from '../../src/observe/index.ts';
import { Words } from '../../src/observe/trail/json-fields.ts';
import { type OpenRecord, writeIntent, writeRecord } from '../../src/observe/trail/record-json.ts';
import { Lines } from '../../src/stores/index.ts';
import * as spelled from './record-text.ts';

function written(write: (lines: Lines) => void): string {
  const lines = new Lines();
  // Little room is left, so that it grows in the middle of things.
  lines.put(Buffer.alloc(4_090));
  write(lines);
  return lines.bytes.toString('utf8', 4_090, lines.size);
}

const recordJson = (one: OpenRecord) => written((lines) => writeRecord(lines, one));
const intentJson = (one: Intent) => written((lines) => writeIntent(lines, one));

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 300 }),
  fc.string({ unit: 'grapheme-ascii', minLength: 180, maxLength: 210 }),
);
const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
const number = fc.oneof(fc.double(), fc.integer(), fc.maxSafeNat(), fc.double({ min: 0, max: 5000 }), fc.constant(0));

const decision: fc.Arbitrary<DecisionSummary> = fc
  .record({
    decision: text,
    policy: maybe(text),
    version: maybe(text),
    rules: fc.array(text),
    reasons: fc.array(text),
    obligations: fc.array(text),
    shadowed: fc.array(text),
    unable: fc.array(text),
    warnings: fc.array(text),
    severity: maybe(text),
    alert: maybe(fc.boolean()),
  })
  .map((one) => (one.rules.length > 0 ? Object.freeze(one) : one));

const caller = fc.record({
  organization: maybe(text),
  team: maybe(text),
  project: maybe(text),
  key: maybe(text),
  tags: maybe(fc.array(text)),
  user: maybe(text),
  email: maybe(text),
  ip: maybe(text),
});

const intent = {
  exchange: text,
  request_id: text,
  time_ms: number,
  route: text,
  format: fc.constantFrom('openai-chat', 'anthropic-messages', undefined),
  caller,
  model_asked: maybe(text),
  model_used: maybe(text),
  provider: maybe(text),
  region: maybe(text),
  streamed: fc.boolean(),
  held_nusd: number,
  program: maybe(text),
  prices: maybe(text),
  passed: maybe(fc.record({ method: text, path: text, bytes_in: maybe(number) })),
} as const;

const record = fc.record({
  ...intent,
  attempts: fc.array(
    fc.record({
      provider: text,
      model: text,
      status: maybe(number),
      failure: fc.constantFrom('upstream_error', undefined),
      ms: number,
    }),
  ),
  scanned_in_bytes: number,
  scanned_out_bytes: number,
  rails: fc.array(
    fc.record({
      rail: text,
      on: fc.constantFrom('request', 'response'),
      outcome: fc.constantFrom('findings', 'clear', 'unable'),
      reason: maybe(text),
      findings: fc.array(fc.record({ type: text, place: text, start: number, end: number, score: number, view: text })),
    }),
  ),
  facts: fc.dictionary(text, fc.anything({ withNullPrototype: false, values: [text, number, fc.boolean()] })),
  decision: fc.record({ request: maybe(decision), response: maybe(decision), settle: maybe(decision) }),
  usage: maybe(fc.record({ input: maybe(number), output: maybe(number), serviceTier: maybe(text) })),
  cost_nusd: number,
  cost_estimated: fc.boolean(),
  ending: fc.constantFrom('complete', 'cut'),
  failure: fc.constantFrom({ code: 'internal_error', status: 500 }, undefined),
  timings: fc.record({ total: number, upstream: maybe(number), first_token: maybe(number), overhead: maybe(number) }),
  uninspected: fc.boolean(),
  trimmed: maybe(fc.boolean()),
}) as unknown as fc.Arbitrary<OpenRecord>;

/** What is written of a caller in the open. */
function inTheOpen<T extends Pick<Intent, 'caller'>>(one: T): T {
  const { organization, team, project, key, tags } = one.caller;
  return { ...one, caller: { organization, team, project, key, tags } };
}

/** Durations as they are written. */
function toMicroseconds(one: OpenRecord): OpenRecord {
  const short = (ms: number) => (ms >= 0 && ms < 1e9 ? Math.round(ms * 1000) / 1000 : ms);
  const each = (times: OpenRecord['timings']) =>
    Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, ms === undefined ? ms : short(ms)]));
  return {
    ...one,
    attempts: one.attempts.map((attempt) => ({ ...attempt, ms: short(attempt.ms) })),
    timings: each(one.timings) as unknown as OpenRecord['timings'],
  };
}

test('a record and an intent say what JSON.stringify would have them say, and nothing personal of the caller', () => {
  fc.assert(
    fc.property(record, (one) => {
      expect(JSON.parse(recordJson(one))).toEqual(JSON.parse(JSON.stringify(toMicroseconds(inTheOpen(one)))));
      expect(recordJson(one)).toBe(spelled.recordJson(one));
      const begun = inTheOpen(one as AuditRecord);
      const { exchange, request_id, time_ms, route, format, caller: who, model_asked, model_used } = begun;
      const { provider, region, streamed, held_nusd, program, prices, uninspected, passed } = begun;
      const names = { exchange, request_id, time_ms, route, format, caller: who, model_asked, model_used, provider };
      const told: Intent = { ...names, region, streamed, held_nusd, program, prices, uninspected, passed };
      expect(intentJson({ ...told, caller: one.caller })).toBe(JSON.stringify(told));
    }),
    { numRuns: 500 },
  );
});

test('texts that come again are written as they are each time, whatever came between', () => {
  const begin = (model: string) =>
    intentJson({
      exchange: 'x',
      request_id: 'x',
      time_ms: 1,
      route: '/v1',
      caller: {},
      model_asked: model,
      streamed: false,
      held_nusd: 0,
    });
  for (let round = 0; round < 2; round += 1) {
    for (let index = 0; index < 3000; index += 1) {
      expect(JSON.parse(begin(`m"${index}`)).model_asked).toBe(`m"${index}`);
    }
  }
});

test('what callers asked for before is told of no call that differs in it', () => {
  const few = (...texts: string[]) => fc.constantFrom(...texts);
  const callers = ['one', 'two'].map((team) => Object.freeze({ team, ip: '127.0.0.1' }));
  const asking = fc.record({
    route: few('/v1/chat/completions', '/v1/messages'),
    format: fc.constantFrom('openai', 'anthropic', undefined),
    caller: fc.constantFrom(...callers),
    model_asked: fc.constantFrom('a', 'b', '\ufffd', '\ud800', 'm'.repeat(2000), '', undefined),
    model_used: fc.constantFrom('a', 'b', undefined),
    provider: fc.constantFrom('one', 'two', undefined),
    region: fc.constantFrom('eu', undefined),
    streamed: fc.boolean(),
  }) as unknown as fc.Arbitrary<Omit<Intent, 'exchange' | 'request_id' | 'time_ms' | 'held_nusd'>>;
  fc.assert(
    fc.property(fc.array(asking, { maxLength: 20 }), (calls) => {
      for (const call of calls) {
        const told = { exchange: 'x', request_id: 'x', time_ms: 1, ...call, held_nusd: 0 };
        expect(intentJson(told)).toBe(JSON.stringify(inTheOpen(told)));
      }
    }),
    { numRuns: 300 },
  );
});

test('words that come again are kept, but not those as long as a caller may make them', () => {
  const words = new Words((word) => word);
  expect(words.of('gpt-4o')).toBe(words.of('gpt-4o'));
  const long = 'm'.repeat(300);
  expect(words.of(long)).toEqual(words.of(long));
  expect(words.of(long)).not.toBe(words.of(long));
});
