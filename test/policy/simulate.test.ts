import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compile,
  type Decision,
  decide,
  inWords,
  parsePolicies,
  type RecordedExchange,
  recordFacts,
  simulate,
  Unable,
} from '../../src/policy/index.ts';
import { facts, policies } from './arbitrary.ts';

const rule = (id: string, condition: string, action: string) =>
  `  - { id: ${id}, condition: ${condition}, action: ${action} }\n`;
const policy = (...rules: string[]) =>
  compile(parsePolicies(`metadata: { id: p }\nrules:\n${rules.join('')}`), { default: 'allow' });
const dear = (over: number) => `{ operator: gt, field: llm.estimatedCost, value: ${over} }`;
const deny = '{ decision: deny, reason: no }';
const summary = ({ decision, matchedRules, obligations, unable }: Decision) => ({
  decision,
  rules: matchedRules,
  obligations: obligations.map((one) => `${one.type} (${one.rule})`),
  unable: unable.map((doubt) => `${doubt.fact}: ${doubt.reason} (${doubt.rule})`),
});
const recorded = (
  id: string,
  given: object,
  decision: string,
  more: Partial<RecordedExchange> = {},
): RecordedExchange => ({
  exchange: id,
  time_ms: 1_767_600_000_000,
  facts: given as Record<string, unknown>,
  decision: { request: { decision, rules: [], obligations: [], unable: [] } },
  caller: { team: 't' },
  cost_nusd: 0,
  ...more,
});

describe('simulating', () => {
  it('tells whose outcome would change, by which rule, and what that saves and adds', () => {
    const report = simulate(policy(rule('cap', dear(1), deny)), [
      recorded('a', { 'llm.estimatedCost': 2 }, 'allow', { cost_nusd: 1_500_000_000 }),
      recorded('b', { 'llm.estimatedCost': 3 }, 'allow', { cost_nusd: 2_000_000_000 }),
      recorded('c', { 'llm.estimatedCost': 0.5 }, 'deny'),
      recorded('d', { 'llm.estimatedCost': 0.1 }, 'allow', { cost_nusd: 7 }),
      recorded('e', {}, 'allow', { kind: 'admin' }),
    ]);
    expect(report).toMatchObject({
      exchanges: 4,
      same: 1,
      changed: 3,
      unknown: 0,
      skipped: 1,
      saved_usd: 3.5,
      added_usd: 0.5,
      unpriced: 0,
    });
    expect(report.changes).toMatchObject([
      { from: 'allow', to: 'deny', rule: 'p/cap', count: 2, saved_usd: 3.5, exchanges: ['a', 'b'] },
      { from: 'deny', to: 'allow', rule: '(default)', count: 1, added_usd: 0.5 },
    ]);
  });

  it('prices a substitution where the price is known, and says where it is not', () => {
    const program = policy(rule('small', dear(1), '{ decision: modify, substitute_model: small }'));
    const used = { cost_nusd: 10_000_000, model_used: 'big', usage: { input: 10 } };
    const records = [recorded('a', { 'llm.estimatedCost': 2 }, 'allow', used)];
    expect(
      simulate(program, records, { costWith: (model) => (model === 'small' ? 4_000_000 : undefined) }),
    ).toMatchObject({
      changes: [{ from: 'allow', to: 'modify (substitute_model)', saved_usd: 0.006 }],
      unpriced: 0,
    });
    expect(simulate(program, records)).toMatchObject({ saved_usd: 0, unpriced: 1 });
    expect(
      simulate(program, [recorded('a', { 'llm.estimatedCost': 2 }, 'allow', { ...used, model_used: 'small' })]),
    ).toMatchObject({ unpriced: 0, saved_usd: 0 });
  });

  it('does not guess what hinges on a fact that was not recorded', () => {
    const program = policy(
      rule('long', '{ operator: gt, field: llm.estimatedTokens, value: 10 }', deny),
      rule('cap', dear(1), deny),
      rule('words', '{ operator: contains, field: llm.prompt, value: x }', '{ decision: warn, reason: so }'),
    );
    const report = simulate(program, [
      recorded('certain', { 'llm.estimatedCost': 2, 'llm.prompt': 'hmac:00ff' }, 'deny'),
      recorded('open', { 'llm.estimatedCost': 0.5, 'llm.prompt': 'hmac:00ff' }, 'allow'),
    ]);
    expect(report).toMatchObject({
      same: 1,
      changed: 0,
      unknown: 1,
      unrecorded: { 'llm.estimatedTokens': 1, 'llm.prompt': 1 },
    });
  });

  it('takes a fact that the same program records elsewhere for missing', () => {
    const program = policy(rule('long', '{ operator: gt, field: llm.estimatedTokens, value: 10 }', deny));
    const one = recorded('a', {}, 'allow', { program: 'sha256:1' });
    const other = recorded('b', { 'llm.estimatedTokens': 5 }, 'allow', { program: 'sha256:1' });
    expect(simulate(program, [one])).toMatchObject({ unknown: 1 });
    expect(simulate(program, [one, other])).toMatchObject({ unknown: 0, same: 2 });
    expect(
      simulate(program, [recorded('a', {}, 'allow', { program: program.id })], { programs: [program] }),
    ).toMatchObject({ same: 1 });
  });

  it('changes nothing where the policies are those that decided', () => {
    fc.assert(
      fc.property(policies(), facts, (set, given) => {
        let program: ReturnType<typeof compile>;
        try {
          program = compile(set, { default: 'allow' });
        } catch {
          return;
        }
        const told = recordFacts(program, 'request', given);
        const known = Object.fromEntries(
          Object.entries(told).filter(([, value]) => !String(value).startsWith('unable: ')),
        );
        const record = recorded('x', known, '', { program: program.id });
        const decided = { ...record, decision: { request: summary(decide(program, 'request', given)) } };
        expect(simulate(program, [decided], { programs: [program] }).changed).toBe(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a decision in words', () => {
  it('names the rule, the comparisons and the values', () => {
    const program = policy(
      rule('cap', `{ operator: and, conditions: [${dear(1)}, { operator: eq, field: team.tier, value: free }] }`, deny),
      rule('pii', '{ operator: eq, field: rails.pii.found, value: true }', deny),
      rule(
        'other',
        '{ operator: in, field: llm.model, value: [a, b] }',
        '{ decision: modify, substitute_model: c, reason: so }',
      ),
    );
    const words = inWords(program, 'request', {
      llm: { estimatedCost: 2, model: 'z' },
      team: { tier: 'free' },
      rails: { pii: { found: new Unable('out of reach') } },
    });
    expect(words.sentences).toEqual([
      'Denied by p/cap (version 0.0.0), because llm.estimatedCost is over 1 (it is 2) and team.tier is free.',
      'Denied by p/pii (version 0.0.0), because it could not be decided, and its policy then says so: whether rails.pii.found is true is not known (rails.pii.found: out of reach).',
      'The caller is told: no',
    ]);
    expect(words.rules[2]).toEqual({
      rule: 'p/other',
      outcome: 'did not match',
      because: 'llm.model is none of a, b (it is z)',
    });
    const allowed = inWords(program, 'request', {
      llm: { model: 'a', prompt: 'secret' },
      rails: { pii: { found: false } },
    });
    expect(allowed.sentences).toEqual([
      'Changed and let through by p/other (version 0.0.0), because llm.model is one of a, b (it is a).',
      'p/other has the call made with c.',
    ]);
  });
});
