import { describe, expect, it } from 'vitest';
import { PolicyEngine } from '../../src/index.ts';
import {
  compile,
  decide,
  type FactTree,
  fmt,
  inWords,
  type PolicyError,
  type Program,
  parsePolicies,
  type RunWasm,
  recordFacts,
  Unable,
  type WasmAnswer,
  wasmCalls,
  withVerdicts,
} from '../../src/policy/index.ts';

const text = (wasm: string, more = '') => `metadata: { id: long }
rules:
  - id: too-long
    wasm: ${wasm}
    action: { decision: deny${more} }
`;
const declared = '{ module: ./rules/long.wasm, inputs: [llm.estimatedTokens, team.tier], deadline_ms: 25 }';
const program = compile(parsePolicies(text(declared), { file: 'p/long.yaml' }), { default: 'allow' });
const facts = { llm: { estimatedTokens: 10, prompt: 'not declared' }, team: {} };
const told = async (of: Program, given: object, run: RunWasm) =>
  (await withVerdicts(of, 'request', given as FactTree, { modules: { run }, tenant: 'acme' })).facts;
const decided = async (answer: WasmAnswer, given: object = facts) =>
  decide(program, 'request', await told(program, given, async () => answer));

describe('a rule of a module', () => {
  it('names its module, what goes in, and how long it may take', () => {
    expect(wasmCalls(program, 'request')).toEqual([
      {
        fact: 'wasm:long/too-long',
        module: './rules/long.wasm',
        file: 'p/long.yaml',
        line: 1,
        sha256: undefined,
        inputs: ['llm.estimatedTokens', 'team.tier'],
        deadline_ms: 25,
        trusted: false,
        cache: undefined,
      },
    ]);
    expect([...program.needs('request').facts].sort()).toEqual([
      'llm.estimatedTokens',
      'team.tier',
      'wasm:long/too-long',
      'wasm:long/too-long:reason',
    ]);
    const [policy] = parsePolicies(text(declared));
    expect(fmt(parsePolicies(fmt(policy!))[0]!)).toBe(fmt(policy!));
  });

  it('is handed the declared facts that are there, and no others', async () => {
    let seen = '';
    await told(program, facts, async (_call, input) => {
      seen = input;
      return { match: false };
    });
    expect(JSON.parse(seen)).toEqual({ 'llm.estimatedTokens': 10 });
  });

  it('decides by the verdict, and is undecided without one', async () => {
    expect(await decided({ match: false })).toMatchObject({ decision: 'allow' });
    expect(await decided({ match: true })).toMatchObject({
      decision: 'deny',
      determining: ['long/too-long'],
      reason: 'deny by rule long/too-long',
    });
    expect(await decided({ match: true, reason: 'Far too\nlong' })).toMatchObject({ reason: 'Far too long' });
    const fact = 'wasm:long/too-long';
    expect(await decided({ unable: 'it trapped' })).toMatchObject({
      decision: 'deny',
      unable: [{ fact, reason: 'it trapped' }],
    });
    expect(decide(program, 'request', facts)).toMatchObject({
      decision: 'deny',
      unable: [{ fact, reason: 'its module was not run' }],
    });
    const lost = { llm: { estimatedTokens: new Unable('no tokenizer') } };
    expect(await decided({ match: false }, lost)).toMatchObject({
      decision: 'deny',
      unable: [{ reason: 'llm.estimatedTokens: no tokenizer' }],
    });
  });

  it('leaves its verdict in the record and in words', async () => {
    const known = await told(program, facts, async () => ({ match: true }));
    expect(recordFacts(program, 'request', known)).toEqual({ 'llm.estimatedTokens': 10, 'wasm:long/too-long': true });
    expect(inWords(program, 'request', known).sentences[0]).toBe(
      'Denied by long/too-long (version 0.0.0), because wasm:long/too-long is true.',
    );
  });

  it('tells no reason that may hold a prompt', async () => {
    const reading = compile(parsePolicies(text('{ module: a.wasm, inputs: [llm.prompt] }')));
    const known = await told(reading, { llm: { prompt: 'secret' } }, async () => ({
      match: true,
      reason: 'secret',
    }));
    expect(decide(reading, 'request', known).reason).toBe('deny by rule long/too-long');
    expect(JSON.stringify(recordFacts(reading, 'request', known))).not.toContain('secret');
  });

  it('is refused where it is wrong, with the place', () => {
    const problem = (wasm: string) => {
      try {
        parsePolicies(text(wasm), { file: 'p.yaml' });
        return '';
      } catch (thrown) {
        return (thrown as PolicyError).message;
      }
    };
    expect(problem('{ module: a.wasm }')).toBe('p.yaml:4:11: wasm needs inputs: the facts it is given');
    expect(problem('{ module: a.txt, inputs: [llm.model] }')).toContain('a path that ends with .wasm');
    expect(problem('{ module: a.wasm, inputs: [llm.modle] }')).toContain(
      'p.yaml:4:38: unknown fact llm.modle (did you mean llm.model?)',
    );
    expect(problem('{ module: a.wasm, inputs: [response.text] }')).toContain('known once there is a reply');
    expect(problem('{ module: a.wasm, inputs: [llm.model], trusty: true }')).toContain(
      'p.yaml:4:50: unknown key trusty in wasm (did you mean trusted?)',
    );
    expect(problem('{ module: a.wasm, inputs: [llm.model], trusted: true, deadline_ms: 5 }')).toBe(
      'p.yaml:4:65: a trusted module cannot be interrupted: it has no deadline',
    );
    expect(problem('{ module: a.wasm, inputs: [llm.model], trusted: true, cache: { ttl_seconds: 5 } }')).toContain(
      'p.yaml:4:65: a trusted module answers sooner than a cache',
    );
    expect(problem('{ module: a.wasm, inputs: [llm.model], cache: {} }')).toContain('cache needs ttl_seconds');
    expect(problem('{ module: a.wasm, inputs: [llm.model], cache: { ttl_seconds: 0 } }')).toContain('from 1 to 86400');
    expect(problem('{ module: a.wasm, inputs: [llm.model], cache: { ttl_seconds: 5, shared: 1 } }')).toContain(
      'true or false',
    );
    expect(problem('{ module: a.wasm, inputs: [llm.model], cache: { ttl_seconds: 5, shared: true } }')).toBe('');
    for (const passing of [
      'request.time',
      'request.id',
      'budget.team.spent_usd',
      'usage.key.requests_per_minute',
      'provider.demo.errorRate',
    ])
      expect(
        problem(`{ module: a.wasm, inputs: [llm.model, ${passing}], cache: { ttl_seconds: 5 } }`),
        passing,
      ).toContain(`what a module says of ${passing} cannot be kept: that changes by itself`);
    expect(problem('{ module: a.wasm, inputs: [llm.model] }\n    when: "true"')).toContain('not several');
    expect(problem('{ module: a.wasm, inputs: [llm.model] }\n    on: response')).toContain('run before the call');
  });
});

describe('the library', () => {
  it('runs modules where it is handed how, and is undecided where it is not', async () => {
    const policies = parsePolicies(text(declared));
    const asked = { context: facts };
    const runs = new PolicyEngine({
      policies,
      default: 'allow',
      runWasm: async (_call, input) => ({ match: input.includes('10') }),
    });
    expect((await runs.evaluate(asked)).decision).toMatchObject({ decision: 'deny', unable: [] });
    const cannot = new PolicyEngine({ policies, default: 'allow' });
    expect((await cannot.evaluate(asked)).decision).toMatchObject({
      decision: 'deny',
      unable: [{ reason: 'its module was not run' }],
    });
  });
});
