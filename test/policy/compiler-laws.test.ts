import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { decideNaive } from '../../src/policy/decide.ts';
import {
  checkPolicy,
  compile,
  decide,
  evaluateContext,
  type FactTree,
  type Policy,
  PolicyEngine,
  PolicyError,
  type Program,
  parsePolicies,
  Unable,
} from '../../src/policy/index.ts';
import { inside } from '../../src/policy/program.ts';
import { facts, policies } from './arbitrary.ts';

const clock = { now: () => 0, elapsed: () => 0 };

/** Undefined where obligations conflict: those sets do not compile. */
function tried(set: readonly Policy[], previous?: Program): Program | undefined {
  try {
    return compile(set, { default: 'allow', previous, emptyAllowed: true });
  } catch (thrown) {
    if (thrown instanceof PolicyError && thrown.message.includes('want different values')) return undefined;
    throw thrown;
  }
}

const needs = (program: Program) => {
  const { facts, rails } = program.needs('request');
  const types = (one: ReadonlySet<string> | 'all') => (one === 'all' ? one : [...one].sort());
  return { facts: [...facts].sort(), rails: [...rails].map(([rail, one]) => [rail, types(one)]).sort() };
};

describe('laws of compiling', () => {
  it('a set compiled from another set is the set compiled anew', () => {
    const filler = parsePolicies(
      Array.from(
        { length: 30 },
        (_, i) => `metadata: { id: filler-${i}, namespace: f${i % 3}, priority: ${i % 4} }
rules: [{ id: r, condition: { operator: eq, field: team.tier, value: free }, action: { decision: audit, reason: seen } }]
`,
      ).join('---\n'),
    );
    const steps = fc.array(policies(), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(steps, fc.array(facts, { minLength: 3, maxLength: 3 }), (sets, given) => {
        let previous: Program | undefined;
        for (const some of sets) {
          const set = [...filler, ...some];
          const changed = tried(set, previous);
          const anew = tried(set);
          expect(changed?.id).toBe(anew?.id);
          if (changed === undefined || anew === undefined) continue;
          expect(changed.policies).toEqual(anew.policies);
          expect(needs(changed)).toEqual(needs(anew));
          const refs = (program: Program) =>
            inside(program).tables.request.rules.map(({ ref, policy }) => [policy, ref]);
          expect(refs(changed)).toEqual(refs(anew));
          for (const one of given) {
            expect(decide(changed, 'request', one)).toEqual(decide(anew, 'request', one));
            expect(decide(changed, 'request', one)).toEqual(decideNaive(changed, 'request', one));
          }
          previous = changed;
        }
      }),
      { numRuns: 60 },
    );
  });

  it('rules that share an equality are told apart as looking at every one of them does', () => {
    let masked = 0;
    const value = fc.constantFrom('a', 'b', 'c');
    const rule = fc.record({
      team: fc.option(fc.uniqueArray(value, { minLength: 1, maxLength: 2 }), { nil: undefined }),
      model: fc.option(value, { nil: undefined }),
      level: fc.option(fc.constantFrom(1, 2), { nil: undefined }),
      stream: fc.option(fc.boolean(), { nil: undefined }),
      any: fc.option(fc.constantFrom<unknown>('a', 1, true), { nil: undefined }),
      cel: fc.boolean(),
    });
    const worth = (sound: fc.Arbitrary<unknown>) =>
      fc.oneof(
        { weight: 4, arbitrary: sound },
        fc.constantFrom<unknown>(undefined, null, new Unable('away'), 7, 'x', [], {}),
      );
    const given = fc.record({
      team: fc.record({ tier: worth(value) }),
      llm: fc.record({
        model: worth(value),
        temperature: worth(fc.constantFrom(1, 2, Number.NaN)),
        stream: worth(fc.boolean()),
      }),
      metadata: fc.record({ n: worth(fc.constantFrom('a', 1, true, ['a'])) }),
    });
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 400, maxLength: 500 }),
        fc.array(given, { minLength: 5, maxLength: 5 }),
        (list, trees) => {
          const leaf = (field: string, one: unknown) =>
            one === undefined ? [] : [{ operator: Array.isArray(one) ? 'in' : 'eq', field, value: one }];
          const rules = list.map(({ team, model, level, stream, any, cel }, i) => {
            const conditions = [
              { operator: 'eq', field: 'user.region', value: 'eu' },
              ...leaf('team.tier', team),
              ...leaf('llm.model', model),
              ...leaf('llm.temperature', level),
              ...leaf('llm.stream', stream),
              ...leaf('metadata.n', any),
            ];
            const sign = (one: unknown) => (Array.isArray(one) ? 'in' : '==');
            const when = conditions
              .map((one) => `${one.field} ${sign(one.value)} ${JSON.stringify(one.value)}`)
              .join(' && ');
            return {
              id: `r${i}`,
              action: { decision: 'audit' },
              ...(cel ? { when } : { condition: { operator: 'and', conditions } }),
            };
          });
          const program = compile([checkPolicy({ metadata: { id: 'p' }, rules } as unknown as Policy)]);
          const { fields } = inside(program).tables.request.index;
          if (fields.some(({ byValue }) => [...byValue.values()].some(({ masks }) => masks !== undefined))) masked++;
          for (const tree of trees)
            for (const region of ['eu', new Unable('away')]) {
              const one = { ...tree, user: { region } } as FactTree;
              expect(decide(program, 'request', one)).toEqual(decideNaive(program, 'request', one));
            }
        },
      ),
      { numRuns: 12 },
    );
    expect(masked).toBeGreaterThan(6);
  });

  it('a replay of the facts in a decision record is the decision', () => {
    const unflat = (flat: Readonly<Record<string, unknown>>): FactTree => {
      const tree: Record<string, unknown> = {};
      for (const [name, value] of Object.entries(flat)) {
        const parts = name.split('.');
        let at = tree;
        for (const part of parts.slice(0, -1)) {
          at[part] ??= {};
          at = at[part] as Record<string, unknown>;
        }
        const why =
          typeof value === 'string' && value.startsWith('unable: ') ? value.slice('unable: '.length) : undefined;
        at[parts.at(-1)!] = why === undefined ? value : new Unable(why);
      }
      return tree;
    };
    fc.assert(
      fc.property(policies(), facts, (set, given) => {
        const program = tried(set);
        fc.pre(program !== undefined);
        const record = evaluateContext(program!, given, { requestId: 'r', clock });
        expect(decide(program!, 'request', unflat(record.facts))).toEqual(record.decision);
      }),
      { numRuns: 500 },
    );
  });
});

describe('folding', () => {
  const ruleOf = (when: string, params = '') =>
    inside(
      compile(
        parsePolicies(
          `metadata: { id: p }\n${params}\nrules: [{ id: r, when: '${when}', action: { decision: deny } }]\n`,
        ),
      ),
    );

  test.each([
    ['true', []],
    ['1.0 < 2.0 || rails.pii.found', []],
    ['params.on || rails.pii.found', []],
    ['!params.on && rails.pii.found', undefined],
    ['params.on && llm.model == "m"', ['llm.model']],
    ['size([1, 2].filter(x, x > 1)) == 1', []],
    ['llm.model == "m" || (params.cap > 9.0 && rails.pii.found)', ['llm.model']],
  ])('%s', (when, wanted) => {
    const { tables } = ruleOf(when, 'params: { on: true, cap: 5 }');
    const [rule] = tables.request.rules;
    expect(rule?.live).toBe(wanted !== undefined);
    expect([...tables.request.needs.facts]).toEqual(wanted ?? []);
    expect([...tables.request.needs.rails.keys()]).toEqual([]);
  });

  test('a time that is read is never decided beforehand', () => {
    expect([...ruleOf('now() > timestamp("2020-01-01T00:00:00Z")').needs('request').facts]).toEqual(['request.time']);
  });

  test('what is cheap to ask is asked first, and several equalities are one look-up', () => {
    const [rule] = ruleOf('llm.prompt.matches("a+b") && (team.tier == "a" || team.tier == "b")').tables.request.rules;
    expect(rule?.leaves.map(({ operator }) => operator)).toEqual(['in', 'matches']);
    expect(rule?.keys.map(({ values }) => values)).toEqual([['a', 'b']]);
  });

  test('a contradiction stays undecided where its fact is', () => {
    const program = ruleOf('team.tier == "a" && team.tier == "b"');
    expect(decide(program, 'request', { team: { tier: new Unable('away') } })).toMatchObject({
      allowed: false,
      unable: [{ fact: 'team.tier' }, { fact: 'team.tier' }],
    });
  });
});

describe('a set that changes', () => {
  test("an engine's policies come and go", async () => {
    const text = (id: number) =>
      `metadata: { id: p${id} }\nrules: [{ id: r, condition: { operator: eq, field: team.id, value: t${id} }, action: { decision: deny, reason: no } }]\n`;
    const texts = Array.from({ length: 200 }, (_, id) => text(id));
    const engine = new PolicyEngine(clock, { default: 'allow', policies: parsePolicies(texts.join('---\n')) });
    const asked = async (id: string) => (await engine.evaluate({ context: { team: { id } } })).decision.allowed;
    expect(await asked('t5')).toBe(false);
    engine.removePolicy('p5');
    expect([await asked('t5'), await asked('t6')]).toEqual([true, false]);
    engine.addPolicy(parsePolicies(text(5))[0]!);
    expect(await asked('t5')).toBe(false);
  });
});
