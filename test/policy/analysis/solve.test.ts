import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { serves } from '../../../src/policy/analysis/field.ts';
import type { Want } from '../../../src/policy/analysis/literal.ts';
import { solve } from '../../../src/policy/analysis/solve.ts';
import { compileCondition } from '../../../src/policy/condition.ts';
import type { Condition } from '../../../src/policy/policy.ts';
import { compileWhen } from '../../../src/policy/when.ts';
import { conditions, facts } from '../arbitrary.ts';

const node = (condition: Condition) => compileCondition(condition, {}, 'request');
const leaf = (operator: string, field: string, value?: unknown) => ({ operator, field, value }) as unknown as Condition;
const all = (...list: readonly Condition[]) => ({ operator: 'and', conditions: list }) as Condition;
const not = (one: Condition) => ({ operator: 'not', conditions: [one] }) as Condition;
const solved = (condition: Condition, want: Want = 'true') => solve([{ node: node(condition), want }]);
const wants: readonly Want[] = ['true', 'false', 'not_true', 'not_false'];

describe('looking for facts', () => {
  it('is right: what it finds serves, and where it finds nothing nothing does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ condition: conditions, want: fc.constantFrom(...wants) }), { minLength: 1, maxLength: 3 }),
        fc.array(facts, { minLength: 40, maxLength: 40 }),
        (wished, given) => {
          const goals = wished.map(({ condition, want }) => ({ node: node(condition), want }));
          const answer = solve(goals);
          const good = (tree: object) => goals.every((goal) => serves(goal.node.test(tree as never), goal.want));
          expect(answer.kind).not.toBe('unknown');
          if (answer.kind === 'possible') expect(good(answer.facts)).toBe(true);
          else expect(given.filter(good)).toEqual([]);
        },
      ),
      { numRuns: 1_500 },
    );
  });

  it('is right about orders, lists, networks and texts that are compared with each other', () => {
    const values = ['10.0.0.0/8', '10.1.0.0/16', '192.168.1.7', '2001:db8::/32'];
    const texts = ['a', 'ab', 'b', 'ba', 'abc'];
    const one = fc
      .oneof(
        fc.tuple(
          fc.constantFrom('gt', 'gte', 'lt', 'lte', 'eq', 'ne'),
          fc.constantFrom('metadata.x', 'llm.model'),
          fc.constantFrom(...texts),
        ),
        fc.tuple(
          fc.constantFrom('starts_with', 'ends_with', 'contains', 'not_contains', 'glob'),
          fc.constantFrom('metadata.x', 'llm.model'),
          fc.constantFrom(...texts),
        ),
        fc.tuple(fc.constant('cidr'), fc.constant('request.ip'), fc.subarray(values, { minLength: 1 })),
        fc.tuple(fc.constantFrom('gt', 'lt', 'eq', 'ne'), fc.constant('metadata.x'), fc.constantFrom(1, 1.5, 2)),
        fc.tuple(
          fc.constantFrom('in', 'not_in', 'any', 'all', 'none'),
          fc.constant('metadata.x'),
          fc.subarray(['a', 'ab', 1], { minLength: 1 }),
        ),
        fc.tuple(fc.constant('exists'), fc.constantFrom('metadata.x', 'llm.model', 'request.ip'), fc.boolean()),
      )
      .map(([operator, field, value]) => leaf(operator, field, value));
    const given = [
      '',
      'a',
      'a\0',
      'ab',
      'abc',
      'b',
      'ba',
      'aab',
      'bab',
      'z',
      1,
      1.25,
      1.5,
      2,
      3,
      true,
      [],
      ['a'],
      ['a', 'ab'],
      ['ab', 1],
      undefined,
    ];
    const addresses = [
      '10.0.0.1',
      '10.1.2.3',
      '10.2.0.0',
      '192.168.1.7',
      '192.168.1.8',
      '2001:db8::1',
      '::1',
      'x',
      undefined,
    ];
    fc.assert(
      fc.property(fc.array(fc.tuple(one, fc.constantFrom(...wants)), { minLength: 1, maxLength: 5 }), (wished) => {
        const goals = wished.map(([condition, want]) => ({ node: node(condition), want }));
        const good = (tree: object) => goals.every((goal) => serves(goal.node.test(tree as never), goal.want));
        const answer = solve(goals);
        if (answer.kind === 'possible') expect(good(answer.facts)).toBe(true);
        if (answer.kind !== 'impossible') return;
        for (const x of given)
          for (const model of given.filter((value) => typeof value === 'string' || value === undefined))
            for (const ip of addresses) expect(good({ metadata: { x }, llm: { model }, request: { ip } })).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it('says in words what stands against each other, and no more than that', () => {
    const both = all(
      leaf('eq', 'team.tier', 'free'),
      leaf('gt', 'llm.estimatedCost', 1),
      leaf('eq', 'team.tier', 'pro'),
    );
    expect(solved(both)).toEqual({ kind: 'impossible', reasons: ['team.tier is pro and team.tier is free'] });
    const range = all(leaf('gt', 'llm.estimatedCost', 2), leaf('lt', 'llm.estimatedCost', 2));
    expect(solved(range)).toMatchObject({ kind: 'impossible' });
    expect(
      solved(all(leaf('cidr', 'request.ip', '10.1.0.0/16'), not(leaf('cidr', 'request.ip', '10.0.0.0/8')))),
    ).toMatchObject({ kind: 'impossible' });
  });

  it('does not claim what it did not look into', () => {
    const pattern = all(leaf('matches', 'llm.model', '^a+$'), leaf('matches', 'llm.model', '^b+$'));
    expect(solved(pattern)).toMatchObject({ kind: 'unknown' });
    const hidden = compileWhen('size(user.roles) > 3 && size(user.roles) < 2', 'request', {});
    expect(solve([{ node: hidden, want: 'true' }])).toMatchObject({ kind: 'unknown' });
    const wide = all(
      ...Array.from({ length: 14 }, (_, i) => ({
        operator: 'or' as const,
        conditions: [leaf('eq', `metadata.a${i}`, 1), leaf('eq', `metadata.b${i}`, 1)],
      })),
      not(leaf('exists', 'team.tier')),
      leaf('starts_with', 'team.tier', 'f'),
    );
    expect(['unknown', 'impossible']).toContain(solved(wide).kind);
  });

  it('finds texts for patterns, and values for expressions', () => {
    expect(solved(leaf('matches', 'llm.model', '^(gpt|claude)-[0-9]{2}(?:-mini)?$'))).toMatchObject({
      kind: 'possible',
    });
    expect(solved(all(leaf('glob', 'llm.model', 'gpt-*'), leaf('contains', 'llm.model', 'mini')))).toMatchObject({
      kind: 'possible',
    });
    const expression = compileWhen('llm.estimatedCost * 2.0 > 7.0 && team.tier == "free"', 'request', {});
    expect(solve([{ node: expression, want: 'true' }])).toMatchObject({
      kind: 'possible',
      facts: { team: { tier: 'free' } },
    });
  });
});
