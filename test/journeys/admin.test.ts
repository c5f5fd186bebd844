import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AuditRecord } from '../../src/observe/index.ts';
import { type AdminHouse, hi, startAdmin } from '../support/admin-house.ts';
import type { FakeProvider } from '../support/fake-provider.ts';
import { adminKey, ref, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';

let house: AdminHouse;
let provider: FakeProvider;
let gateway: TestGateway;
beforeAll(async () => {
  house = await startAdmin();
  ({ provider, gateway } = house);
});
afterEach(() => expect(provider.violations).toEqual([]));
afterAll(() => house.close());

const admin: AdminHouse['admin'] = (...args) => house.admin(...args);
const ask: AdminHouse['ask'] = (...args) => house.ask(...args);

const path = '/v1/chat/completions';
const routes = [
  ['GET', '/admin/v1/health'],
  ['GET', '/admin/v1/config'],
  ['POST', '/admin/v1/config/reload'],
  ['GET', '/admin/v1/policies'],
  ['GET', '/admin/v1/models'],
  ['GET', '/admin/v1/keys'],
  ['POST', '/admin/v1/keys'],
  ['DELETE', '/admin/v1/keys/some'],
  ['POST', '/admin/v1/keys/some/rotate'],
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

  test('are replaced: the new one opens the same, the old one lives as long as it is given, and the trail tells both', async () => {
    const wanted = { organization: 'acme', team: 'research', name: 'nightly', models: ['gpt-4o'] };
    const old = (await admin('/admin/v1/keys', { method: 'POST', body: wanted })).body;
    const asOld = { authorization: `Bearer ${old.key}` };
    const later = await admin(`/admin/v1/keys/${old.id}/rotate`, { method: 'POST', body: { grace_seconds: 3600 } });
    expect(later.status).toBe(201);
    expect(later.body).toMatchObject({ ...wanted, rotated_from: old.id, key: expect.stringMatching(/^lpk_/) });
    const asNew = { authorization: `Bearer ${later.body.key}` };
    expect([(await ask(hi, asOld)).status, (await ask(hi, asNew)).status]).toEqual([200, 200]);
    const again = await admin(`/admin/v1/keys/${old.id}/rotate`, { method: 'POST', body: {} });
    expect([again.status, again.body.error.code]).toEqual([409, 'invalid_request']);
    const last = await admin(`/admin/v1/keys/${later.body.id}/rotate`, { method: 'POST', body: {} });
    expect([(await ask(hi, asNew)).status, last.status]).toEqual([401, 201]);
    for (const grace_seconds of [-1, 0.5, 'long', 1e12]) {
      const told = await admin(`/admin/v1/keys/${last.body.id}/rotate`, { method: 'POST', body: { grace_seconds } });
      expect([told.status, told.body.error.param]).toEqual([400, 'grace_seconds']);
    }
    expect((await admin('/admin/v1/keys/nobody/rotate', { method: 'POST', body: {} })).status).toBe(404);
    await eventually('it is recorded', async () => {
      const { records } = (await admin('/admin/v1/records?limit=1000')).body as { records: AuditRecord[] };
      const changes = records.flatMap(({ change }) => (change?.action === 'key.rotate' ? [change] : []));
      return changes.some(({ target, before }) => target === later.body.id && before?.key === old.id);
    });
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
