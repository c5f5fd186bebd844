import { limitUnits, retryCodes } from './action-obligations.ts';
import { factNames } from './facts.ts';
import { callOperators } from './function-condition.ts';
import { functionNames } from './functions/catalog.ts';
import { leafOperators } from './operators.ts';
import { paramTypes } from './parse-params.ts';
import { effects, limitScopes, limitWindows, onErrors, phases, statuses, streamModes } from './policy.ts';
import { railNames, railTypes } from './rails.ts';
import { whenLimits } from './when.ts';

const text = { type: 'string', minLength: 1 };
const id = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$' };
const texts = { type: 'array', items: text, minItems: 1 };
const flag = { type: 'boolean' };
const param = { type: 'string', pattern: '\\$\\{params\\.' };
const figure = { anyOf: [{ type: 'integer', minimum: 0 }, param] };
const closed = (properties: object, required: readonly string[] = []) => ({
  type: 'object',
  additionalProperties: false,
  properties,
  required,
});
const ref = (name: string) => ({ $ref: `#/$defs/${name}` });
const railEntries = railNames
  .filter((rail) => rail !== 'patterns')
  .flatMap((rail) => [rail, ...(railTypes(rail) ?? []).map((type) => `${rail}/${type}`)]);

const redact = closed({
  rails: {
    type: 'array',
    minItems: 1,
    items: { anyOf: [{ enum: railEntries }, { type: 'string', pattern: '^secrets/|^injection/' }] },
  },
  patterns: { ...texts, description: 'Expressions in RE2 syntax' },
  literals: texts,
  with: { type: 'string', description: `Placeholder; \${type} is the type of the finding` },
});

const audit = closed({
  content: { enum: ['none'] },
  severity: { enum: ['info', 'low', 'medium', 'high', 'critical'] },
  alert: flag,
});

const actionKeys = {
  reason: { type: 'string', description: `For the caller; may hold \${fact} and \${params.name}` },
  status: { type: 'integer', minimum: 400, maximum: 599 },
  code: { type: 'string', pattern: '^[a-z][a-z0-9_]{0,63}$' },
  final: flag,
  substitute_model: text,
  cap_max_tokens: {
    description:
      'Output tokens a choice may have; affordable: no more than the budgets afford, refused below a minimum',
    anyOf: [
      { type: 'integer', minimum: 1 },
      { const: 'affordable' },
      param,
      closed({ affordable_tokens_min: { anyOf: [{ type: 'integer', minimum: 1 }, param] } }, ['affordable_tokens_min']),
    ],
  },
  redact,
  set: { type: 'object', minProperties: 1 },
  remove: texts,
  add_tags: texts,
  route_to: { description: 'provider or provider/model, in the order to try', anyOf: [text, texts] },
  prepend_system: { ...text, description: `Stands before the system prompt; may hold \${params.name}` },
  retry: closed(
    {
      when: { type: 'array', minItems: 1, items: { enum: [...retryCodes] } },
      max: { anyOf: [{ type: 'integer', minimum: 0, maximum: 10 }, param] },
    },
    ['max'],
  ),
  limit: closed(
    {
      ...Object.fromEntries(limitUnits.map((unit) => [unit, figure])),
      per: { enum: [...limitScopes] },
      window: { enum: Object.keys(limitWindows) },
    },
    ['per'],
  ),
  queue_ms: { ...figure, description: 'throttle: how long a call may wait for room; default 0' },
  role: { ...text, description: 'approve: who may approve' },
  ttl_seconds: { ...figure, description: 'approve: how long an approval can be given and used; default a day' },
  metadata: { type: 'object' },
  audit,
  tags: texts,
  metrics: texts,
};

const value = { type: ['string', 'number', 'boolean', 'array'] };
const declaration = {
  anyOf: [
    value,
    closed({ type: { enum: [...paramTypes] }, default: value, enum: { type: 'array' }, description: text }),
  ],
};
const policyRef = { policy: text, version: { ...text, description: 'A range, such as ^1.2.0' } };
const inclusion = {
  anyOf: [text, closed({ ...policyRef, priority_offset: { type: 'integer' }, when: text }, ['policy'])],
};

/** JSON Schema of policy documents, for editors. The parser is stricter: it also checks facts' types and expressions. */
export const policySchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'LLM policy',
  ...closed(
    {
      metadata: closed(
        {
          id,
          name: text,
          version: { type: 'string', pattern: '^\\d+\\.\\d+\\.\\d+' },
          namespace: id,
          priority: { type: 'integer', description: 'Higher first; default 0' },
          tags: texts,
          owner: text,
          description: text,
          change_summary: text,
          created_at: text,
          updated_at: text,
          created_by: text,
        },
        ['id'],
      ),
      status: { enum: [...statuses] },
      on_error: { enum: [...onErrors], description: 'What an error or an unable fact means' },
      applies_to: { type: 'object', minProperties: 1, description: 'Guard: facts and the values they must have' },
      params: { type: 'object', additionalProperties: declaration },
      templates: {
        type: 'object',
        additionalProperties: closed({ params: { type: 'object' }, rule: { type: 'object' }, description: text }, [
          'rule',
        ]),
      },
      extends: { anyOf: [text, closed(policyRef, ['policy'])] },
      include: { anyOf: [inclusion, { type: 'array', minItems: 1, items: inclusion }] },
      rules: { type: 'array', items: ref('rule') },
      tests: { anyOf: [text, texts] },
    },
    ['metadata'],
  ),
  $defs: {
    rule: closed(
      {
        id,
        name: text,
        description: text,
        enabled: flag,
        on: { enum: [...phases] },
        stream: { enum: [...streamModes] },
        condition: ref('condition'),
        when: { ...text, maxLength: whenLimits.characters, description: 'A CEL expression, instead of a condition' },
        wasm: closed(
          {
            module: { type: 'string', pattern: '\\.wasm$' },
            inputs: { type: 'array', minItems: 1, items: ref('fact') },
            deadline_ms: { type: 'integer', minimum: 1 },
            sha256: { type: 'string', pattern: '^[0-9a-f]{64}$' },
            trusted: { ...flag, description: 'Runs in the thread that decides, where nothing can interrupt it' },
            cache: closed(
              {
                ttl_seconds: { type: 'integer', minimum: 1, maximum: 86_400 },
                shared: { ...flag, description: 'Gateways on one Redis share what modules said' },
              },
              ['ttl_seconds'],
            ),
          },
          ['module', 'inputs'],
        ),
        action: ref('action'),
        audit,
        tags: texts,
        metrics: { ...texts, description: 'Counters a match counts in' },
        template: { ...text, description: 'A template of this policy; what the rule says itself stands before it' },
        with: { type: 'object', description: "Values of the template's parameters" },
      },
      ['id'],
    ),
    condition: {
      anyOf: [
        closed(
          { operator: { enum: ['and', 'or'] }, conditions: { type: 'array', minItems: 1, items: ref('condition') } },
          ['operator', 'conditions'],
        ),
        closed(
          {
            operator: { const: 'not' },
            conditions: { type: 'array', minItems: 1, maxItems: 1, items: ref('condition') },
          },
          ['operator', 'conditions'],
        ),
        closed({ operator: { enum: [...leafOperators] }, field: ref('fact'), value: {} }, ['operator', 'field']),
        closed(
          {
            function: { enum: [...functionNames()] },
            args: { type: 'array' },
            operator: { enum: [...callOperators] },
            value: {},
          },
          ['function'],
        ),
      ],
    },
    fact: {
      anyOf: [
        { enum: [...factNames()] },
        { type: 'string', pattern: '^(metadata|provider|price|request\\.headers)\\.' },
      ],
    },
    action: {
      anyOf: [
        closed({ decision: { enum: [...effects] }, ...actionKeys }, ['decision']),
        closed({ decision: { const: 'dryrun' }, action: ref('action'), reason: text }, ['decision', 'action']),
      ],
    },
  },
} as const;
