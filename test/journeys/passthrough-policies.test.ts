import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { adminKey, quietPolicy } from '../support/gateway.ts';
import {
  entriesOf,
  errorOf,
  type PassingHouse,
  type PassingOptions,
  passProvider,
  standing,
  startPassing,
} from '../support/passing.ts';

async function house(options: PassingOptions = {}): Promise<PassingHouse> {
  const started = await startPassing(options);
  onTestFinished(() => started.close());
  return started;
}

const policy = (rules: string) => ({
  rules: `metadata: { id: rules, name: Rules, version: 1.0.0 }\nrules:\n${rules}`,
});

describe('policies decide on what is known without reading', () => {
  test('the route, the caller and the amount are facts', async () => {
    for (const condition of [
      `{ operator: eq, field: llm.provider, value: ${passProvider} }`,
      '{ operator: eq, field: team.id, value: research }',
      '{ operator: eq, field: request.headers.x-colour, value: red }',
      '{ operator: gt, field: llm.estimatedCost, value: 0.005 }',
      '{ operator: exists, field: llm.model, value: false }',
      '{ operator: gt, field: budget.team.remaining_usd, value: 5 }',
    ]) {
      const { pass, api } = await house({
        policies: policy(
          `  - { id: no, condition: ${condition}, action: { decision: deny, reason: not this way, status: 451 } }`,
        ),
      });
      const response = await pass('/models', { headers: { 'x-colour': 'red', 'x-request-id': 'denied' } });
      expect([condition, response.status]).toEqual([condition, 451]);
      expect(await errorOf(response)).toMatchObject({
        code: 'policy_denied',
        message: 'not this way',
        rule: 'rules/no',
      });
      expect(api.calls).toEqual([]);
    }
  });

  test.each(['llm.prompt', 'llm.systemPrompt', 'rails.pii.types', 'metadata.purpose', 'llm.tools'])(
    'a deny that reads %s cannot be decided, so it denies',
    async (field) => {
      const started = await house({
        policies: policy(
          `  - { id: reads, condition: { operator: contains, field: ${field}, value: card }, action: { decision: deny, reason: no } }`,
        ),
      });
      const response = await started.pass('/models', { headers: { 'x-request-id': 'unable' } });
      expect(response.status).toBe(403);
      expect(await errorOf(response)).toMatchObject({ message: expect.stringContaining('uninspected') });
      expect(started.api.calls).toEqual([]);
      const { decision } = await started.asker.record('unable');
      expect(decision.request?.unable).toEqual([`${field}: uninspected (rules/reads)`]);
    },
  );

  test('its on_error may say otherwise, and so may a condition that asks for calls with a model', async () => {
    const rule = (more: string) =>
      `metadata: { id: rules, name: Rules, version: 1.0.0 }\non_error: ${more}\nrules:\n` +
      '  - { id: reads, condition: { operator: contains, field: llm.prompt, value: x }, action: { decision: deny, reason: no } }';
    expect((await (await house({ policies: { rules: rule('skip') } })).pass('/models')).status).toBe(200);
    const warned = await (await house({ policies: { rules: rule('warn') } })).pass('/models');
    expect(warned.status).toBe(200);
    expect(warned.headers.get('x-llm-warning')).toContain('uninspected');
    const asks = '{ operator: exists, field: llm.model }, { operator: contains, field: llm.prompt, value: x }';
    const scoped = policy(
      `  - { id: reads, condition: { operator: and, conditions: [${asks}] }, action: { decision: deny, reason: no } }`,
    );
    expect((await (await house({ policies: scoped })).pass('/models')).status).toBe(200);
  });

  test.each([
    ['a cap', '{ decision: modify, cap_max_tokens: 10, reason: short }', 'request'],
    ['a redaction of what is sent', '{ decision: modify, redact: { rails: [pii] }, reason: private }', 'request'],
    ['a redaction of the reply', '{ decision: modify, redact: { rails: [pii] }, reason: private }', 'response'],
  ])('%s that cannot be made is no reason to let the call through', async (_what, action, on) => {
    const { pass, api } = await house({ policies: policy(`  - { id: changes, on: ${on}, action: ${action} }`) });
    const response = await pass('/models');
    expect(response.status).toBe(403);
    expect(await errorOf(response)).toMatchObject({ code: 'policy_denied', rule: 'rules/changes' });
    expect(api.calls).toEqual([]);
  });

  test('a deny on the reply is answered before the call is sent: its reply could not be read either', async () => {
    const { pass, api } = await house({
      policies: policy(
        '  - { id: leaks, on: response, condition: { operator: eq, field: rails.secrets.found, value: true }, action: { decision: deny, reason: leak } }',
      ),
    });
    expect((await pass('/models')).status).toBe(403);
    expect(api.calls).toEqual([]);
  });

  test('rules on settle see what it cost', async () => {
    const started = await house({
      policies: {
        quiet: quietPolicy,
        ...policy(
          '  - { id: dear, on: settle, condition: { operator: gte, field: response.cost, value: 0.01 }, action: { decision: audit, reason: dear } }',
        ),
      },
    });
    await (await started.pass('/models', { headers: { 'x-request-id': 'dear' } })).text();
    const { decision } = await started.asker.record('dear');
    expect(decision.settle?.rules).toEqual(['rules/dear']);
  });

  test('a default of deny holds here too', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'llm-policy-pass-'));
    const { pass, api } = await house({
      directory,
      config: {
        passthrough: entriesOf([{}]),
        policies: { path: join(directory, 'policies'), default: 'deny' },
      },
    });
    expect((await pass('/models')).status).toBe(403);
    expect(api.calls).toEqual([]);
  });
});

describe('what is asked of a call as a whole is enforced unread', () => {
  const limit = (what: string, more = '') =>
    policy(`  - { id: calm, action: { decision: throttle, limit: ${what}${more}, reason: calmly }, metrics: [calm] }`);

  test('a limit on requests counts them and refuses, by its rule', async () => {
    const { pass, api, gateway } = await house({ policies: limit('{ requests: 2, per: team, window: hour }') });
    for (const expected of [200, 200, 429]) expect((await pass('/models')).status).toBe(expected);
    const refused = await pass('/models');
    expect(await errorOf(refused)).toMatchObject({
      code: 'rate_limit_exceeded',
      rule: 'rules/calm',
      limit: 2,
      used: 2,
    });
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect(api.calls).toHaveLength(2);
    expect(await (await fetch(`${gateway.metrics}/metrics`)).text()).toMatch(
      /llm_policy_rule_total\{[^}]*metric="calm"[^}]*\} [1-9]/,
    );
  });

  test('a limit on calls at once lets the next one go when one is over, and one may wait for that', async () => {
    const { pass, api } = await house({ policies: limit('{ concurrent: 1, per: key }', ', queue_ms: 60000') });
    const answers = await Promise.all([pass('/models'), pass('/models'), pass('/models')]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    for (const answer of answers) await answer.text();
    expect(api.calls).toHaveLength(3);
  });

  test('a limit on tokens cannot be kept, since nobody counts them before the call: it denies', async () => {
    const { pass, api } = await house({ policies: limit('{ tokens: 1000, per: team, window: hour }') });
    const refused = await pass('/models');
    expect([refused.status, (await errorOf(refused)).message]).toEqual([
      403,
      'Could not be enforced: throttle (the call goes through unread)',
    ]);
    expect(api.calls).toEqual([]);
  });

  const asked = policy('  - { id: ask, action: { decision: approve, role: boss, reason: Ask first. } }');
  const approve = async (gateway: PassingHouse['gateway'], id: string) => {
    const response = await fetch(`${gateway.admin}/admin/v1/approvals/${id}/approve`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: '{}',
    });
    expect(response.status).toBe(200);
  };

  test('an approval is given for these bytes on this path, and used once', async () => {
    const { pass, api, gateway } = await house({ policies: asked, entries: [{ methods: ['POST', 'GET'] }] });
    const post = (body: string, headers: Record<string, string> = {}, path = '/files') =>
      pass(path, { method: 'POST', body, headers: { 'content-type': 'text/plain', ...headers } });
    const refused = await post('one');
    const { code, approval, rule } = await errorOf(refused);
    expect([refused.status, code, rule]).toEqual([403, 'approval_required', 'rules/ask']);
    const id = String(approval);
    const shown = { 'x-llm-approval': id };
    expect((await post('one', shown)).status).toBe(403);
    await approve(gateway, id);
    for (const other of [
      post('two', shown),
      post('one', shown, '/files?purpose=other'),
      pass('/files', { headers: shown }),
    ]) {
      const answer = await other;
      expect([answer.status, (await errorOf(answer)).code]).toEqual([403, 'approval_required']);
    }
    expect(api.calls).toEqual([]);
    const passed = await post('one', { ...shown, 'x-request-id': 'approved' });
    expect([passed.status, passed.headers.get('x-llm-decision')]).toEqual([200, 'approve']);
    await passed.text();
    expect(api.calls.map(({ body }) => body.toString())).toEqual(['one']);
    expect(api.calls[0]?.headers['x-llm-approval']).toBeUndefined();
    const again = await post('one', shown);
    expect([again.status, (await errorOf(again)).state]).toEqual([403, 'pending']);
    expect(api.calls).toHaveLength(1);
  });

  test('of many calls with one approval one passes, and the others hold nothing', async () => {
    const started = await house({ policies: asked, entries: [{ methods: ['GET'] }] });
    const { pass, gateway, api } = started;
    const id = String((await errorOf(await pass('/models'))).approval);
    await approve(gateway, id);
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => pass('/models', { headers: { 'x-llm-approval': id } })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const answer of answers) await answer.text();
    expect(api.calls).toHaveLength(1);
    await expect.poll(async () => (await standing(started)).held).toBe(0);
  });

  test('a body that is read for its approval is bounded like any other', async () => {
    const config = { server: { port: 0, body_bytes_max: 1024 } };
    const { pass, api } = await house({ policies: asked, entries: [{ methods: ['POST'] }], config });
    const refused = await pass('/files', {
      method: 'POST',
      body: 'x'.repeat(5000),
      headers: { 'content-type': 'text/plain' },
    });
    expect([refused.status, (await errorOf(refused)).code]).toEqual([413, 'request_too_large']);
    expect(api.calls).toEqual([]);
  });
});
