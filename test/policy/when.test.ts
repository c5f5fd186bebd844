import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkPolicy,
  compile,
  decide,
  explain,
  type FactTree,
  fmt,
  type Phase,
  type Policy,
  type PolicyError,
  parsePolicies,
  planResponse,
  Unable,
} from '../../src/policy/index.ts';
import { TRUE, UNABLE } from '../../src/policy/leaf.ts';
import { isExpression, leavesOf } from '../../src/policy/node.ts';
import { inside } from '../../src/policy/program.ts';
import { compileWhen } from '../../src/policy/when.ts';
import { conditions, facts } from './arbitrary.ts';
import { asWhen } from './as-when.ts';

const params = { cap: 0.05, models: ['gpt-4o', 'claude'], tier: 'free' };

function policyOf(when: string, more: object = {}): Policy {
  return checkPolicy({
    metadata: { id: 'p', version: '1.0.0' },
    params,
    rules: [{ id: 'r', when, action: { decision: 'deny', reason: 'no' }, ...more }],
  } as unknown as Policy);
}

function outcomeOf(when: string, given: FactTree = {}): 'true' | 'false' | 'unable' {
  const outcome = compileWhen(when, 'request', params).test(given);
  return outcome === TRUE ? 'true' : outcome === UNABLE ? 'unable' : 'false';
}

function problems(text: string): string {
  try {
    parsePolicies(text, { file: 'p.yaml' });
    return '';
  } catch (thrown) {
    return (thrown as PolicyError).message;
  }
}

// A parameter as conditions write it.
const filled = (name: string) => `$\{params.${name}}`.replace('\\', '');

const rule = (when: string) =>
  `metadata: { id: p }\nparams: { cap: 1 }\nrules:\n  - id: r\n    when: ${when}\n    action: { decision: deny, reason: no }\n`;

describe('a rule with when', () => {
  it('mixes whole and broken numbers, and JavaScript ones', () => {
    const given = { llm: { estimatedTokens: 400, estimatedCost: 0.06 }, metadata: { x: 5, price: 2.5 } };
    for (const when of [
      'llm.estimatedTokens < 500 && llm.estimatedCost > 0.05',
      'metadata.x + 1 > 5',
      'metadata.x * 1.5 == 7.5',
      'metadata.x / 2 == 2.5',
      '7 % 4 == 3.0 && 1 == 1.0 && 5u == 5',
      `llm.estimatedTokens > params.cap && llm.estimatedCost > ${filled('cap')}`,
      'metadata.price in [1, 2.5]',
      'size("abc") + 0.5 == 3.5 && [10, 20][1] == 20',
      'int(2.9) == 2 && double("1.5") == 1.5 && string(3) == "3"',
      'math.greatest(1, 2.5) == 2.5 && type(1) == type(1.5) && type(1) == int',
    ])
      expect(outcomeOf(when, given), when).toBe('true');
  });

  it('has comparisons with what is missing false, and their negations true', () => {
    for (const when of [
      'team.tier == "free"',
      'llm.estimatedCost < 1',
      'llm.model.startsWith("gpt")',
      'llm.model.trim() == "x"',
      'llm.estimatedCost + 1 > 0',
      '"admin" in user.roles',
      'user.roles.exists(r, r != "x")',
      'user.roles.all(r, r != "x")',
      'size(user.roles) == 0',
      'rails.pii.found',
      'has(team.tier)',
      'team.tier == llm.model',
      'metadata.a.b.c == 1',
      'metadata.list[0] == 1',
      'metadata["a-b"] > 0 || metadata.`a-b` > 0',
    ]) {
      expect(outcomeOf(when), when).toBe('false');
      expect(outcomeOf(`!(${when})`), when).toBe('true');
    }
    expect(outcomeOf('team.tier != "free" && !(llm.model in params.models) && !has(team.tier)')).toBe('true');
    expect(outcomeOf("metadata.?a.orValue('none') == 'none'")).toBe('true');
  });

  it('is undecided where a fact could not be computed, unless it does not matter', () => {
    const given = {
      rails: { pii: new Unable('down') },
      llm: { model: 'a', estimatedCost: 'dear' },
      user: { roles: ['a', new Unable('x')] },
    };
    for (const when of [
      'rails.pii.found',
      'rails.pii.count + 1 > 2',
      'size(rails.pii.types) > 0 && llm.model == "a"',
      'llm.estimatedCost > 1',
      'llm.estimatedCost + 1 > 1',
      'user.roles.exists(r, r.startsWith("z"))',
      'user.roles.all(r, r == "a")',
      '"z" in user.roles',
      'rails.pii.found ? true : true',
      'has(rails.pii.types)',
      '1 / (size(llm.model) - 1) > 0',
    ])
      expect(outcomeOf(when, given), when).toBe('unable');
    for (const when of [
      'size(rails.pii.types) > 0 || llm.model == "a"',
      '!(rails.pii.found && llm.model == "b")',
      'user.roles.exists(r, r == "a" && size(r) == 1)',
      '"a" in user.roles',
      'llm.model == "a" || llm.estimatedCost + 1 > 2',
    ])
      expect(outcomeOf(when, given), when).toBe('true');
  });

  it('what the caller sent has no type to be wrong in: it does not compare', () => {
    const given = { metadata: { n: 'text', list: 'text', o: { a: 1 } } };
    for (const when of [
      'metadata.n < 5',
      'metadata.n + 1 > 0',
      'metadata.list.all(x, x > 0)',
      'metadata.o.startsWith("a")',
      'metadata.n',
    ])
      expect(outcomeOf(when, given), when).toBe('false');
  });

  it('says what a decision hinged on', () => {
    const program = compile([policyOf('size(rails.pii.types) > 2')]);
    expect(decide(program, 'request', { rails: { pii: { types: new Unable('timed out') } } })).toMatchObject({
      decision: 'deny',
      unable: [{ rule: 'p/r', fact: 'rails.pii.types', reason: 'timed out' }],
      errors: [],
    });
    expect(decide(program, 'request', { rails: { pii: { types: 3 } } })).toMatchObject({
      decision: 'deny',
      unable: [],
      errors: [{ rule: 'p/r', fact: 'size(rails.pii.types) > 2', reason: 'is not a list of texts' }],
    });
  });

  it('needs the facts it reads, and those rails', () => {
    const needs = compile([policyOf('size(llm.tools) > 3 && "card" in rails.pii.types && metadata["x-y"] == 1')]).needs(
      'request',
    );
    expect([...needs.facts].sort()).toEqual(['llm.tools', 'metadata.x-y', 'rails.pii.types']);
    expect([...needs.rails]).toEqual([['pii', new Set(['card'])]]);
    expect([...compile([policyOf('size(rails.pii.types) > 1')]).needs('request').rails]).toEqual([['pii', 'all']]);
  });

  it('becomes comparisons where it is made of them, and is found by its equalities', () => {
    const node = compileWhen(
      'team.tier == params.tier && (llm.model in params.models || !llm.stream) && "x".size() + 1 == 2 && request.time >= timestamp("2026-01-01T00:00:00Z")',
      'request',
      params,
    );
    expect(
      leavesOf(node).map((leaf) => (isExpression(leaf) ? leaf.expression : `${leaf.fact.name} ${leaf.operator}`)),
    ).toEqual(['team.tier eq', 'llm.model in', 'llm.stream eq', '"x".size() + 1 == 2', 'request.time gte']);
    const { index } = inside(compile([policyOf('team.tier == "free" && size(llm.tools) > 3')])).tables.request;
    expect([index.always.length, index.fields.length]).toEqual([0, 1]);
  });

  it('is explained, comparison by comparison', () => {
    const { rules, text } = explain(compile([policyOf('team.tier == "free" && size(llm.prompt) > 2')]), 'request', {
      team: { tier: 'free' },
      llm: { prompt: 'secret' },
    });
    expect(rules[0]?.condition).toEqual({
      operator: 'and',
      outcome: 'true',
      conditions: [
        { operator: 'eq', field: 'team.tier', value: 'free', actual: 'free', outcome: 'true', holds: true },
        {
          operator: 'cel',
          expression: 'size(llm.prompt) > 2',
          facts: { 'llm.prompt': '(text of 6 characters)' },
          outcome: 'true',
          holds: true,
        },
      ],
    });
    expect(text).toContain('+ size(llm.prompt) > 2 [llm.prompt is "(text of 6 characters)"]');
    expect(text).not.toContain('secret');
  });

  it('is kept by fmt as it was written', () => {
    const when = 'llm.model == "a" && // the small one\n  llm.stream\n';
    const text = fmt(policyOf(when));
    expect(parsePolicies(text)[0]?.rules[0]?.when).toBe(when);
    expect(text.indexOf('when:')).toBeLessThan(text.indexOf('action:'));
  });

  it.each<[string, string]>([
    ['llm.modle == "x"', '5:11: unknown fact llm.modle (did you mean llm.model?)'],
    ['llm.stream && llm.mdel == "x"', '5:25: unknown fact llm.mdel (did you mean llm.model?)'],
    ['llm.model.foo == "x"', '5:21: a text has no field foo'],
    ['llm.model + 1 == "x"', '5:21: + does not work on a text and a number'],
    ['llm.model < 3', '5:21: < does not work on a text and a number'],
    ['llm.model.startWith("x")', '5:21: unknown function startWith (did you mean startsWith?)'],
    ['llm.model.startsWith(3)', '5:32: startsWith takes a text here, this is a number'],
    ['size(llm.model, 3) == 1', '5:11: size takes 1 arguments'],
    ['llm.model', '5:11: must be true or false, this is of type string'],
    ['llm.estimatedCost > params.cop', '5:31: unknown parameter params.cop (did you mean params.cap?)'],
    [`llm.estimatedCost > ${filled('cop')}`, '5:31: unknown parameter params.cop (did you mean params.cap?)'],
    [`llm.model == "${filled('cap')}"`, '5:24: in quotes a parameter is not filled in'],
    ['response.text == "x"', '5:11: response.text is known once there is a reply'],
    ['budget.team', '5:11: budget.team is a group of facts'],
    ['llm.model = "x"', '5:21: a single ='],
    ['llm.model == ', '5:22: the expression ends where a value should stand'],
    ['llm.model in []', ''],
    ['llm.prompt.matches("(?=x)")', '5:30: not an expression in RE2 syntax'],
    ['`bogus` in rails.pii.types || true', '6:7: a name in backticks'],
    ['1 / 0 > 1', '5:11: division by zero'],
    ['llm.estimatedTokens > 9007199254740993', '5:33: the number is too large to be exact'],
    ['llm.messages.all(a, llm.messages.all(b, a == b))', '5:11: may take 4003002 steps'],
    ['TestAllTypes{a: 1} == null', 'there is no message type TestAllTypes'],
    ['request.time > timestamp("yesterday")', '5:26: not a time of RFC 3339'],
  ])('is checked when it is loaded: %s', (when, message) => {
    const found = problems(rule(when.includes(': ') || when.startsWith('`') ? `|\n      ${when}` : when));
    if (message === '') expect(found).toBe('');
    else expect(found).toContain(message);
  });

  it('refuses a type that a rail does not have, and a condition beside it', () => {
    expect(problems(rule('>-\n      "bogus" in rails.pii.types'))).toContain('6:7: the rail pii has no type bogus');
    expect(problems(rule('llm.stream\n    condition: { operator: exists, field: llm.model }'))).toContain('not both');
    expect(problems(rule('3'))).toContain('when must be a text');
  });

  it.each<[string, string, string]>([
    ['plain, over lines', 'llm.stream\n      && llm.mdel == "x"', '6:10'],
    ['in double quotes', '"llm.model == \\"é\\" && llm.mdel == \'x\'"', '5:34'],
    ['in double quotes, over lines', '"llm.stream \\\n      && llm.mdel == \'x\'"', '6:10'],
    ['in single quotes', "'llm.model == ''é'' && llm.mdel == ''x'''", '5:34'],
    ['a block', '|\n      llm.stream &&\n        // why\n        llm.mdel == "x"', '8:9'],
    ['a folded block', '>-\n      llm.stream &&\n      llm.mdel == "x"', '7:7'],
    ['a block after empty lines', '|\n\n      llm.stream &&\n\n      llm.mdel == "x"', '9:7'],
  ])('points at the character in a text that is %s', (_name, when, place) => {
    expect(problems(rule(when))).toMatch(new RegExp(`^p.yaml:${place}: unknown fact llm.mdel`));
  });

  it('meets a stream as a condition does', () => {
    const reply = (when: string, more: object = {}) =>
      planResponse(compile([policyOf(when, { on: 'response' as Phase, ...more })]), { team: { tier: 'free' } });
    expect(reply('team.tier == "free" && "card" in rails.pii.types')).toMatchObject({
      mode: 'hold_back',
      patterns: [{ kind: 'rail', rail: 'pii', type: 'card' }],
    });
    expect(reply('response.text.contains("TOP SECRET") || rails.secrets.found').patterns).toHaveLength(2);
    expect(reply('team.tier == "pro" && size(response.text) > 3', { stream: 'buffer' }).mode).toBe('none');
    expect(reply('size(response.text) > 3', { stream: 'buffer' }).mode).toBe('buffer');
    expect(() => reply('size(response.text) > 3')).toThrow('looks at the whole reply; use stream: buffer');
  });

  it('stops when it takes too long, and is then undecided', () => {
    const list = Array.from({ length: 200_000 }, (_, i) => i);
    const started = performance.now();
    expect(outcomeOf('metadata.list.exists(x, metadata.list.size() + x < 0)', { metadata: { list } })).toBe('unable');
    expect(
      outcomeOf('metadata.list.all(x, [1, 2, 3, 4].exists(y, y == x || x > 3) || x >= 0)', { metadata: { list } }),
    ).toBe('unable');
    expect(performance.now() - started).toBeLessThan(15_000);
    expect(outcomeOf('metadata.list.all(x, x >= 0)', { metadata: { list } })).toBe('true');
  });

  it('says what the condition says that it was made from, as comparisons and as an expression', () => {
    fc.assert(
      fc.property(conditions, facts, (condition, given) => {
        const policy = checkPolicy({
          metadata: { id: 'p', version: '1.0.0' },
          rules: [{ id: 'r', condition, action: { decision: 'deny' } }],
        } as unknown as Policy);
        const [compiled] = inside(compile([policy])).tables.request.rules;
        const wanted = compiled?.test?.(given);
        expect(compileWhen(asWhen(condition), 'request', {}).test(given)).toBe(wanted);
        expect(compileWhen(asWhen(condition, true), 'request', {}).test(given)).toBe(wanted);
      }),
      { numRuns: 2_000 },
    );
  });
});
