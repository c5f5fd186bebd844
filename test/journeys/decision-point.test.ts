import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuditRecord, queryTrail } from '../../src/observe/index.ts';
import type { Said } from '../support/asking.ts';
import { adminKey, call, ref, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';
import { eventually } from '../support/wait.ts';

const filed = `
metadata: { id: filed, name: From a file, version: 1.0.0, tags: [cost] }
rules:
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: 1 }
    action: { decision: deny, reason: Too dear }
`;
const managed = (model = 'forbidden', version = '1.0.0') => `
metadata: { id: managed, name: Published, version: ${version}, tags: [security] }
rules:
  - id: no
    condition: { operator: eq, field: llm.model, value: ${model} }
    action: { decision: deny, reason: Not ${model} }
`;
const tests = (decision: string) => `
apiVersion: llm-policy/v1
kind: PolicyTest
metadata: { name: managed }
policies: [./managed.yaml]
tests:
  - name: the model is refused
    input: { set: { llm.model: forbidden } }
    expect: { decision: ${decision} }
`;
const keyOf = (id: string) => ['lpk', id, id[0]!.repeat(43)].join('_');
const keys = {
  reader: keyOf('readerkey001'),
  writer: keyOf('writerkey001'),
  chief: keyOf('chiefkey0001'),
  evaluator: teamKey,
};

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({
    policies: { 'cost/filed': filed },
    providers: { demo: { id: 'demo', format: 'demo', models: { demo: {} } } },
    team: {
      keys: [
        ref('TEST_TEAM_KEY'),
        { key: ref('READER'), scopes: ['policy:read'] },
        { key: ref('WRITER'), scopes: ['policy:write'] },
        { key: ref('CHIEF'), scopes: ['policy:admin'] },
      ],
    },
    env: { READER: keys.reader, WRITER: keys.writer, CHIEF: keys.chief },
  });
});
afterAll(() => gateway.close());

interface Asked {
  readonly key?: string | null;
  readonly body?: unknown;
  readonly type?: string;
}

async function ask(at: string, how: string, { key = keys.reader, body, type }: Asked = {}) {
  const [method, path] = how.split(' ') as [string, string];
  const response = await fetch(at + path, {
    method,
    headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...(type ? { 'content-type': type } : {}) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Said };
}
const data = (how: string, asked: Asked = {}) => ask(gateway.origin, how, asked);
const admin = (how: string, asked: Asked = {}) => ask(gateway.admin, how, { key: adminKey, ...asked });
const yaml = 'application/yaml';

async function decisionOn(model: string): Promise<string> {
  const { body } = await data('POST /api/v1/evaluate', { key: teamKey, body: { context: { llm: { model } } } });
  return body.decision.decision;
}

async function changes(): Promise<AuditRecord[]> {
  const records: AuditRecord[] = [];
  for await (const { record } of queryTrail(join(gateway.directory, 'data', 'audit'), { decision: 'admin' }))
    records.push(record);
  return records;
}

describe('publishing', () => {
  test('of a rule that sends calls where nobody is changes nothing and says so', async () => {
    const body = managed('demo').replace(/action: .*/, 'action: { decision: modify, route_to: [nowhere] }');
    const told = await admin('POST /api/v1/policies', { body, type: yaml });
    expect(told.status).toBe(400);
    expect(JSON.stringify(told.body)).toContain("route_to: there is no provider 'nowhere'");
    expect((await admin('GET /api/v1/policies/managed')).status).toBe(404);
  });

  test('puts a policy in force for evaluations and for calls, and is recorded', async () => {
    const told = await admin('POST /api/v1/policies', { body: managed('demo'), type: yaml });
    expect([told.status, told.body]).toMatchObject([
      201,
      { policies: [{ id: 'managed', source: 'managed', readonly: false, version: '1.0.0' }], revision: 1 },
    ]);
    expect(await decisionOn('demo')).toBe('deny');
    const body = { model: 'demo', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 5 };
    const refused = await call(gateway, '/v1/chat/completions', body);
    expect([refused.status, refused.headers.get('x-llm-policy')]).toEqual([403, 'managed/no']);
    expect(gateway.gateway.program).toBe(told.body.program);
    await eventually(async () => (await changes()).length > 0);
    const [record] = await changes();
    expect(record).toMatchObject({
      kind: 'admin',
      route: '/api/v1/policies',
      change: { action: 'policy.publish', target: 'default/managed', after: { number: 1, version: '1.0.0' } },
    });
    expect(record!.change!.by).toMatch(/^testadminkey|^key-/);
  });

  test('a new version replaces it; a rollback brings the old one back; unloading takes it out', async () => {
    expect(
      (await admin('PUT /api/v1/policies/managed', { body: managed('forbidden', '2.0.0'), type: yaml })).status,
    ).toBe(200);
    expect([await decisionOn('demo'), await decisionOn('forbidden')]).toEqual(['allow', 'deny']);
    const back = await admin('POST /api/v1/policies/managed/rollback', { body: { version: 1 } });
    expect([back.status, back.body.policies[0].version]).toEqual([200, '1.0.0']);
    expect([await decisionOn('demo'), await decisionOn('forbidden')]).toEqual(['deny', 'allow']);
    const { body } = await admin('GET /api/v1/policies/managed/versions');
    expect(body.versions).toMatchObject([
      { number: 1 },
      { number: 2, version: '2.0.0' },
      { number: 3, rollback_of: 1 },
    ]);
    expect((await admin('DELETE /api/v1/policies/managed')).body).toEqual({
      id: 'managed',
      namespace: 'default',
      unloaded: true,
    });
    expect(await decisionOn('demo')).toBe('allow');
    expect((await admin('DELETE /api/v1/policies/managed')).status).toBe(404);
    expect((await data('GET /api/v1/policies/managed')).status).toBe(404);
    expect((await admin('POST /api/v1/policies/managed/rollback', { body: { version: 9 } })).status).toBe(404);
    const done = async () => (await changes()).map(({ change }) => change?.action);
    await eventually(async () => (await done()).length >= 4);
    expect(await done()).toEqual(['policy.publish', 'policy.publish', 'policy.rollback', 'policy.unload']);
  });

  test('runs the tests it is given, and publishes nothing where one fails', async () => {
    const failing = await admin('POST /api/v1/policies', { body: { text: managed(), tests: tests('allow') } });
    expect([failing.status, failing.body.error.param]).toEqual([400, 'tests']);
    expect(failing.body.error.message).toMatch(/the model is refused: decision: expected "allow", came "deny"/);
    expect(await decisionOn('forbidden')).toBe('allow');
    const fine = await admin('POST /api/v1/policies', { body: { text: managed(), tests: tests('deny') } });
    expect([fine.status, fine.body.tests, fine.body.policies[0].tested]).toEqual([201, 1, true]);
  });

  test('is all or nothing, and says where a text is wrong', async () => {
    const before = (await data('GET /api/v1/policies')).body;
    const two = `${managed('x').replace('id: managed', 'id: other')}---${managed('y').replace('decision: deny', 'decision: dney')}`;
    const told = await admin('POST /api/v1/policies', { body: two, type: yaml });
    expect(told.status).toBe(400);
    expect(told.body.error).toMatchObject({ code: 'invalid_request', param: 'policy', line: 12 });
    expect(told.body.error.message).toMatch(/did you mean deny/);
    expect((await data('GET /api/v1/policies')).body).toEqual(before);
  });

  test('a policy of a file is read-only: 409', async () => {
    for (const [how, body] of [
      ['POST /api/v1/policies', filed],
      ['PUT /api/v1/policies/filed', filed],
      ['DELETE /api/v1/policies/filed', undefined],
      ['POST /api/v1/policies/filed/rollback', '{"version": 1}'],
    ] as const) {
      const { status, body: told } = await admin(how, {
        body,
        type: how.endsWith('rollback') ? 'application/json' : yaml,
      });
      expect([how, status]).toEqual([how, 409]);
      expect(told.error.message).toMatch(/cost\/filed\.yaml/);
    }
  });

  test('a path and its body name the same policy', async () => {
    const { status, body } = await admin('PUT /api/v1/policies/other', { body: managed(), type: yaml });
    expect([status, body.error.param]).toEqual([400, 'metadata.id']);
  });

  test('takes one policy as JSON too', async () => {
    const policy = {
      metadata: { id: 'json', version: '1.0.0' },
      rules: [
        { id: 'no', condition: { operator: 'eq', field: 'llm.model', value: 'json' }, action: { decision: 'deny' } },
      ],
    };
    expect((await admin('POST /api/v1/policies', { body: policy })).status).toBe(201);
    expect(await decisionOn('json')).toBe('deny');
  });

  test('is in force again after another start', async () => {
    const { directory } = gateway;
    await gateway.close(true);
    gateway = await startGateway({
      directory,
      policies: { 'cost/filed': filed },
      providers: { demo: { id: 'demo', format: 'demo', models: { demo: {} } } },
      team: {
        keys: [
          ref('TEST_TEAM_KEY'),
          { key: ref('READER'), scopes: ['policy:read'] },
          { key: ref('WRITER'), scopes: ['policy:write'] },
          { key: ref('CHIEF'), scopes: ['policy:admin'] },
        ],
      },
      env: { READER: keys.reader, WRITER: keys.writer, CHIEF: keys.chief },
    });
    expect([await decisionOn('forbidden'), await decisionOn('json')]).toEqual(['deny', 'deny']);
  });

  test('what is not served yet says so', async () => {
    const told = await admin('POST /api/v1/policies/managed/rollout');
    expect([told.status, told.body.error.code]).toEqual([404, 'not_supported']);
  });
});

describe('scopes', () => {
  test('open what they name, on the listener it is on', async () => {
    const publish = { body: managed(), type: yaml };
    const table: [string, number][] = [];
    const expected: [string, number][] = [];
    const cases: [keyof typeof keys, 'data' | 'admin', string, Asked, number][] = [
      ['evaluator', 'data', 'POST /api/v1/evaluate', { body: { context: {} } }, 200],
      ['evaluator', 'data', 'GET /api/v1/policies', {}, 403],
      ['evaluator', 'admin', 'POST /api/v1/policies', publish, 403],
      ['reader', 'data', 'POST /api/v1/evaluate', { body: { context: {} } }, 403],
      ['reader', 'data', 'GET /api/v1/policies', {}, 200],
      ['reader', 'data', 'GET /api/v1/policies/managed', {}, 200],
      ['reader', 'admin', 'GET /api/v1/policies/managed/versions', {}, 200],
      ['reader', 'admin', 'POST /api/v1/policies', publish, 403],
      ['reader', 'admin', 'GET /admin/v1/keys', {}, 401],
      ['writer', 'data', 'POST /api/v1/policies', publish, 404],
      ['writer', 'data', 'DELETE /api/v1/policies/managed', {}, 404],
      ['writer', 'admin', 'POST /api/v1/policies', publish, 201],
      ['writer', 'admin', 'GET /admin/v1/keys', {}, 401],
      ['chief', 'data', 'POST /api/v1/evaluate', { body: { context: {} } }, 200],
      ['chief', 'data', 'GET /api/v1/compliance/status', {}, 200],
      ['chief', 'admin', 'POST /api/v1/policies', publish, 201],
      ['chief', 'admin', 'GET /admin/v1/keys', {}, 401],
    ];
    for (const [who, listener, how, asked, status] of cases) {
      const told = await (listener === 'data' ? data : admin)(how, { ...asked, key: keys[who] });
      table.push([`${who} ${listener} ${how}`, told.status]);
      expected.push([`${who} ${listener} ${how}`, status]);
    }
    expect(table).toEqual(expected);
    for (const key of [null, 'wrong', '']) {
      expect((await admin('POST /api/v1/policies', { ...publish, key })).status).toBe(401);
      expect((await data('GET /api/v1/policies', { key })).status).toBe(401);
    }
  });

  test('a change by a caller names its key', async () => {
    await admin('PUT /api/v1/policies/managed', { body: managed('forbidden', '3.0.0'), type: yaml, key: keys.writer });
    const { body } = await admin('GET /api/v1/policies/managed/versions');
    expect(body.versions.at(-1)).toMatchObject({ version: '3.0.0', by: 'key:writerkey001' });
  });
});

describe('looking at policies', () => {
  test('lists them with where they come from', async () => {
    const { body } = await data('GET /api/v1/policies');
    expect(body.policies.map(({ id, source, category }: Said) => [id, source, category])).toEqual([
      ['filed', 'file', 'cost'],
      ['json', 'managed', 'other'],
      ['managed', 'managed', 'security'],
    ]);
    const one = await data('GET /api/v1/policies/filed?namespace=default');
    expect(one.body.text).toContain('Too dear');
    expect((await data('GET /api/v1/policies/filed?namespace=other')).status).toBe(404);
    expect((await data('GET /api/v1/policies?limit=1')).status).toBe(400);
  });

  test('validates without changing anything', async () => {
    const fine = await data('POST /api/v1/policies/validate', { body: managed('x', '9.0.0'), type: yaml });
    expect(fine.body).toEqual({
      valid: true,
      policies: [{ id: 'managed', namespace: 'default', version: '9.0.0', rules: 1 }],
      problems: [],
    });
    const wrong = await data('POST /api/v1/policies/validate', {
      body: { text: managed().replace('operator: eq', 'operator: eqq') },
    });
    expect([wrong.status, wrong.body.valid, wrong.body.problems[0]]).toMatchObject([200, false, { line: 5 }]);
    expect((await data('GET /api/v1/policies/managed')).body.version).toBe('3.0.0');
  });

  test('runs tests on policies in force, and on those given', async () => {
    const inForce = await data('POST /api/v1/policies/test', { body: { tests: tests('deny') } });
    expect(inForce.body).toMatchObject({ name: 'managed', passed: 1, failed: 0 });
    const given = await data('POST /api/v1/policies/test', {
      body: { tests: tests('deny'), policies: managed('other') },
    });
    expect(given.body).toMatchObject({ passed: 0, failed: 1, results: [{ passed: false }] });
    const unknown = await data('POST /api/v1/policies/test', {
      body: { tests: tests('deny').replace('managed.yaml', 'none.yaml') },
    });
    expect([unknown.status, unknown.body.error.message]).toMatchObject([
      400,
      expect.stringMatching(/there is no policy none/),
    ]);
    const bad = await data('POST /api/v1/policies/test', { body: { test: 'x' } });
    expect([bad.status, bad.body.error.code]).toEqual([400, 'invalid_request']);
  });
});

describe('dashboards', () => {
  test('are told real figures: evaluations, refused calls, and what each policy did', async () => {
    const own = await startGateway({
      policies: { 'cost/filed': filed, 'security/managed': managed('demo') },
      providers: { demo: { id: 'demo', format: 'demo', models: { demo: {}, other: {} } } },
      team: { keys: [ref('TEST_TEAM_KEY'), { key: ref('READER'), scopes: ['policy:read'] }] },
      config: {
        organizations: [
          {
            id: 'acme',
            teams: [{ id: 'research', keys: [ref('TEST_TEAM_KEY'), { key: ref('READER'), scopes: ['policy:read'] }] }],
          },
          { id: 'else', teams: [{ id: 'them', keys: [{ key: ref('CHIEF'), scopes: ['policy:admin'] }] }] },
        ],
      },
      env: { READER: keys.reader, CHIEF: keys.chief },
    });
    try {
      const at = (how: string, asked: Asked = {}) => ask(own.origin, how, asked);
      const evaluated = (model: string, estimatedCost: number, key = teamKey) =>
        at('POST /api/v1/evaluate', {
          key,
          body: { requestId: `${model}-${estimatedCost}`, context: { llm: { model, estimatedCost } } },
        });
      await evaluated('other', 0);
      await evaluated('demo', 2);
      await evaluated('other', 3, keys.chief);
      const body = { model: 'demo', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 5 };
      expect((await call(own, '/v1/chat/completions', body)).status).toBe(403);
      expect((await call(own, '/v1/chat/completions', { ...body, model: 'other' })).status).toBe(200);

      await eventually(async () => (await at('GET /api/v1/evaluations')).body.count === 4);
      const seen = await at('GET /api/v1/evaluations');
      expect(seen.body.count).toBe(4);
      expect(seen.body.evaluations.map(({ kind, decision }: Said) => [kind, decision])).toEqual([
        ['call', 'allow'],
        ['call', 'deny'],
        ['evaluation', 'deny'],
        ['evaluation', 'allow'],
      ]);
      expect(seen.body.evaluations[1]).toMatchObject({
        team: 'research',
        policyId: 'managed',
        determining: ['managed/no'],
        model: 'demo',
      });
      expect((await at('GET /api/v1/evaluations?decision=deny&limit=1')).body.evaluations.length).toBe(1);
      expect((await at('GET /api/v1/evaluations?limit=0')).status).toBe(400);

      const enforced = (await at('GET /api/v1/enforcement/decisions')).body;
      expect([enforced.count, enforced.by_decision]).toEqual([2, { deny: 2 }]);
      expect(enforced.by_rule).toEqual({ 'managed/no': 2, 'filed/dear': 1 });

      // Under another policy the call that was let through would not have been.
      const simulated = await at('POST /api/v1/simulate', { body: { policies: managed('other') } });
      expect(simulated.body).toMatchObject({ exchanges: 2, changed: 2, unknown: 0 });
      expect(simulated.body.changes.map(({ from, to }: Said) => `${from} -> ${to}`).sort()).toEqual([
        'allow -> deny',
        'deny -> allow',
      ]);
      expect((await at('POST /api/v1/simulate', { body: { policies: 'rules: 1' } })).status).toBe(400);
      // What is personal stays sealed here: what hinges on it is not guessed.
      const personal = managed('other').replace('llm.model', 'user.id');
      expect((await at('POST /api/v1/simulate', { body: { policies: personal } })).body).toMatchObject({ unknown: 2 });
      const elsewhere = await at('POST /api/v1/simulate', { key: keys.chief, body: { policies: managed('other') } });
      expect(elsewhere.body.exchanges).toBe(0);

      const status = (await at('GET /api/v1/compliance/status')).body;
      expect(status.categories).toEqual([
        { category: 'cost', policies: 1, active: 1, tested: 0, denials: 1, unable: 0 },
        { category: 'security', policies: 1, active: 1, tested: 0, denials: 2, unable: 0 },
      ]);
      // Those of another organization are not among them; an administrator sees all.
      expect((await at('GET /api/v1/evaluations', { key: keys.chief })).body.evaluations).toMatchObject([
        { organization: 'else' },
      ]);
      expect((await ask(own.admin, 'GET /api/v1/evaluations', { key: adminKey })).body.count).toBe(5);

      const figures = (await at('GET /api/v1/metrics')).body;
      expect(figures).toMatchObject({
        evaluations: { total: 3, by_decision: { allow: 1, deny: 2 } },
        policies: 2,
        rules: 2,
        streams: 0,
      });
      expect((await at('GET /api/v1/health', { key: null })).body).toEqual({ status: 'ok' });
    } finally {
      await own.close();
    }
  });
});

describe('the configuration', () => {
  test('that defines what is published is refused, with the reason, and what was in force stays', async () => {
    const file = join(gateway.directory, 'policies', 'cost', 'filed.yaml');
    const { writeFileSync } = await import('node:fs');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, `${filed}---${managed('clash')}`);
    const told = await admin('POST /admin/v1/config/reload');
    expect([told.status, told.body.applied]).toEqual([409, false]);
    expect(told.body.problems.join()).toMatch(/managed stands twice/);
    writeFileSync(file, before.replace('value: 1 }', 'value: 5 }'));
    expect((await admin('POST /admin/v1/config/reload')).body.applied).toBe(true);
    expect(await decisionOn('forbidden')).toBe('deny');
    const { body } = await data('GET /api/v1/policies/filed');
    expect(body.text).toContain('value: 5');
  });
});
