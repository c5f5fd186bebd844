import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { quietPolicy } from '../support/gateway.ts';
import {
  entriesOf,
  errorOf,
  type PassingHouse,
  type PassingOptions,
  passProvider,
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
