import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { adminKey, ref, type TestGateway } from '../support/gateway.ts';
import { ask, policy, within } from '../support/policy-house.ts';
import { recordsOf } from '../support/refusals.ts';

let provider: FakeProvider;
beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
});
beforeEach(() => provider.reset());
afterAll(() => provider.close());

const premium = (more = '') =>
  policy(
    'premium',
    `  - id: dear
    condition: { operator: in, field: llm.model, value: [gpt-4o, claude-sonnet-4-5] }
    action: { decision: approve, role: finance, reason: "The dear model."${more} }\n`,
  );

/** Asks the admin listener. */
async function admin(gateway: TestGateway, method: string, path: string, body?: unknown, key = adminKey) {
  const response = await fetch(`${gateway.admin}/admin/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, never> & Record<string, unknown> };
}

const makeKey = async (gateway: TestGateway, scopes: string[]) =>
  String(
    (await admin(gateway, 'POST', 'keys', { organization: 'acme', team: 'research', name: 'k', scopes })).body.key,
  );

describe('a call that needs an approval', () => {
  test('is refused with the id of one, and passes once it is given, once', async () => {
    await within(provider, { premium: premium() }, async (gateway) => {
      const refused = await ask(gateway);
      expect(refused.status).toBe(403);
      expect(refused.headers.get('x-should-retry')).toBe('false');
      expect(refused.error).toMatchObject({
        code: 'approval_required',
        role: 'finance',
        state: 'pending',
        policy: 'premium',
        rule: 'premium/dear',
      });
      const id = String(refused.error.approval);
      expect(refused.error.message).toContain('The dear model.');
      expect(refused.error.message).toContain(`x-llm-approval: ${id}`);
      // Who asks again asks for the same; what is not given does not pass.
      expect((await ask(gateway)).error.approval).toBe(id);
      expect((await ask(gateway, {}, { 'x-llm-approval': id })).status).toBe(403);
      expect(provider.requests).toHaveLength(0);

      const { body } = await admin(gateway, 'GET', 'approvals?state=pending');
      expect(body.approvals).toEqual([
        expect.objectContaining({
          id,
          state: 'pending',
          organization: 'acme',
          team: 'research',
          model: 'gpt-4o',
          rules: ['premium/dear'],
          roles: ['finance'],
        }),
      ]);
      expect(JSON.stringify(body)).not.toContain('Hi');
      const given = await admin(gateway, 'POST', `approvals/${id}/approve`, { note: 'For the demo.' });
      expect([given.status, given.body.state, given.body.note]).toEqual([200, 'approved', 'For the demo.']);

      const passed = await ask(gateway, {}, { 'x-llm-approval': id });
      expect([passed.status, passed.headers.get('x-llm-decision')]).toEqual([200, 'approve']);
      expect(provider.requests[0]?.headers['x-llm-approval']).toBeUndefined();
      expect((await passed.record()).decision.request).toMatchObject({ decision: 'approve', approval: id });
      expect((await refused.record()).decision.request).toMatchObject({ decision: 'approve', approval: id });

      const again = await ask(gateway, {}, { 'x-llm-approval': id });
      expect([again.status, again.error.state]).toEqual([403, 'pending']);
      expect(again.error.approval).not.toBe(id);
      expect(provider.requests).toHaveLength(1);
      const changes = (await recordsOf(gateway)).filter((record) => record.change !== undefined);
      expect(changes.map(({ change }) => [change?.action, change?.target])).toEqual([['approval.approve', id]]);
    });
  });

  test('is bound to its bytes and its caller', async () => {
    await within(provider, { premium: premium() }, async (gateway) => {
      const id = String((await ask(gateway)).error.approval);
      await admin(gateway, 'POST', `approvals/${id}/approve`);
      const otherBody = await ask(gateway, { temperature: 1 }, { 'x-llm-approval': id });
      expect([otherBody.status, otherBody.error.code]).toEqual([403, 'approval_required']);
      const otherKey = await makeKey(gateway, ['policy:evaluate']);
      const other = await ask(gateway, {}, { 'x-llm-approval': id, authorization: `Bearer ${otherKey}` });
      expect([other.status, other.error.code]).toEqual([403, 'approval_required']);
      expect(provider.requests).toHaveLength(0);
      expect((await ask(gateway, {}, { 'x-llm-approval': id })).status).toBe(200);
    });
  });

  test('of many retries with one approval one passes', async () => {
    await within(provider, { premium: premium() }, async (gateway) => {
      const id = String((await ask(gateway)).error.approval);
      await admin(gateway, 'POST', `approvals/${id}/approve`);
      const answers = await Promise.all(Array.from({ length: 8 }, () => ask(gateway, {}, { 'x-llm-approval': id })));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(provider.requests).toHaveLength(1);
      const after = await admin(gateway, 'GET', `approvals/${id}`);
      expect(after.body.state).toBe('used');
    });
  });

  test('stays refused where somebody said no, and cannot be decided twice', async () => {
    await within(provider, { premium: premium() }, async (gateway) => {
      const id = String((await ask(gateway)).error.approval);
      expect((await admin(gateway, 'POST', `approvals/${id}/reject`, { note: 'No.' })).body.state).toBe('rejected');
      expect((await admin(gateway, 'POST', `approvals/${id}/approve`)).status).toBe(409);
      const refused = await ask(gateway, {}, { 'x-llm-approval': id });
      expect([refused.status, refused.error.approval, refused.error.state]).toEqual([403, id, 'rejected']);
      expect((await admin(gateway, 'POST', 'approvals/apr_nothing/approve')).status).toBe(404);
      expect((await admin(gateway, 'GET', 'approvals?state=odd')).status).toBe(400);
    });
  });

  test('is over when its time is', async () => {
    await within(provider, { premium: premium(', ttl_seconds: 1') }, async (gateway) => {
      const id = String((await ask(gateway)).error.approval);
      await admin(gateway, 'POST', `approvals/${id}/approve`);
      await expect.poll(async () => (await admin(gateway, 'GET', `approvals/${id}`)).body.state).toBe('expired');
      const late = await ask(gateway, {}, { 'x-llm-approval': id });
      expect(late.status).toBe(403);
      expect(late.error.approval).not.toBe(id);
    });
  });

  test('may be approved by whoever has the scope and the role, and not by who asks', async () => {
    await within(provider, { premium: premium() }, async (gateway) => {
      const id = String((await ask(gateway)).error.approval);
      const evaluator = await makeKey(gateway, ['policy:evaluate']);
      const approver = await makeKey(gateway, ['policy:approve']);
      expect((await admin(gateway, 'GET', 'approvals', undefined, 'lpk_nobody')).status).toBe(401);
      expect((await admin(gateway, 'GET', 'approvals', undefined, evaluator)).status).toBe(403);
      expect((await admin(gateway, 'GET', 'approvals', undefined, approver)).status).toBe(200);
      // The key has no role of a person: it sees and may not say.
      expect((await admin(gateway, 'POST', `approvals/${id}/approve`, undefined, approver)).status).toBe(403);
      // Nothing else of the listener is open to it.
      expect((await admin(gateway, 'GET', 'keys', undefined, approver)).status).toBe(401);
    });
  });

  test('tells an Anthropic client in its own format', async () => {
    const policies = { premium: premium() };
    await within(provider, policies, async (gateway) => {
      const refused = await ask(gateway, { model: 'claude-sonnet-4-5', max_tokens: 5 });
      expect([refused.status, refused.error.code]).toEqual([403, 'approval_required']);
      const id = String(refused.error.approval);
      await admin(gateway, 'POST', `approvals/${id}/approve`);
      const passed = await ask(gateway, { model: 'claude-sonnet-4-5', max_tokens: 5 }, { 'x-llm-approval': id });
      expect(passed.status).toBe(200);
    });
  });

  test('what a call passes with is not spent on a call that a limit refuses', async () => {
    const organizations = [
      { id: 'acme', teams: [{ id: 'research', keys: [ref('TEST_TEAM_KEY')], limits: { requests_per_hour: 1 } }] },
    ];
    await within(
      provider,
      { premium: premium() },
      async (gateway) => {
        const id = String((await ask(gateway)).error.approval);
        await admin(gateway, 'POST', `approvals/${id}/approve`);
        expect((await ask(gateway, { model: 'gpt-4o-mini' })).status).toBe(200);
        expect((await ask(gateway, {}, { 'x-llm-approval': id })).status).toBe(429);
        expect((await admin(gateway, 'GET', `approvals/${id}`)).body.state).toBe('approved');
      },
      { organizations },
    );
  });
});
