import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askedOf, batchOf } from '../../src/surfaces/decision/asked.ts';
import type { Said } from '../support/asking.ts';
import { adminKey, ref, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';

const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addFormat('date-time', (text) => !Number.isNaN(Date.parse(text)));

const readerKey = ['lpk', 'readerkey001', 'r'.repeat(43)].join('_');
const policy = (id: string) => `
metadata: { id: ${id}, name: ${id}, version: 1.0.0 }
rules:
  - id: no
    condition: { operator: eq, field: llm.model, value: x }
    action: { decision: deny, reason: No }
  - id: tidy
    condition: { operator: exists, field: user.id }
    action: { decision: modify, cap_max_tokens: 10, add_tags: [seen], redact: { rails: [pii] } }
  - id: watched
    condition: { operator: gt, field: llm.estimatedCost, value: 1 }
    action: { decision: dryrun, action: { decision: deny } }
`;
const policyTests = `
apiVersion: llm-policy/v1
kind: PolicyTest
metadata: { name: t }
policies: [published]
tests: [{ name: a, input: { set: { llm.model: x } }, expect: { decision: deny } }]
`;

let gateway: TestGateway;
let document: Said;
beforeAll(async () => {
  gateway = await startGateway({
    policies: { filed: policy('filed') },
    providers: { demo: { id: 'demo', format: 'demo', models: { demo: {} } } },
    team: { keys: [ref('TEST_TEAM_KEY'), { key: ref('READER'), scopes: ['policy:read', 'policy:evaluate'] }] },
    env: { READER: readerKey },
  });
  document = await (await fetch(`${gateway.origin}/api/v1/openapi.json`)).json();
});
afterAll(() => gateway.close());

interface Tried {
  readonly how: string;
  /** Of the document, where it is not the path asked for. */
  readonly as?: string;
  readonly body?: unknown;
  readonly status: number;
  readonly key?: string;
}

const context = { llm: { model: 'x', estimatedCost: 2 }, user: { id: 'jane' } };
/** Every operation, done well and done badly, in an order that makes sense to do them in. */
const tried: readonly Tried[] = [
  ...['/api/v1/evaluate', '/v1/evaluate', '/api/v1/evaluate/explain'].flatMap((path): Tried[] => [
    { how: `POST ${path}`, body: { requestId: 'r', context }, status: 200 },
    { how: `POST ${path}`, body: { context: {} }, status: 200 },
    { how: `POST ${path}`, body: { context: 3 }, status: 400 },
    { how: `POST ${path}`, body: { context }, status: 401, key: 'wrong' },
  ]),
  ...['/api/v1/evaluate/batch', '/v1/evaluate/batch'].flatMap((path): Tried[] => [
    { how: `POST ${path}`, body: [{ context }, { context: {} }], status: 200 },
    { how: `POST ${path}`, body: { contexts: [context] }, status: 200 },
    { how: `POST ${path}`, body: [], status: 400 },
  ]),
  { how: 'POST /api/v1/policies', body: { text: policy('published'), tests: policyTests }, status: 201 },
  { how: 'POST /api/v1/policies', body: { text: policy('filed') }, status: 409 },
  { how: 'POST /api/v1/policies', body: { txt: '' }, status: 400 },
  {
    how: 'PUT /api/v1/policies/published',
    as: 'PUT /api/v1/policies/{id}',
    body: { text: policy('published') },
    status: 200,
  },
  {
    how: 'POST /api/v1/policies/published/rollback',
    as: 'POST /api/v1/policies/{id}/rollback',
    body: { version: 1 },
    status: 200,
  },
  {
    how: 'POST /api/v1/policies/published/rollback',
    as: 'POST /api/v1/policies/{id}/rollback',
    body: { version: 0 },
    status: 400,
  },
  { how: 'POST /api/v1/policies/published/rollout', as: 'POST /api/v1/policies/{id}/rollout', status: 404 },
  { how: 'GET /api/v1/policies/published/versions', as: 'GET /api/v1/policies/{id}/versions', status: 200 },
  { how: 'GET /api/v1/policies', status: 200 },
  { how: 'GET /api/v1/policies', status: 403, key: teamKey },
  { how: 'GET /api/v1/policies/published', as: 'GET /api/v1/policies/{id}', status: 200 },
  { how: 'GET /api/v1/policies/none', as: 'GET /api/v1/policies/{id}', status: 404 },
  { how: 'POST /api/v1/policies/validate', body: { text: policy('x') }, status: 200 },
  { how: 'POST /api/v1/policies/validate', body: { text: 'rules: 1' }, status: 200 },
  { how: 'POST /api/v1/policies/test', body: { tests: policyTests }, status: 200 },
  { how: 'POST /api/v1/policies/test', body: {}, status: 400 },
  { how: 'POST /api/v1/simulate', body: { policies: policy('published') }, status: 200 },
  { how: 'POST /api/v1/simulate', body: { policies: '', limit: 0 }, status: 400 },
  { how: 'GET /api/v1/evaluations', status: 200 },
  { how: 'GET /api/v1/enforcement/decisions', status: 200 },
  { how: 'GET /api/v1/compliance/status', status: 200 },
  { how: 'GET /api/v1/metrics', status: 200 },
  { how: 'GET /api/v1/health', status: 200 },
  { how: 'GET /api/v1/openapi.json', status: 200 },
  { how: 'GET /api/v1/evaluate/stream', status: 426 },
  { how: 'DELETE /api/v1/policies/published', as: 'DELETE /api/v1/policies/{id}', status: 200 },
];

const operationOf = (how: string) => {
  const [method, path] = how.split(' ') as [string, string];
  return document.paths[path]?.[method.toLowerCase()];
};

/** `/policies/:id` as the document has it. */
const documented = (url: string) => url.replaceAll(/:(\w+)/g, '{$1}');

describe('openapi.json', () => {
  test('has every route of the decision point, and no other', async () => {
    const routes = gateway.gateway.routes
      .filter(({ url, method }) => /^\/(api\/v1\/|v1\/evaluate)/.test(url) && method !== 'HEAD')
      .map(({ method, url }) => `${method} ${documented(url)}`);
    const named = Object.entries<Said>(document.paths).flatMap(([path, methods]) =>
      Object.entries<Said>(methods).map(([method, { 'x-listener': on = 'data' }]) => ({
        how: `${method.toUpperCase()} ${path}`,
        on,
      })),
    );
    expect(
      named
        .filter(({ on }) => on !== 'admin')
        .map(({ how }) => how)
        .sort(),
    ).toEqual([...routes].sort());
    // Those of the admin listener are not on the data listener, and are there.
    for (const { how, on } of named.filter((one) => one.on === 'admin')) {
      const [method, path] = how.split(' ') as [string, string];
      const asked = { method, headers: { authorization: `Bearer ${adminKey}` } };
      expect([how, on, (await fetch(gateway.origin + path, asked)).status]).toEqual([how, 'admin', 404]);
      const there = (await (await fetch(gateway.admin + path, asked)).json()) as Said;
      expect([how, there.error?.message ?? '']).not.toMatchObject([how, expect.stringMatching(/is not served here/)]);
    }
  });

  test.each(
    tried.map((one) => [`${one.how} ${JSON.stringify(one.body ?? '').slice(0, 40)} ${one.status}`, one] as const),
  )('tells what is answered: %s', async (_name, { how, as = how, body, status, key }) => {
    const operation = operationOf(as);
    const [method, path] = how.split(' ') as [string, string];
    const onAdmin = operation['x-listener'] === 'admin';
    const response = await fetch((onAdmin ? gateway.admin : gateway.origin) + path, {
      method,
      headers: { authorization: `Bearer ${key ?? (onAdmin ? adminKey : readerKey)}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const said = (await response.json()) as Said;
    expect([response.status, said]).toMatchObject([status, {}]);
    const told = operation.responses[status] ?? operation.responses.default;
    const { schema } = (told.$ref === undefined ? told : document.components.responses.Failure).content[
      'application/json'
    ];
    expect([ajv.validate(schema, said), ajv.errors]).toEqual([true, null]);
    const asked = operation.requestBody?.content['application/json'].schema;
    if (asked !== undefined && body !== undefined) expect(ajv.validate(asked, body)).toBe(status !== 400);
  });

  test('no operation is left out of what was tried', () => {
    const all = Object.entries<Said>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const good = new Set(tried.map(({ how, as = how }) => as));
    expect(all.filter((how) => !good.has(how))).toEqual([]);
  });

  test('asks for what the checks of evaluations ask for: they agree on every body', () => {
    const accepts = (check: (body: unknown) => unknown) => (body: unknown) => {
      try {
        check(body);
        return true;
      } catch {
        return false;
      }
    };
    const one = { context: {} };
    const bodies: unknown[] = [
      null,
      1,
      'x',
      [],
      {},
      one,
      { context: [] },
      { context: null },
      { requestId: 'a', ...one },
      { requestId: 1, ...one },
    ];
    bodies.push(
      { ...one, more: 1 },
      [one],
      [one, 3],
      [one, {}],
      { contexts: [] },
      { contexts: [{}] },
      { contexts: [3] },
    );
    bodies.push({ contexts: [{}], more: 1 }, Array(100).fill(one), Array(101).fill(one), {
      contexts: Array(101).fill({}),
    });
    for (const [how, check] of [
      ['POST /api/v1/evaluate', askedOf],
      ['POST /api/v1/evaluate/batch', batchOf],
    ] as const) {
      const { schema } = operationOf(how).requestBody.content['application/json'];
      const verdicts = bodies.map((body) => [JSON.stringify(body).slice(0, 50), ajv.validate(schema, body)]);
      expect(verdicts).toEqual(
        bodies.map((body) => [JSON.stringify(body).slice(0, 50), accepts((it) => check(it))(body)]),
      );
      expect(new Set(verdicts.map(([, verdict]) => verdict)).size).toBe(2);
    }
  });
});
