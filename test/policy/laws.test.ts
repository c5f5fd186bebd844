import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideNaive } from '../../src/policy/decide.ts';
import {
  checkPolicy,
  compile,
  type Decision,
  decide,
  explain,
  fmt,
  type Policy,
  PolicyError,
  parsePolicies,
  Unable,
} from '../../src/policy/index.ts';
import { facts, policies } from './arbitrary.ts';

/** Sets in which obligations conflict do not compile: another law's business. */
function program(set: readonly Policy[], fallback: 'allow' | 'deny' = 'allow') {
  try {
    return compile(set, { default: fallback });
  } catch (thrown) {
    if (thrown instanceof PolicyError && thrown.message.includes('want different values'))
      return fc.pre(false) as never;
    throw thrown;
  }
}

const again = (policy: Policy, change: object) => checkPolicy({ ...policy, ...change } as Policy);
const outcome = ({ shadowed: _s, unable: _u, errors: _e, ...rest }: Decision) => rest;
/** As many as a busy machine gets through. */
const upTo = (numRuns: number) => ({ numRuns, interruptAfterTimeLimit: 15_000, markInterruptAsFailure: false });
const runs = upTo(200);

describe('laws of deciding', () => {
  it('the order in which policies are given changes nothing', () => {
    fc.assert(
      fc.property(policies(), facts, fc.infiniteStream(fc.nat()), (set, given, keys) => {
        const shuffled = set
          .map((policy) => ({ policy, key: keys.next().value as number }))
          .sort((a, b) => a.key - b.key);
        const other = program(shuffled.map(({ policy }) => policy));
        expect(other.id).toBe(program(set).id);
        expect(decide(other, 'request', given)).toEqual(decide(program(set), 'request', given));
      }),
      runs,
    );
  });

  it('the index finds what looking at every rule finds', () => {
    fc.assert(
      fc.property(policies(), facts, fc.constantFrom('allow', 'deny'), (set, given, fallback) => {
        const compiled = program(set, fallback);
        expect(decide(compiled, 'request', given)).toEqual(decideNaive(compiled, 'request', given));
      }),
      upTo(800),
    );
  });

  it('a rule that cannot match changes nothing', () => {
    const never = {
      operator: 'and',
      conditions: ['free', 'pro'].map((value) => ({ operator: 'eq', field: 'metadata.impossible', value })),
    };
    fc.assert(
      fc.property(policies(), facts, fc.integer({ min: -5, max: 5 }), (set, given, priority) => {
        const [extra] = parsePolicies(
          JSON.stringify({
            metadata: { id: 'zz', priority },
            rules: [{ id: 'never', condition: never, action: { decision: 'deny' } }],
          }),
        );
        expect(decide(program([...set, extra!]), 'request', given)).toEqual(decide(program(set), 'request', given));
      }),
      runs,
    );
  });

  it('a shadow policy never changes an outcome, and its matches are told', () => {
    fc.assert(
      fc.property(
        policies(fc.constant('active')),
        policies(fc.constant('active')),
        facts,
        (enforced, watched, given) => {
          const shadows = watched.map((policy) =>
            again(policy, { metadata: { ...policy.metadata, id: `s-${policy.metadata.id}` }, status: 'shadow' }),
          );
          const together = decide(program([...enforced, ...shadows]), 'request', given);
          expect(outcome(together)).toEqual(outcome(decide(program(enforced), 'request', given)));
          const alone = decide(program(shadows), 'request', given);
          expect(together.shadowed).toEqual(alone.shadowed);
        },
      ),
      runs,
    );
  });

  it('formatting changes no decision and no content', () => {
    fc.assert(
      fc.property(policies(), facts, (set, given) => {
        const formatted = set.flatMap((policy) => parsePolicies(fmt(policy)));
        expect(formatted.map(fmt)).toEqual(set.map(fmt));
        expect(program(formatted).id).toBe(program(set).id);
        expect(decide(program(formatted), 'request', given)).toEqual(decide(program(set), 'request', given));
      }),
      upTo(150),
    );
  });

  it('a deny rule whose other comparisons are true is never allowed by an unable fact', () => {
    fc.assert(
      fc.property(policies(fc.constant('active')), facts, (set, given) => {
        // The rule's own comparison cannot be told; everything else about it holds; nothing above it is final.
        const [rule] = parsePolicies(
          JSON.stringify({
            metadata: { id: 'guard', priority: 1000 },
            rules: [
              {
                id: 'deny',
                condition: {
                  operator: 'and',
                  conditions: [
                    { operator: 'eq', field: 'key.id', value: 'k' },
                    { operator: 'gte', field: 'rails.injection.score', value: 0.8 },
                  ],
                },
                action: { decision: 'deny' },
              },
            ],
          }),
        );
        const tree = {
          ...given,
          key: { id: 'k' },
          rails: { ...(given.rails as object), injection: new Unable('no model') },
        };
        const decision = decide(program([...set, rule!]), 'request', tree);
        expect(decision.allowed).toBe(false);
        expect(decision.unable).toContainEqual({
          rule: 'guard/deny',
          fact: 'rails.injection.score',
          reason: 'no model',
        });
      }),
      runs,
    );
  });

  it('an explanation tells of every matched rule that it is true, and decides the same', () => {
    fc.assert(
      fc.property(policies(), facts, (set, given) => {
        const compiled = program(set);
        const explained = explain(compiled, 'request', given);
        expect(explained.decision).toEqual(decide(compiled, 'request', given));
        const outcomes = new Map(explained.rules.map((rule) => [rule.rule, rule.outcome]));
        for (const rule of explained.decision.matchedRules) expect(outcomes.get(rule)).toBe('true');
        for (const { rule } of explained.decision.unable) expect(outcomes.get(rule)).toBe('unable');
      }),
      upTo(200),
    );
  });

  it('facts of any shape are decided on, never thrown at', () => {
    fc.assert(
      fc.property(policies(), fc.object(), (set, given) => {
        expect(typeof decide(program(set), 'request', given as Record<string, unknown>).allowed).toBe('boolean');
      }),
      upTo(200),
    );
  });
});
