import fc from 'fast-check';
import { type Condition, checkPolicy, type FactTree, type Policy, Unable } from '../../src/policy/index.ts';
import { asWhen } from './as-when.ts';

const tiers = ['free', 'pro', 'team'];
const models = ['gpt-4o', 'gpt-4o-mini', 'claude'];
const types = ['card', 'iban', 'email'];

const leaf = fc.oneof(
  fc.record({
    operator: fc.constantFrom('eq', 'ne'),
    field: fc.constant('team.tier'),
    value: fc.constantFrom(...tiers),
  }),
  fc.record({
    operator: fc.constantFrom('in', 'not_in'),
    field: fc.constant('llm.model'),
    value: fc.subarray(models, { minLength: 1 }),
  }),
  fc.record({
    operator: fc.constantFrom('gt', 'gte', 'lt', 'lte', 'eq'),
    field: fc.constant('llm.estimatedCost'),
    value: fc.integer({ min: 0, max: 3 }),
  }),
  fc
    .record({
      operator: fc.constantFrom('eq', 'in'),
      field: fc.constant('metadata.n'),
      value: fc.constant([1, 'a', true]),
    })
    .map((one) => (one.operator === 'eq' ? { ...one, value: 1 } : one)),
  fc.record({
    operator: fc.constant('contains'),
    field: fc.constant('user.roles'),
    value: fc.constantFrom('admin', 'dev'),
  }),
  fc.record({
    operator: fc.constantFrom('any', 'all', 'none'),
    field: fc.constant('rails.pii.types'),
    value: fc.subarray(types, { minLength: 1 }),
  }),
  fc.record({ operator: fc.constant('exists'), field: fc.constantFrom('team.tier', 'user.roles', 'rails.pii.found') }),
);

const { condition } = fc.letrec((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.record({
      operator: fc.constantFrom('and', 'or'),
      conditions: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ operator: fc.constant('not'), conditions: fc.array(tie('condition'), { minLength: 1, maxLength: 1 }) }),
  ),
}));

const reason = fc.constantFrom('no', 'cost is $' + '{llm.estimatedCost}');
const action = fc.oneof(
  fc.record({ decision: fc.constantFrom('deny', 'warn', 'audit', 'allow'), reason }),
  fc.constant({ decision: 'allow', final: true }),
  fc.record({
    decision: fc.constant('modify'),
    cap_max_tokens: fc.oneof(
      fc.integer({ min: 1, max: 9 }),
      fc.constant('affordable'),
      fc.record({ affordable_tokens_min: fc.integer({ min: 1, max: 9 }) }),
    ),
  }),
  fc.record({
    decision: fc.constant('modify'),
    redact: fc.record({ rails: fc.subarray(['pii', 'pii/card', 'secrets'], { minLength: 1 }) }),
  }),
  fc.record({
    decision: fc.constant('throttle'),
    limit: fc.record({
      requests: fc.integer({ min: 1, max: 3 }),
      per: fc.constantFrom('team', 'user'),
      window: fc.constantFrom('minute', 'hour'),
    }),
    queue_ms: fc.constantFrom(0, 100),
  }),
  fc.record({
    decision: fc.constant('throttle'),
    limit: fc.record({ concurrent: fc.integer({ min: 1, max: 3 }), per: fc.constant('key') }),
  }),
  fc.record({
    decision: fc.constant('approve'),
    role: fc.constantFrom('boss', 'chief'),
    ttl_seconds: fc.constantFrom(60, 600),
    reason,
  }),
  fc.record({
    decision: fc.constant('modify'),
    route_to: fc.constantFrom(['eu'], ['us/small', 'eu']),
  }),
  fc.record({ decision: fc.constant('modify'), substitute_model: fc.constantFrom('small', 'tiny') }),
  fc.record({ decision: fc.constant('modify'), prepend_system: fc.constantFrom('Be brief.', 'Be kind.') }),
  fc.record({
    decision: fc.constant('modify'),
    retry: fc.record(
      {
        when: fc.subarray(['upstream_error', 'upstream_timeout'], { minLength: 1 }),
        max: fc.integer({ min: 0, max: 3 }),
      },
      { requiredKeys: ['max'] },
    ),
  }),
  fc.record({
    decision: fc.constant('modify'),
    add_tags: fc.constant(['t']),
    set: fc.record({ temperature: fc.constantFrom(0, 1) }),
  }),
);

const written = fc.constantFrom('condition', 'condition', 'when', 'hidden');

function asked(condition: Condition, as: string): object {
  return as === 'condition' ? { condition } : { when: asWhen(condition, as === 'hidden') };
}

/** Conditions of facts that `facts` gives. */
export const conditions = condition as fc.Arbitrary<Condition>;

/** Some valid policies: distinct ids, random priorities, guards, conditions and actions. */
export function policies(
  status: fc.Arbitrary<string> = fc.constantFrom('active', 'active', 'active', 'shadow'),
): fc.Arbitrary<readonly Policy[]> {
  const body = fc.record(
    {
      namespace: fc.constantFrom('a', 'b'),
      priority: fc.constantFrom(0, 1, 2),
      status,
      guard: fc.option(fc.subarray(tiers, { minLength: 1 }), { nil: undefined }),
      on_error: fc.constantFrom(undefined, 'deny', 'skip', 'warn'),
      rules: fc.array(
        fc.record({ condition: fc.option(condition, { nil: undefined, freq: 8 }), action, as: written }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
    },
    { noNullPrototype: true },
  );
  return fc.array(body, { minLength: 1, maxLength: 6 }).map((bodies) =>
    bodies.map((one, i) =>
      checkPolicy({
        metadata: { id: `p${i}`, version: '1.0.0', namespace: one.namespace, priority: one.priority },
        status: one.status,
        ...(one.on_error === undefined ? {} : { on_error: one.on_error }),
        ...(one.guard === undefined ? {} : { applies_to: { 'team.tier': one.guard } }),
        rules: one.rules.map((rule, r) => ({
          id: `r${r}`,
          action: rule.action,
          ...(rule.condition === undefined ? {} : asked(rule.condition as Condition, rule.as)),
        })),
      } as unknown as Policy),
    ),
  );
}

const bad = fc.constant(new Unable('out of reach'));
const maybe = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof(
    { weight: 4, arbitrary: value },
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: bad },
  );

/** Facts the generated policies read: there, missing, unable, or of the wrong type. */
export const facts: fc.Arbitrary<FactTree> = fc.record({
  team: fc.oneof(
    { weight: 8, arbitrary: fc.record({ tier: maybe(fc.constantFrom<unknown>(...tiers, 7)) }) },
    { weight: 1, arbitrary: bad },
  ),
  llm: fc.record({
    model: maybe(fc.constantFrom(...models)),
    estimatedCost: maybe(fc.constantFrom<unknown>(0, 1, 2, 3, Number.NaN, '2')),
  }),
  metadata: fc.record({ n: maybe(fc.constantFrom<unknown>(1, 'a', true, 2, null, [1], {}, Number.NaN)) }),
  user: maybe(fc.record({ roles: maybe(fc.subarray(['admin', 'dev'])) })),
  rails: fc.record({ pii: maybe(fc.record({ found: maybe(fc.boolean()), types: maybe(fc.subarray(types)) })) }),
});
