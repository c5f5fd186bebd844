import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EvaluateResponse, PolicyEngine, parsePolicies } from '../../src/index.ts';
import { run } from '../cli/world.ts';
import { adminKey, ref, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';

const policy = `
metadata: { id: house, name: House, version: 2.1.0 }
rules:
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: 1 }
    action: { decision: deny, reason: "Too dear for \${team.id}", status: 402 }
  - id: personal
    condition: { operator: eq, field: llm.containsPII, value: true }
    action: { decision: warn, reason: Personal data }
  - id: says
    condition: { operator: contains, field: llm.prompt, value: secret }
    action: { decision: deny, reason: Secrets }
`;
const contexts: Record<string, Record<string, unknown>> = {
  'what is denied': { llm: { model: 'gpt-4o', estimatedCost: 2 }, team: { id: 't1' }, user: { id: 'jane' } },
  'what nothing matches': { llm: { model: 'gpt-4o', estimatedCost: 0 }, key: { id: 'k1' } },
  'a published name of a fact': { llm: { model: 'm', containsPII: true }, team: { id: 't1' } },
  'a prompt, told by its length alone': { llm: { prompt: 'a secret thing' } },
  'a fact of the wrong type': { llm: { estimatedCost: 'much' } },
  nothing: {},
};

let gateway: TestGateway;
let engine: PolicyEngine;
beforeAll(async () => {
  const keys = [ref('TEST_TEAM_KEY'), { key: ref('NO_SCOPE_KEY'), scopes: ['policy:read'] }];
  gateway = await startGateway({
    policies: { house: policy },
    providers: { demo: { id: 'demo', format: 'demo', models: { demo: {} } } },
    team: { keys },
    env: { NO_SCOPE_KEY: noScopeKey },
  });
  engine = new PolicyEngine({ policies: parsePolicies(policy), default: 'allow' });
});
afterAll(() => gateway.close());

const noScopeKey = ['lpk', 'noscopekey01', 'n'.repeat(43)].join('_');

async function post(path: string, body: unknown, key: string | undefined = teamKey) {
  const response = await fetch(gateway.origin + path, {
    method: 'POST',
    headers: { 'x-request-id': 'mine', ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, id: response.headers.get('x-request-id'), body: JSON.parse(await response.text()) };
}

/** All of an answer but what each answer has of its own. */
function said({ requestId: _id, evaluationTimeMs, timestamp, ...rest }: EvaluateResponse) {
  expect(evaluationTimeMs).toBeGreaterThanOrEqual(0);
  expect(Math.abs(Date.parse(timestamp) - Date.now())).toBeLessThan(60_000);
  return JSON.parse(JSON.stringify(rest)) as unknown;
}

describe('POST /api/v1/evaluate', () => {
  test.each(Object.entries(contexts))('says of %s what the library says', async (_name, context) => {
    const library = said(await engine.evaluate({ context }));
    for (const path of ['/api/v1/evaluate', '/v1/evaluate']) {
      const { status, id, body } = await post(path, { context });
      expect([status, id, body.requestId]).toEqual([200, 'mine', 'mine']);
      expect(said(body)).toEqual(library);
    }
    expect((await post('/api/v1/evaluate', { requestId: 'own', context })).body.requestId).toBe('own');
  });

  test('names who asked, for what, and the facts that were read', async () => {
    const { body } = await post('/api/v1/evaluate', { context: contexts['what is denied'] });
    expect(body).toMatchObject({
      decision: {
        decision: 'deny',
        allowed: false,
        reason: 'Too dear for t1',
        policyVersion: '2.1.0',
        determining: ['house/dear'],
      },
      principal: 'user:jane',
      action: 'llm:chat',
      resource: 'model:gpt-4o',
      facts: { 'llm.estimatedCost': 2 },
      program: gateway.gateway.program,
      cached: false,
    });
    const prompt = await post('/api/v1/evaluate', { context: contexts['a prompt, told by its length alone'] });
    expect(JSON.stringify(prompt.body)).not.toContain('a secret thing');
  });

  test('says the same as the command line', async () => {
    for (const context of Object.values(contexts)) {
      const args = [
        'evaluate',
        `${gateway.directory}/policies/house.yaml`,
        '--context',
        JSON.stringify(context),
        '--default',
        'allow',
        '--json',
      ];
      expect(said(JSON.parse((await run(gateway.directory, args)).out))).toEqual(
        said((await post('/api/v1/evaluate', { context })).body),
      );
    }
  });
});

describe('POST /api/v1/evaluate/explain', () => {
  test('adds each rule and its comparisons, published names understood', async () => {
    const { body } = await post('/api/v1/evaluate/explain', { context: contexts['a published name of a fact'] });
    expect(body.decision.decision).toBe('warn');
    expect(body.explanation.decision).toEqual(body.decision);
    expect(JSON.stringify(body.explanation)).toContain('house/personal');
  });
});

describe('POST /api/v1/evaluate/batch', () => {
  test('answers a list of evaluations in its order', async () => {
    const list = Object.values(contexts).map((context, at) =>
      at === 0 ? { requestId: 'first', context } : { context },
    );
    const { status, body } = await post('/api/v1/evaluate/batch', list);
    expect([status, body.count]).toEqual([200, list.length]);
    expect(body.results.map((one: EvaluateResponse) => one.requestId)).toEqual([
      'first',
      'mine-1',
      'mine-2',
      'mine-3',
      'mine-4',
      'mine-5',
    ]);
    for (const [at, { context }] of list.entries())
      expect(said(body.results[at])).toEqual(said(await engine.evaluate({ context })));
  });

  test('takes contexts alone, as published', async () => {
    const { body } = await post('/api/v1/evaluate/batch', { contexts: Object.values(contexts) });
    expect(body.results.map((one: EvaluateResponse) => one.decision.decision)).toEqual([
      'deny',
      'allow',
      'warn',
      'deny',
      'deny',
      'allow',
    ]);
  });

  test('is bounded, and names the evaluation that is wrong', async () => {
    const context = {};
    const wrong: [unknown, RegExp, string | null][] = [
      [[], /1 to 100/, null],
      [Array.from({ length: 101 }, () => ({ context })), /1 to 100/, null],
      [{ context }, /1 to 100/, null],
      [{ contexts: [{}], trace: true }, /`trace` is not known here/, 'trace'],
      [[{ context }, { contxt: {} }], /`\[1\]\.contxt` is not known here/, '[1].contxt'],
      [[{ context }, 7], /`\[1\]` must be a JSON object/, '[1]'],
    ];
    for (const [body, message, param] of wrong) {
      const answer = await post('/api/v1/evaluate/batch', body);
      expect([answer.status, answer.body.error.param], JSON.stringify(body)).toEqual([400, param]);
      expect(answer.body.error.message).toMatch(message);
    }
  });
});

test('what is not an evaluation is refused with the field at fault', async () => {
  const wrong: [unknown, string | null][] = [
    ['{', null],
    ['', null],
    [[], null],
    [{}, 'context'],
    [{ context: 'x' }, 'context'],
    [{ context: {}, requestId: 7 }, 'requestId'],
    [{ context: {}, policies: ['house'] }, 'policies'],
  ];
  for (const [body, param] of wrong) {
    const { status, id, body: told } = await post('/api/v1/evaluate', body);
    expect([status, id, told.error.code, told.error.param], JSON.stringify(body)).toEqual([
      400,
      'mine',
      'invalid_request',
      param,
    ]);
  }
});

test('nobody evaluates without a key, with an admin key, or without the scope', async () => {
  for (const path of ['/api/v1/evaluate', '/v1/evaluate', '/api/v1/evaluate/batch', '/api/v1/evaluate/explain']) {
    const response = await fetch(gateway.origin + path, { method: 'POST', body: '{"context":{}}' });
    expect(response.status).toBe(401);
    expect((await post(path, { context: {} }, adminKey)).status).toBe(401);
    const { status, body } = await post(path, { context: {} }, noScopeKey);
    expect([status, body.error.code]).toEqual([403, 'policy_denied']);
    expect(body.error.message).toContain("'policy:evaluate'");
  }
});
