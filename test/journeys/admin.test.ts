import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AuditRecord } from '../../src/observe/index.ts';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { adminKey, call, ref, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';
import { costOf, eventually, usd } from '../support/money.ts';

const path = '/v1/chat/completions';
const hi = { model: 'gpt-4o', max_tokens: 50, messages: [{ role: 'user', content: 'Hi, I am Jane.' }] };
const rules = `
metadata: { id: house, name: House rules, version: 1.0.0 }
rules:
  - id: no-mini
    condition: { operator: eq, field: llm.model, value: gpt-4o-mini }
    action: { decision: deny, reason: Mini is not for us. }
  - id: secrets
    condition: { operator: eq, field: rails.secrets.found, value: true }
    action: { decision: audit, reason: A secret }
  - id: cards
    on: response
    action: { decision: modify, redact: { rails: [pii/card] } }
`;

let provider: FakeProvider;
let gateway: TestGateway;
beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
  gateway = await startGateway({
    openai: provider.baseUrl,
    policies: { house: rules },
    team: {
      keys: [{ key: ref('TEST_TEAM_KEY'), may_assert: true }],
      budgets: [
        { window: 'month', limit_usd: 10 },
        { window: 'day', limit_tokens: 1_000_000 },
      ],
      users: { default: { budgets: [{ window: 'day', limit_usd: 5 }] } },
    },
  });
});
afterEach(() => expect(provider.violations).toEqual([]));
afterAll(async () => {
  await gateway.close();
  await provider.close();
});

// biome-ignore lint/suspicious/noExplicitAny: JSON of many shapes, compared as it is
type Told = { status: number; headers: Headers; text: string; body: any };

async function admin(
  target: string,
  {
    method = 'GET',
    body,
    key = adminKey as string | null,
  }: { method?: string; body?: unknown; key?: string | null } = {},
): Promise<Told> {
  const response = await fetch(gateway.admin + target, {
    method,
    headers: key === null ? {} : { authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
}
async function ask(body: unknown = hi, headers: Record<string, string> = {}): Promise<Response> {
  const response = await call(gateway, path, body, headers);
  await response.arrayBuffer();
  return response;
}

const routes = [
  ['GET', '/admin/v1/health'],
  ['GET', '/admin/v1/config'],
  ['POST', '/admin/v1/config/reload'],
  ['GET', '/admin/v1/policies'],
  ['GET', '/admin/v1/models'],
  ['GET', '/admin/v1/keys'],
  ['POST', '/admin/v1/keys'],
  ['DELETE', '/admin/v1/keys/some'],
  ['GET', '/admin/v1/budgets'],
  ['POST', '/admin/v1/budgets/reconcile'],
  ['GET', '/admin/v1/records'],
] as const;

describe('the admin listener', () => {
  test.each([...routes, ['GET', '/admin/v1/nothing'], ['GET', '/']] as [string, string][])(
    'asks for an admin key: %s %s',
    async (method, target) => {
      for (const key of [null, teamKey, `${adminKey}x`, adminKey.slice(0, -1), 'x']) {
        const told = await admin(target, { method, key });
        expect([told.status, told.body.error.code]).toEqual([401, 'invalid_api_key']);
        expect(told.headers.get('x-request-id')).not.toBeNull();
      }
      const basic = await fetch(gateway.admin + target, {
        method,
        headers: { authorization: `Basic ${adminKey}`, 'x-api-key': adminKey },
      });
      expect(basic.status).toBe(401);
    },
  );

  test('tells nothing without a key but that it lives', async () => {
    expect(await (await fetch(`${gateway.admin}/health`)).json()).toEqual({ status: 'ok' });
  });

  test('is not reached through the data listener, nor the other way round', async () => {
    const before = provider.requests.length;
    for (const [method, target] of routes) {
      for (const key of [teamKey, adminKey]) {
        const response = await fetch(gateway.origin + target, { method, headers: { authorization: `Bearer ${key}` } });
        expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([
          404,
          'not_supported',
        ]);
      }
      expect((await fetch(`${gateway.metrics}${target}`, { method })).status).toBe(404);
    }
    for (const target of [path, '/v1/messages', '/v1/models', '/metrics'])
      expect((await admin(target, { method: 'POST', body: hi })).status).toBe(404);
    expect(provider.requests).toHaveLength(before);
  });

  test('does not start without a key', async () => {
    const closed = await startGateway({
      openai: provider.baseUrl,
      config: { admin: { port: 0, keys: [ref('NO_KEY:-')] } },
    });
    try {
      expect(closed.gateway.addresses.admin).toBeUndefined();
      expect((await fetch(`${closed.origin}/health`)).status).toBe(200);
    } finally {
      await closed.close();
    }
  });

  test('shows the configuration without any secret', async () => {
    const { status, text, body } = await admin('/admin/v1/config');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      admin: { keys: ['[secret]'] },
      organizations: [{ id: 'acme', teams: [{ id: 'research' }] }],
      routing: { retries: 0 },
    });
    for (const secret of [adminKey, teamKey, 'upstream-secret-key']) expect(text).not.toContain(secret);
  });

  test('shows policies, models and health', async () => {
    expect((await admin('/admin/v1/policies')).body).toMatchObject({
      program: gateway.gateway.program,
      policies: [{ id: 'house', version: '1.0.0', rules: 3 }],
    });
    expect((await admin('/admin/v1/models')).body.models).toContainEqual(
      expect.objectContaining({ id: 'gpt-4o', provider: 'fake-openai' }),
    );
    expect((await admin('/admin/v1/health')).body).toMatchObject({
      ready: true,
      reasons: [],
      audit: { accepting: true },
    });
  });
});

describe('keys', () => {
  test('made here work at once, show themselves once, and open nothing once they are revoked', async () => {
    const wanted = { organization: 'acme', team: 'research', name: 'ci', models: ['gpt-4o'], scopes: ['policy:read'] };
    const made = await admin('/admin/v1/keys', { method: 'POST', body: wanted });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ ...wanted, key: expect.stringMatching(/^lpk_/), may_assert: false });
    const own = { authorization: `Bearer ${made.body.key}` };
    expect((await ask(hi, own)).status).toBe(200);
    expect((await ask({ ...hi, model: 'gpt-4o-mini' }, own)).status).toBe(404);

    const listed = await admin('/admin/v1/keys');
    expect(listed.body.keys).toContainEqual(
      expect.objectContaining({ id: made.body.id, team: 'research', name: 'ci' }),
    );
    expect(listed.text).not.toMatch(/lpk_|hash:v1/);

    const revoked = await admin(`/admin/v1/keys/${made.body.id}`, { method: 'DELETE' });
    expect([revoked.status, Date.parse(revoked.body.revoked_at) <= Date.now()]).toEqual([200, true]);
    expect((await ask(hi, own)).status).toBe(401);
  });

  test('that end, end', async () => {
    const at = new Date(Date.now() + 400).toISOString();
    const { body } = await admin('/admin/v1/keys', {
      method: 'POST',
      body: { organization: 'acme', team: 'research', expires_at: at },
    });
    const own = { authorization: `Bearer ${body.key}` };
    expect((await ask(hi, own)).status).toBe(200);
    await eventually('it ends', async () => (await ask(hi, own)).status === 401);
  });

  test('that cannot be made are refused with the field at fault, and nothing is kept of them', async () => {
    const before = (await admin('/admin/v1/keys')).body.keys.length;
    const good = { organization: 'acme', team: 'research' };
    const wrong: [unknown, string | null][] = [
      [{}, 'organization'],
      [{ organization: 'acme' }, 'team'],
      [{ ...good, organization: 'nobody' }, 'organization'],
      [{ ...good, team: 'nobody' }, 'team'],
      [{ ...good, team: 7 }, 'team'],
      [{ ...good, may_assert: 'yes' }, 'may_assert'],
      [{ ...good, expires_at: 'tomorrow' }, 'expires_at'],
      [{ ...good, expires_at: '7' }, 'expires_at'],
      [{ ...good, scopes: ['policy:all'] }, 'scopes'],
      [{ ...good, models: 'gpt-4o' }, 'models'],
      [{ ...good, budget: 5 }, 'budget'],
      [{ ...good, constructor: 'x' }, 'constructor'],
      [[], null],
    ];
    for (const [body, param] of wrong) {
      const told = await admin('/admin/v1/keys', { method: 'POST', body });
      expect([told.status, told.body.error.code, told.body.error.param], JSON.stringify(body)).toEqual([
        400,
        'invalid_request',
        param,
      ]);
    }
    expect((await admin('/admin/v1/keys')).body.keys).toHaveLength(before);
  });

  test('of the configuration are not changed here', async () => {
    const { status, body } = await admin('/admin/v1/keys/testteamkey1', { method: 'DELETE' });
    expect([status, body.error.code]).toEqual([404, 'invalid_request']);
    expect(body.error.message).toContain('configuration');
    expect((await ask()).status).toBe(200);
  });
});

describe('records and budgets', () => {
  const usage = { input: 100, output: 10 };
  let ids: Record<'plain' | 'denied' | 'jane', string>;
  let begun: string;

  beforeAll(async () => {
    begun = new Date(Date.now() - 1).toISOString();
    provider.reply = () => ({ text: 'The card is 4111 1111 1111 1111.', usage });
    ids = { plain: 'r-plain', denied: 'r-denied', jane: 'r-jane' };
    expect((await ask(hi, { 'x-request-id': ids.plain })).status).toBe(200);
    expect((await ask({ ...hi, model: 'gpt-4o-mini' }, { 'x-request-id': ids.denied })).status).toBe(403);
    expect((await ask(hi, { 'x-request-id': ids.jane, 'x-llm-user': 'jane' })).status).toBe(200);
    await eventually('the records', async () => (await found()).length === 3);
  });
  /** Of this block's calls, those that fit, by their names. */
  async function found(query: Record<string, string> = {}): Promise<string[]> {
    const { status, body } = await admin(`/admin/v1/records?${new URLSearchParams({ since: begun, ...query })}`);
    expect(status, JSON.stringify(body)).toBe(200);
    return (body.records as AuditRecord[]).map(({ request_id }) => request_id).filter((id) => id.startsWith('r-'));
  }

  test('are found by what is asked for', async () => {
    const { plain, denied, jane } = ids;
    expect(await found()).toEqual([plain, denied, jane]);
    expect(await found({ limit: '1' })).toEqual([jane]);
    expect(await found({ decision: 'deny' })).toEqual([denied]);
    expect(await found({ decision: 'denied' })).toEqual([denied]);
    expect(await found({ model: 'gpt-4o' })).toEqual([plain, jane]);
    expect(await found({ user: 'jane' })).toEqual([jane]);
    expect(await found({ team: 'research' })).toHaveLength(3);
    expect(await found({ team: 'other' })).toEqual([]);
    expect(await found({ until: begun })).toEqual([]);
    const { body } = await admin('/admin/v1/records?user=jane');
    expect(body.records[0].caller).toMatchObject({ team: 'research', user: 'jane' });
    expect(await found({ exchange: body.records[0].exchange })).toEqual([jane]);
  });

  test('a filter that is misspelt or wrong shows nothing, not everything', async () => {
    for (const query of [
      'teem=x',
      'limit=all',
      'limit=0',
      'limit=1001',
      'since=yesterday',
      'since=1',
      'team=a&team=b',
    ]) {
      const told = await admin(`/admin/v1/records?${query}`);
      expect([told.status, told.body.error.code, told.body.error.param], query).toEqual([
        400,
        'invalid_request',
        query.split('=')[0],
      ]);
    }
  });

  test('budgets are told in their own unit, and agree with their entries', async () => {
    const { body } = await admin('/admin/v1/budgets?organization=acme');
    const month = body.budgets.find(({ key }: { key: string }) => key.startsWith('budget:team:research:month'));
    expect(month).toMatchObject({ limit_usd: 10, held_usd: 0 });
    expect(month.spent_usd).toBeGreaterThanOrEqual(usd(2 * costOf(usage)));
    const tokens = body.budgets.find(({ key }: { key: string }) => key.startsWith('budget:team:research:day'));
    expect(tokens).toMatchObject({ limit_tokens: 1_000_000, held_tokens: 0 });
    expect((await admin('/admin/v1/budgets')).body).toEqual(body);
    expect((await admin('/admin/v1/budgets/reconcile', { method: 'POST' })).body).toEqual({
      drift: [],
      repaired: false,
    });
    expect((await admin('/admin/v1/budgets/reconcile?organization=acme&repair=true', { method: 'POST' })).body).toEqual(
      { drift: [], repaired: true },
    );
    for (const [target, param] of [
      ['/admin/v1/budgets?organization=nobody', 'organization'],
      ['/admin/v1/budgets?team=x', 'team'],
    ] as const) {
      const told = await admin(target);
      expect([told.status, told.body.error.param]).toEqual([400, param]);
    }
    for (const query of ['organization=nobody', 'repair=yes'])
      expect((await admin(`/admin/v1/budgets/reconcile?${query}`, { method: 'POST' })).status).toBe(400);
  });

  test('metrics have every name of the contract, and no user, key, prompt or reply in a label', async () => {
    provider.reply = () => ({ text: 'The card is 4111 1111 1111 1111.', usage });
    await (await call(gateway, path, { ...hi, stream: true }, { 'x-llm-user': 'jane' })).text();
    await eventually('it is delivered', async () => (await admin('/admin/v1/health')).body.audit.live === 0);
    const text = await (await fetch(`${gateway.metrics}/metrics`)).text();
    const gatewayNames =
      'requests_total overhead_seconds upstream_seconds first_token_seconds tokens_total cost_usd_total budget_limit_usd budget_spent_usd budget_held_usd reservations ledger_drift_usd rail_findings_total rail_seconds held_characters provider_circuit_open inflight event_loop_lag_seconds';
    const names = [
      ...gatewayNames.split(' ').map((name) => `llm_gateway_${name}`),
      ...['evaluations_total', 'evaluation_seconds', 'program_info'].map((name) => `llm_policy_${name}`),
      ...['spooled_total', 'delivered_total', 'spool_bytes'].map((name) => `llm_audit_${name}`),
    ];
    const measured = (name: string) => new RegExp(`^${name}(_count)?(\\{[^}]*\\})? [0-9.e+-]+$`, 'm').test(text);
    expect(names.filter((name) => !measured(name))).toEqual([]);
    for (const name of ['llm_gateway_retries_total', 'llm_audit_failed_total'])
      expect(text).toContain(`# TYPE ${name} counter`);
    expect(text).toMatch(
      /llm_gateway_requests_total\{team="research",model="gpt-4o",provider="fake-openai",decision="allow",status="200"\} [1-9]/,
    );
    expect(text).toMatch(/llm_gateway_rail_findings_total\{rail="pii",type="card"\} [1-9]/);
    for (const secret of ['jane', 'Jane', '4111', teamKey, adminKey, 'testteamkey1', 'upstream-secret-key'])
      expect(text).not.toContain(secret);
  });
});
