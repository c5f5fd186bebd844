import fc from 'fast-check';
import type { Condition } from '../../src/policy/index.ts';
import { conditions } from './arbitrary.ts';
import { asWhen } from './as-when.ts';

/** A policy as its file has it. */
export interface PolicyDocument {
  readonly metadata: { readonly id: string; readonly namespace?: string; readonly priority?: number };
  readonly status?: string;
  readonly rules: readonly { readonly id: string; readonly action?: { readonly decision: string } }[];
  readonly [key: string]: unknown;
}

const param = (name: string) => `$\{params.${name}}`;
const reason = fc.constantFrom(
  'no',
  `cost is $\{llm.estimatedCost}`,
  `tier $\{team.tier} over ${param('usd')}`,
  undefined,
);
const modify = (obligations: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record({ decision: fc.constant('modify'), ...obligations });

/** Every decision, with every obligation. */
const enforced = fc.oneof(
  fc.record({ decision: fc.constantFrom('warn', 'audit', 'allow'), reason }),
  fc.record({
    decision: fc.constant('deny'),
    reason,
    status: fc.constantFrom(undefined, 402, 451),
    code: fc.constantFrom(undefined, 'too_dear'),
  }),
  fc.constant({ decision: 'allow', final: true }),
  fc.record({
    decision: fc.constant('throttle'),
    limit: fc.oneof(
      fc.record({
        requests: fc.constantFrom(1, 5, param('most')),
        per: fc.constantFrom('team', 'user', 'model'),
        window: fc.constantFrom('second', 'minute', 'hour', 'day'),
      }),
      fc.record({ tokens: fc.constantFrom(100, 900), per: fc.constant('key'), window: fc.constant('day') }),
      fc.record({ concurrent: fc.constantFrom(1, 2), per: fc.constantFrom('organization', 'project') }),
    ),
    queue_ms: fc.constantFrom(undefined, 0, 500),
    reason,
  }),
  fc.record({
    decision: fc.constant('approve'),
    role: fc.constantFrom('boss', param('tier')),
    ttl_seconds: fc.constantFrom(undefined, 60, 600),
    reason,
  }),
  modify({ substitute_model: fc.constantFrom('small', 'tiny') }),
  modify({ route_to: fc.constantFrom(['eu'], 'us/small', ['us/small', 'eu']) }),
  modify({ prepend_system: fc.constantFrom('Be brief.', `Be ${param('tier')}.`) }),
  modify({
    retry: fc.record({
      when: fc.constantFrom(undefined, ['upstream_error'], ['upstream_timeout', 'upstream_unreachable']),
      max: fc.constantFrom(0, 1, 3),
    }),
  }),
  modify({
    cap_max_tokens: fc.constantFrom(9, 7, param('most'), 'affordable', { affordable_tokens_min: 3 }),
    add_tags: fc.constantFrom(undefined, ['a'], ['a', 'b']),
  }),
  modify({
    redact: fc.constantFrom(
      { rails: ['pii'] },
      { rails: ['pii/card', 'secrets'], with: '[x]' },
      { patterns: ['a{1,9}b'], literals: ['word'] },
    ),
  }),
  modify({
    set: fc.constantFrom({ temperature: 0 }, { 'metadata.team': 'x' }),
    remove: fc.constantFrom(undefined, ['top_p']),
  }),
);
const action = fc.oneof(
  { weight: 6, arbitrary: enforced },
  { weight: 1, arbitrary: enforced.map((one) => ({ decision: 'dryrun', action: one })) },
);
const late = fc.record({ decision: fc.constantFrom('warn', 'audit', 'deny'), reason });

const asks = fc
  .record({ condition: conditions, as: fc.constantFrom('condition', 'when', 'params', 'expression', 'always') })
  .map(({ condition, as }): object => {
    switch (as) {
      case 'condition':
        return { condition };
      case 'when':
        return { when: asWhen(condition as Condition, false) };
      case 'params':
        return { condition: { operator: 'gt', field: 'llm.estimatedCost', value: param('usd') } };
      case 'expression':
        return { when: 'llm.estimatedCost > params.usd && team.tier == params.tier' };
      default:
        return {};
    }
  });

const extra = fc.record(
  {
    audit: fc.constantFrom({ alert: true }, { severity: 'high' }),
    tags: fc.constantFrom(['seen'], ['seen', 'dear']),
    metrics: fc.constant(['dear_calls']),
    enabled: fc.constantFrom(true, false),
  },
  { requiredKeys: [] },
);

const written = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ asks, action, extra }).map((one) => ({ ...one.asks, action: one.action, ...one.extra })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ asks, action: late })
      .map((one) => ({ ...one.asks, action: one.action, on: 'response', stream: 'buffer' })),
  },
  {
    weight: 1,
    arbitrary: fc.record({ asks, decision: fc.constantFrom('warn', 'audit') }).map((one) => ({
      ...one.asks,
      action: { decision: one.decision },
      on: 'settle',
    })),
  },
  { weight: 2, arbitrary: fc.constantFrom(0, 1, 2).map((usd) => ({ template: 'over', with: { usd } })) },
  {
    weight: 1,
    arbitrary: fc.record({ action }).map((one) => ({ template: 'over', with: { usd: 1, tier: 'pro' }, ...one })),
  },
);

const template = {
  over: {
    params: { usd: 'number', tier: { type: 'string', default: 'free' } },
    rule: {
      when: 'llm.estimatedCost > params.usd && team.tier == params.tier',
      action: { decision: 'deny', reason: `over ${param('usd')} in ${param('tier')}` },
    },
  },
};

const body = fc.record({
  priority: fc.constantFrom(undefined, 0, 1, 2),
  status: fc.constantFrom(undefined, 'active', 'active', 'deprecated', 'shadow', 'draft', 'disabled'),
  on_error: fc.constantFrom(undefined, undefined, 'deny', 'skip', 'warn'),
  guard: fc.option(fc.subarray(['free', 'pro', 'team'], { minLength: 1 }), { nil: undefined }),
  usd: fc.constantFrom(0, 1, 2),
  rules: fc.array(written, { minLength: 1, maxLength: 3 }),
  /** How it is made of one that stands before it. */
  made: fc.constantFrom('alone', 'alone', 'extends', 'includes', 'both'),
  base: fc.nat(5),
  other: fc.nat(5),
  off: fc.boolean(),
  inclusion: fc.record(
    {
      priority_offset: fc.constantFrom(-1, 1, 3),
      when: fc.constantFrom('user.id != "root"', 'team.tier == params.tier'),
    },
    { requiredKeys: [] },
  ),
});

/**
 * Policies as files have them: every decision and obligation, conditions and expressions, parameters, templates, guards,
 * policies that extend and include others, and all of their states. All are of one namespace, and valid but for obligations
 * that may conflict.
 */
export const documents: fc.Arbitrary<readonly PolicyDocument[]> = fc
  .array(body, { minLength: 1, maxLength: 5 })
  .map((bodies) => {
    /** A rule that each of them has for certain. */
    const firsts: string[] = [];
    return bodies.map((one, i): PolicyDocument => {
      const base = i === 0 || !['extends', 'both'].includes(one.made) ? undefined : one.base % i;
      const other = i === 0 || !['includes', 'both'].includes(one.made) ? undefined : one.other % i;
      // An override is of the phase of what it overrides.
      const rules = one.rules.map((rule, r) => ({ id: `${'on' in rule ? rule.on : 'request'}-${r}`, ...rule }));
      firsts.push(base !== undefined && one.off ? (firsts[base] ?? '') : (rules[0]?.id ?? ''));
      return pruned({
        metadata: { id: `p${i}`, ...(one.priority === undefined ? {} : { priority: one.priority }) },
        status: one.status,
        on_error: one.on_error,
        applies_to: one.guard === undefined ? undefined : { 'team.tier': one.guard },
        params:
          base === undefined ? { usd: one.usd, tier: 'free', most: { type: 'number', default: 4 } } : { usd: one.usd },
        templates: base === undefined ? template : undefined,
        extends: base === undefined ? undefined : `p${base}`,
        include: other === undefined ? undefined : [{ policy: `p${other}`, ...one.inclusion }],
        rules: base !== undefined && one.off ? [{ id: firsts[base], enabled: false }] : rules,
      }) as PolicyDocument;
    });
  });

function pruned(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
