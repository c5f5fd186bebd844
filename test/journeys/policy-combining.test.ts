import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { ref } from '../support/gateway.ts';
import { ask, policy, within } from '../support/policy-house.ts';

let provider: FakeProvider;
beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
});
beforeEach(() => provider.reset());
afterAll(() => provider.close());

describe('combining', () => {
  const rule = (id: string, action: string) => `  - id: ${id}\n    action: ${action}\n`;

  test('a deny wins over any allow, unless a final one stands above it', async () => {
    const deny = policy('strict', rule('no', '{ decision: deny, reason: "No." }'), ', priority: 10');
    await within(
      provider,
      { deny, allow: policy('kind', rule('yes', '{ decision: allow }'), ', priority: 100') },
      async (gateway) => {
        expect((await ask(gateway)).status).toBe(403);
      },
    );
    const final = policy('kind', rule('yes', '{ decision: allow, final: true }'), ', priority: 100');
    await within(provider, { deny, final }, async (gateway) => {
      const answer = await ask(gateway);
      expect([answer.status, answer.headers.get('x-llm-policy')]).toEqual([200, 'kind/yes']);
    });
    await within(provider, { deny, final: final.replace('100', '1') }, async (gateway) =>
      expect((await ask(gateway)).status).toBe(403),
    );
  });

  test('what is in the shadow changes nothing and is told in the record', async () => {
    const shadow = `status: shadow\n${policy('tomorrow', rule('no', '{ decision: deny, reason: "Not any more." }'))}`;
    const dry = policy('dry', rule('cap', '{ decision: dryrun, action: { decision: modify, cap_max_tokens: 1 } }'));
    await within(provider, { shadow, dry }, async (gateway) => {
      const answer = await ask(gateway, { max_tokens: 50 });
      expect([answer.status, answer.headers.get('x-llm-decision')]).toEqual([200, 'allow']);
      expect(provider.requests[0]?.body.max_tokens).toBe(50);
      const { decision } = await answer.record();
      expect(decision.request).toMatchObject({
        decision: 'allow',
        shadowed: expect.arrayContaining(['deny (tomorrow/no)', 'modify (dry/cap)']),
      });
    });
  });

  test('of several caps the smallest holds, and warnings are all told', async () => {
    const policies = {
      a: policy('a', rule('cap', '{ decision: modify, cap_max_tokens: 20 }'), ', priority: 9'),
      b: policy(
        'b',
        rule('cap', '{ decision: modify, cap_max_tokens: 10 }') + rule('say', '{ decision: warn, reason: First. }'),
      ),
      c: policy('c', rule('say', '{ decision: warn, reason: Second. }')),
    };
    await within(provider, policies, async (gateway) => {
      const answer = await ask(gateway, { max_tokens: 50 });
      expect(provider.requests[0]?.body.max_tokens).toBe(10);
      expect(answer.headers.get('x-llm-warning')).toMatch(/First\..*Second\.|Second\..*First\./);
    });
  });

  test('a deny says its own status, code and rule, and what its template knows', async () => {
    const text = policy(
      'quota',
      rule('over', `{ decision: deny, status: 402, code: pay_up, reason: "${ref('llm.model')} is not paid for" }`),
    );
    await within(provider, { text }, async (gateway) => {
      for (const model of ['gpt-4o', 'claude-haiku-4-5']) {
        const answer = await ask(gateway, { model, max_tokens: 5 });
        expect(answer.status).toBe(402);
        expect(answer.error).toMatchObject({
          message: `${model} is not paid for`,
          policy: 'quota',
          rule: 'quota/over',
          rule_code: 'pay_up',
        });
        expect(answer.headers.get('x-llm-decision')).toBe('deny');
        expect(answer.headers.get('x-should-retry')).toBe('false');
      }
    });
  });

  test('where the default is deny, what no rule allows is refused', async () => {
    const text = policy(
      'some',
      `  - id: mini\n    condition: { operator: eq, field: llm.model, value: gpt-4o-mini }\n    action: { decision: allow }\n`,
    );
    await within(
      provider,
      { text },
      async (gateway) => {
        expect((await ask(gateway)).error.code).toBe('policy_denied');
        expect((await ask(gateway, { model: 'gpt-4o-mini' })).status).toBe(200);
      },
      { policies: { path: './policies', default: 'deny' } },
    );
  });
});
