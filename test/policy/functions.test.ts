import { describe, expect, it } from 'vitest';
import { prepare } from '../../src/policy/cel/expression.ts';
import { signatures, variadic } from '../../src/policy/cel/signatures.ts';
import { plainOf } from '../../src/policy/cel/typed-json.ts';
import { factsEnvironment } from '../../src/policy/facts-environment.ts';
import { functionNames, policyFunctions } from '../../src/policy/functions/catalog.ts';
import {
  checkPolicy,
  compile,
  decide,
  explain,
  type FactTree,
  fmt,
  type Policy,
  type PolicyError,
  parsePolicies,
  planResponse,
  recordFacts,
  Unable,
  withFact,
} from '../../src/policy/index.ts';
import { UNABLE } from '../../src/policy/leaf.ts';
import { compileWhen } from '../../src/policy/when.ts';
import { macroExamples, standardExamples } from './standard-functions.ts';

const valueOfExample = (text: string, facts: object | undefined) =>
  plainOf(
    prepare(
      text,
      factsEnvironment(text.includes('redact') || text.includes('Redact') ? 'request' : 'response', {}),
    ).evaluate((facts ?? {}) as FactTree),
  );

function policyOf(rule: object): Policy {
  return checkPolicy({
    metadata: { id: 'p', version: '1.0.0' },
    params: { most: 100 },
    rules: [{ id: 'r', action: { decision: 'deny', reason: 'no' }, ...rule }],
  } as unknown as Policy);
}

function problem(condition: object): string {
  try {
    policyOf({ condition });
    return '';
  } catch (thrown) {
    return (thrown as PolicyError).message;
  }
}

const filled = '$' + '{params.most}';

describe('functions of policies', () => {
  it('are many, and no name stands for two', () => {
    expect(policyFunctions.length).toBeGreaterThanOrEqual(70);
    const names = policyFunctions.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
    expect(functionNames()).toEqual(names);
  });

  it.each(policyFunctions.map((one) => [one.name, one] as const))('%s gives what its example says', (_name, one) => {
    const [text, value, facts] = one.example;
    expect(text).toContain(`${one.name}(`);
    expect(valueOfExample(text, facts)).toEqual(value);
    for (const alias of one.aliases ?? [])
      expect(valueOfExample(text.replaceAll(`${one.name}(`, `${alias}(`), facts), alias).toEqual(value);
  });

  it('say what they take, once for each number of arguments', () => {
    for (const { name, is, signatures: ways } of policyFunctions) {
      for (const way of ways) expect(way, name).toMatch(/^\([^)]*(\([^)]*\)[^)]*)*\) \w+/);
      if (is.kind !== 'expression') continue;
      for (const { parameters, text } of is.forms)
        for (const parameter of parameters)
          expect(text.match(new RegExp(`(?<!\\.)\\b${parameter}\\b(?!_)`, 'g')), `${name}: ${parameter}`).toHaveLength(
            1,
          );
    }
  });

  it.each(Object.entries(standardExamples))("of CEL's own library: %s", (_name, [text, value, facts]) => {
    expect(valueOfExample(text, facts)).toEqual(value);
  });

  it.each(macroExamples.map((one) => [one[0], one] as const))(
    'macros of CEL: %s',
    (_name, [, , text, value, facts]) => {
      expect(valueOfExample(text, facts)).toEqual(value);
    },
  );

  it("of CEL's own library are all told of", () => {
    const all = [...signatures('policy').keys(), ...variadic].filter((name) => /^[A-Za-z]/.test(name));
    expect(Object.keys(standardExamples).sort()).toEqual(all.sort());
  });

  it('that read the world are facts: needed, recorded, replayed, followed on streams', () => {
    const program = compile([policyOf({ when: 'GetRequestCount("team", "hour") > params.most && isWeekend("UTC")' })]);
    expect([...program.needs('request').facts].sort()).toEqual(['request.time', 'usage.team.requests_per_hour']);
    const facts = { usage: { team: { requests_per_hour: 120 } }, request: { time: '2026-01-04T09:00:00Z' } };
    expect(decide(program, 'request', facts).allowed).toBe(false);
    expect(recordFacts(program, 'request', facts)).toEqual({
      'usage.team.requests_per_hour': 120,
      'request.time': '2026-01-04T09:00:00Z',
    });
    expect(explain(program, 'request', facts).text).toContain('usage.team.requests_per_hour gt 100 [is 120]');
    const stream = compile([policyOf({ on: 'response', when: 'DetectPII(["credit_card"])' })]);
    expect(planResponse(stream, {})).toMatchObject({
      mode: 'hold_back',
      patterns: [{ kind: 'rail', rail: 'pii', type: 'card' }],
    });
    expect([...stream.needs('response').rails]).toEqual([['pii', new Set(['card'])]]);
  });

  it('are undecided by what is wrong with their arguments, and have nothing to say of what is missing', () => {
    const test = (text: string, facts: FactTree = {}) => compileWhen(text, 'request', {}).test(facts);
    expect(test('bucket(user.id, metadata.percent)', { user: { id: 'a' }, metadata: { percent: 120 } })).toBe(UNABLE);
    expect(test('isEU(request.country)')).toBe(0);
    expect(test('!isEU(request.country)')).toBe(1);
    expect(test('cidrContains("10.0.0.0/8", request.ip)', { request: { ip: 'unknown' } })).toBe(0);
  });

  it('divide keys into the same share everywhere', () => {
    const share = (percent: number) =>
      Array.from({ length: 2_000 }, (_, i) => `user-${i}`).filter(
        (key) => compileWhen(`bucket("${key}", ${percent})`, 'request', {}).test({}) === 1,
      );
    const [some, more] = [share(10), share(30)];
    expect(some.length).toBeGreaterThan(140);
    expect(some.length).toBeLessThan(260);
    expect(some.every((key) => more.includes(key))).toBe(true);
  });

  it.each([
    [
      'requestCount("tem", "hour") > 1',
      '1:14: requestCount takes organization, team, project, user, key, model here (did you mean team?)',
    ],
    ['requestCount(team.id, "hour") > 1', '1:14: requestCount takes a name in quotes here'],
    ['requestCount("team") > 1', '1:1: requestCount is called as requestCount(string, string)'],
    ['modelPrice("gpt 4o", "input") > 1.0', '1:12: modelPrice takes a name in quotes here'],
    ['modelPrice("gpt-4o", "inputs") > 1.0', '1:22: modelPrice takes input, output here (did you mean input?)'],
    ['cheapestModel([]) == "a"', '1:15: cheapestModel takes a list of 1 to 20 names in quotes here'],
    ['cheapestModel("gpt-4o") == "a"', '1:15: cheapestModel takes a list of 1 to 20 names in quotes here'],
    ['cheapestModel(["gpt-4o", llm.model]) == "a"', '1:26: cheapestModel takes a name in quotes here'],
    ['cheapestModel() == "a"', '1:1: cheapestModel is called as cheapestModel(list(string))'],
    ['concurrentRequests("everybody") > 1', '1:20: concurrentRequests takes organization, team'],
    ['toxicityScore(llm.prompt) > 0.5', '1:1: toxicityScore cannot be computed: no rail here measures toxicity'],
    ['isWeekend(1, 2)', '1:1: isWeekend is called as isWeekend() or isWeekend(string)'],
    ['isEu(3)', '1:6: isEU takes a text here, this is a number'],
    ['isWekend()', '1:1: unknown function isWekend (did you mean isWeekend?)'],
    ['lower(llm.model) > 3', '1:18: > does not work on a text and a number'],
  ])('are checked when they are loaded: %s', (text, message) => {
    expect(() => prepare(text, factsEnvironment('request', {}))).toThrow(message);
  });

  it('tell prices as facts of the models they name, and do not decide on one that nobody knows', () => {
    const program = compile([policyOf({ when: 'llm.model != CheapestModel(["gpt-4.1", "openai/gpt-4.1-mini"])' })]);
    expect([...program.needs('request').facts].sort()).toEqual([
      'llm.model',
      ...['price.gpt-4.1.input_usd_per_mtok', 'price.gpt-4.1.output_usd_per_mtok'],
      ...['price.openai/gpt-4.1-mini.input_usd_per_mtok', 'price.openai/gpt-4.1-mini.output_usd_per_mtok'],
    ]);
    const mini = { input_usd_per_mtok: 0.4, output_usd_per_mtok: 1.6 };
    const price = { 'gpt-4.1': { input_usd_per_mtok: 2, output_usd_per_mtok: 8 }, 'openai/gpt-4.1-mini': mini };
    const facts = { llm: { model: 'gpt-4.1' }, price };
    expect(decide(program, 'request', facts)).toMatchObject({ decision: 'deny', matchedRules: ['p/r'] });
    expect(recordFacts(program, 'request', facts)).toMatchObject({
      'price.openai/gpt-4.1-mini.input_usd_per_mtok': 0.4,
    });
    const recorded = Object.entries(recordFacts(program, 'request', facts));
    const again = recorded.reduce<FactTree>((tree, [name, value]) => withFact(tree, name, value), {});
    expect(again).toEqual(facts);
    const unknown = { ...facts, price: { ...price, 'openai/gpt-4.1-mini': new Unable('nobody told the price') } };
    expect(decide(program, 'request', unknown)).toMatchObject({
      decision: 'deny',
      matchedRules: [],
      unable: [{ rule: 'p/r' }],
    });
    expect(decide(program, 'request', { ...facts, llm: { model: 'openai/gpt-4.1-mini' } }).matchedRules).toEqual([]);
  });

  it('that read what the request said stand in no rule about its reply', () => {
    expect(() => policyOf({ on: 'response', when: 'redactPII() == ""' })).toThrow(
      'rails.pii.redacted is of the request',
    );
    expect(() =>
      policyOf({ on: 'settle', condition: { operator: 'eq', field: 'rails.secrets.redacted', value: '' } }),
    ).toThrow('rails.secrets.redacted is of the request: use it in rules with on: request');
    expect(() => policyOf({ condition: { operator: 'eq', field: 'rails.injection.redacted', value: '' } })).toThrow(
      'unknown fact rails.injection.redacted',
    );
    const program = compile([policyOf({ when: 'redactPII().size() < 10' })]);
    expect([...program.needs('request').rails]).toEqual([['pii', 'all']]);
    expect(recordFacts(program, 'request', { rails: { pii: { redacted: 'a secret' } } }, () => 'hmac:x')).toEqual({
      'rails.pii.redacted': 'hmac:x',
    });
  });

  it('take arguments that hold what their own variables are called', () => {
    expect(valueOfExample('["a"].exists(role_, hasAnyRole([role_]))', { user: { roles: ['a'] } })).toBe(true);
    expect(valueOfExample('["b"].exists(role_, hasAnyRole([role_]))', { user: { roles: ['a'] } })).toBe(false);
  });

  it('are called from conditions, and stay what they are', () => {
    const condition = {
      operator: 'or',
      conditions: [
        { function: 'GetRequestCount', args: ['team', 'hour'], operator: 'gt', value: filled },
        { function: 'IsEUCountry', args: [{ field: 'request.country' }] },
        { function: 'ToLower', args: [{ field: 'request.headers.x-app' }], operator: 'in', value: ['search', 'chat'] },
        { function: 'piiTypes', operator: 'any', value: ['card'] },
      ],
    };
    const policy = policyOf({ condition });
    expect(policy.rules[0]?.condition).toMatchObject({
      conditions: [{ function: 'requestCount' }, { function: 'isEU' }, { function: 'lower' }, {}],
    });
    expect(parsePolicies(fmt(policy))[0]?.rules).toEqual(policy.rules);
    const program = compile([policy]);
    const allowed = (facts: FactTree) =>
      decide(program, 'request', facts).decision !== 'deny' ||
      decide(program, 'request', facts).matchedRules.length === 0;
    expect(allowed({})).toBe(true);
    expect(allowed({ usage: { team: { requests_per_hour: 101 } } })).toBe(false);
    expect(allowed({ request: { country: 'FR' } })).toBe(false);
    expect(allowed({ request: { headers: { 'x-app': 'Search' } } })).toBe(false);
    expect(allowed({ rails: { pii: { types: ['card'] } } })).toBe(false);
  });

  it('are checked in conditions too', () => {
    expect(problem({ function: 'ToxicityScore', operator: 'gt', value: 0.5 })).toContain('let a module of your own');
    expect(problem({ function: 'isEuro', args: [] })).toContain('unknown function isEuro (did you mean isEU?)');
    expect(problem({ function: 'isEU', args: 'AT' })).toContain('args must be a list');
    expect(problem({ function: 'isEU', args: [] })).toContain('isEU takes 1 arguments');
    expect(problem({ function: 'piiCount', operator: 'gt' })).toContain('compared with operator and value');
    expect(problem({ function: 'piiCount', operator: 'cidr', value: 'x' })).toContain('cidr does not compare');
    expect(problem({ function: 'isEU', field: 'request.country' })).toContain('takes args, not field');
    expect(problem({ function: 'isEU', args: [{ field: 'request.contry' }] })).toContain(
      'did you mean request.country',
    );
    expect(problem({ operator: 'eq', field: 'llm.model', value: 'a', args: [] })).toContain('args are for a function');
    expect(problem({ function: 'lower', args: ['a'] })).toContain('must be true or false');
  });
});
