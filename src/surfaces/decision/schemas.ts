import Type, { type TSchema } from 'typebox';
import { batch_max } from './asked.ts';

const closed = { additionalProperties: false } as const;
const text = Type.String();
const texts = Type.Array(text);
const count = Type.Integer({ minimum: 0 });
const time = Type.String({ format: 'date-time' });
const facts = Type.Record(Type.String(), Type.Unknown(), { description: 'Facts by their names' });
const effect = Type.Enum(['allow', 'deny', 'approve', 'throttle', 'modify', 'warn', 'audit']);
/** An object whose fields may grow with the language. */
const open = <T extends Record<string, TSchema>>(properties: T) => Type.Object(properties);

export const askSchema = Type.Object(
  { requestId: Type.Optional(text), context: Type.Record(Type.String(), Type.Unknown(), { description: 'Facts' }) },
  { ...closed, title: 'Evaluation' },
);
export const batchSchema = Type.Union(
  [
    Type.Array(askSchema, { minItems: 1, maxItems: batch_max }),
    Type.Object({ contexts: Type.Array(facts, { minItems: 1, maxItems: batch_max }) }, closed),
  ],
  { title: 'EvaluationBatch' },
);

const doubt = open({ rule: text, fact: text, reason: text });
export const decisionSchema = open({
  decision: effect,
  allowed: Type.Boolean(),
  reason: text,
  policyId: Type.Optional(text),
  policyVersion: Type.Optional(text),
  status: Type.Optional(Type.Integer()),
  code: Type.Optional(text),
  matchedPolicies: texts,
  matchedRules: texts,
  determining: texts,
  overridden: texts,
  shadowed: Type.Array(open({ rule: text, decision: effect, reason: text, unable: Type.Boolean() })),
  obligations: Type.Array(open({ type: text, rule: text })),
  modifications: open({ redact: Type.Array(open({ rule: text })), set: facts, remove: texts, addTags: texts }),
  errors: Type.Array(doubt),
  unable: Type.Array(doubt),
  warnings: texts,
  tags: texts,
  blockedByRail: Type.Boolean(),
  metrics: Type.Optional(Type.Record(Type.String(), texts)),
});
const answered = {
  requestId: text,
  decision: decisionSchema,
  principal: text,
  action: text,
  resource: text,
  facts,
  program: text,
  evaluationTimeMs: Type.Number({ minimum: 0 }),
  cached: Type.Boolean(),
  timestamp: time,
};
export const answerSchema = Type.Object(answered, { ...closed, title: 'EvaluateResponse' });
export const batchAnswerSchema = Type.Object({ results: Type.Array(answerSchema), count }, closed);
const outcome = Type.Enum(['true', 'false', 'unable']);
export const explainAnswerSchema = Type.Object(
  {
    ...answered,
    explanation: open({
      decision: decisionSchema,
      rules: Type.Array(open({ rule: text, effect, enforced: Type.Boolean(), outcome })),
      text,
    }),
  },
  { ...closed, title: 'ExplainResponse' },
);

export const policyViewSchema = open({
  id: text,
  namespace: text,
  version: text,
  status: Type.Enum(['draft', 'active', 'shadow', 'deprecated', 'disabled']),
  priority: Type.Number(),
  rules: count,
  hash: text,
  source: Type.Enum(['file', 'managed']),
  readonly: Type.Boolean(),
  name: Type.Optional(text),
  tags: texts,
  category: text,
  tested: Type.Boolean(),
});
export const policyListSchema = Type.Object(
  { policies: Type.Array(policyViewSchema), count, program: text, revision: count },
  closed,
);
export const policyAnswerSchema = Type.Intersect([policyViewSchema, open({ text })]);
export const versionsSchema = Type.Object(
  {
    id: text,
    namespace: text,
    versions: Type.Array(
      open({
        number: count,
        version: text,
        hash: text,
        by: text,
        at: time,
        change_summary: Type.Optional(text),
        rollback_of: Type.Optional(count),
        tests: Type.Optional(count),
      }),
    ),
  },
  closed,
);
/** Policies as a body: as they are written, or beside tests of theirs. A policy's own keys are the language's affair. */
export const publishSchema = Type.Union(
  [
    Type.Object(
      { text: Type.String({ minLength: 1, description: 'Policies, YAML or JSON' }), tests: Type.Optional(text) },
      closed,
    ),
    open({ metadata: facts, rules: Type.Array(facts) }),
  ],
  { title: 'Publication' },
);
export const publishedSchema = Type.Object(
  { policies: Type.Array(policyViewSchema), program: text, revision: count, tests: Type.Optional(count) },
  closed,
);
export const rollbackSchema = Type.Object(
  { version: Type.Integer({ minimum: 1, description: 'The number of a version' }) },
  closed,
);
export const unloadedSchema = Type.Object({ id: text, namespace: text, unloaded: Type.Boolean() }, closed);
export const validatedSchema = Type.Object(
  {
    valid: Type.Boolean(),
    policies: Type.Array(open({ id: text, namespace: text, version: text, rules: count })),
    problems: Type.Array(
      open({ file: text, line: count, column: count, message: text, suggestion: Type.Optional(text) }),
    ),
  },
  closed,
);
export const testSchema = Type.Object(
  {
    tests: Type.String({ minLength: 1, description: 'A file of policy tests, YAML or JSON' }),
    policies: Type.Optional(
      Type.String({ minLength: 1, description: 'Policies they are run on, before those in force' }),
    ),
  },
  closed,
);
export const testedSchema = Type.Object(
  {
    name: text,
    passed: count,
    failed: count,
    results: Type.Array(open({ name: text, passed: Type.Boolean(), failures: texts, decision: decisionSchema })),
  },
  closed,
);

export const simulateSchema = Type.Object(
  {
    policies: Type.String({ minLength: 1, description: 'Policies, instead of those of the same names in force' }),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, description: 'Newest calls replayed; default all of late' }),
    ),
  },
  closed,
);
const usd = Type.Number({ minimum: 0 });
export const simulatedSchema = Type.Object(
  {
    program: text,
    exchanges: count,
    same: count,
    changed: count,
    unknown: count,
    unrecorded: Type.Record(text, count),
    skipped: count,
    changes: Type.Array(
      Type.Object(
        {
          ...{ from: text, to: text, rule: text, was: texts, count },
          ...{ saved_usd: usd, added_usd: usd, unpriced: count, exchanges: texts },
        },
        closed,
      ),
    ),
    saved_usd: usd,
    added_usd: usd,
    unpriced: count,
  },
  closed,
);

const tally = Type.Record(Type.String(), count);
export const latelySchema = open({
  kind: Type.Enum(['evaluation', 'call']),
  requestId: text,
  timestamp: time,
  organization: text,
  team: text,
  key: text,
  decision: text,
  allowed: Type.Boolean(),
  reason: text,
  determining: texts,
  unable: texts,
});
export const evaluationsSchema = Type.Object({ evaluations: Type.Array(latelySchema), count }, closed);
export const enforcementSchema = Type.Object(
  { decisions: Type.Array(latelySchema), count, by_decision: tally, by_rule: tally },
  closed,
);
const standing = { denials: count, unable: count };
export const complianceSchema = Type.Object(
  {
    program: text,
    since: Type.Union([time, Type.Null()]),
    decisions: count,
    categories: Type.Array(
      Type.Object({ category: text, policies: count, active: count, tested: count, ...standing }, closed),
    ),
    policies: Type.Array(
      Type.Object(
        { id: text, namespace: text, version: text, category: text, status: text, tested: Type.Boolean(), ...standing },
        closed,
      ),
    ),
  },
  closed,
);
export const figuresSchema = Type.Object(
  {
    evaluations: Type.Object(
      { total: count, by_decision: tally, ms_total: Type.Number(), ms_max: Type.Number() },
      closed,
    ),
    policies: count,
    rules: count,
    program: text,
    revision: count,
    streams: count,
    uptime_seconds: Type.Number(),
  },
  closed,
);
export const healthSchema = Type.Object({ status: Type.Enum(['ok']) }, closed);
export const errorSchema = Type.Object(
  { error: open({ message: text, type: text, param: Type.Union([text, Type.Null()]), code: text }) },
  { ...closed, title: 'Error' },
);
