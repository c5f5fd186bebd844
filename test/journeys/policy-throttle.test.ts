import { setTimeout as wait } from 'node:timers/promises';
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

const slow = (limit: string, more = '') =>
  policy(
    'slow',
    `  - id: mini
    condition: { operator: eq, field: llm.model, value: gpt-4o-mini }
    action: { decision: throttle, limit: ${limit}${more}, reason: "Slowly, please." }\n`,
  );

describe('a rule that throttles', () => {
  test('counts the calls it matches, and no others, and says who limits', async () => {
    const policies = { slow: slow('{ requests: 2, per: team, window: hour }') };
    await within(provider, policies, async (gateway) => {
      const mini = { model: 'gpt-4o-mini' };
      for (const expected of [200, 200, 429]) {
        const answer = await ask(gateway, mini);
        expect(answer.status).toBe(expected);
        if (expected === 200) expect(answer.headers.get('x-llm-decision')).toBe('throttle');
      }
      const refused = await ask(gateway, mini);
      expect(refused.error).toMatchObject({
        code: 'rate_limit_exceeded',
        scope: 'team',
        unit: 'requests',
        limit: 2,
        used: 2,
        policy: 'slow',
        rule: 'slow/mini',
      });
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      for (let i = 0; i < 4; i += 1) expect((await ask(gateway)).status).toBe(200);
      const record = await refused.record();
      expect(record.decision.request).toMatchObject({ decision: 'throttle', obligations: ['throttle (slow/mini)'] });
    });
  });

  test("is counted apart from the team's own rate of the same unit and window", async () => {
    const policies = { slow: slow('{ requests: 2, per: team, window: minute }') };
    const team = { limits: { requests_per_minute: 4 } };
    const config = {
      organizations: [{ id: 'acme', teams: [{ id: 'research', keys: [ref('TEST_TEAM_KEY')], ...team }] }],
    };
    await within(
      provider,
      policies,
      async (gateway) => {
        expect((await ask(gateway)).status).toBe(200);
        expect((await ask(gateway)).status).toBe(200);
        expect((await ask(gateway, { model: 'gpt-4o-mini' })).status).toBe(200);
        expect((await ask(gateway, { model: 'gpt-4o-mini' })).status).toBe(200);
        const refused = await ask(gateway, { model: 'gpt-4o-mini' });
        expect([refused.status, refused.error.limit]).toEqual([429, 4]);
      },
      config,
    );
  });

  test('lets a call wait for room where it may', async () => {
    const policies = { slow: slow('{ concurrent: 1, per: key }', ', queue_ms: 60000') };
    await within(provider, policies, async (gateway) => {
      let running = 0;
      let most = 0;
      provider.reply = async () => {
        running += 1;
        most = Math.max(most, running);
        await wait(50);
        running -= 1;
        return {};
      };
      const first = ask(gateway, { model: 'gpt-4o-mini' });
      const second = ask(gateway, { model: 'gpt-4o-mini' });
      const third = ask(gateway, { model: 'gpt-4o-mini' });
      expect((await Promise.all([first, second, third])).map(({ status }) => status)).toEqual([200, 200, 200]);
      expect(most).toBe(1);
    });
  });

  test('tokens count as the worst case while a call runs, and as what they were afterwards', async () => {
    const policies = { slow: slow('{ tokens: 1000, per: team, window: hour }') };
    await within(provider, policies, async (gateway) => {
      const mini = { model: 'gpt-4o-mini' };
      expect((await ask(gateway, { ...mini, max_tokens: 2000 })).status).toBe(429);
      for (let i = 0; i < 3; i += 1) expect((await ask(gateway, { ...mini, max_tokens: 300 })).status).toBe(200);
    });
  });

  test('joins the hold when the call falls back to a model it is about', async () => {
    const policies = { slow: slow('{ requests: 1, per: team, window: hour }') };
    const models = {
      best: {
        candidates: [
          { provider: 'fake-openai', model: 'gpt-4o' },
          { provider: 'fake-openai', model: 'gpt-4o-mini' },
        ],
      },
    };
    await within(
      provider,
      policies,
      async (gateway) => {
        provider.reply = ({ body }) => (body.model === 'gpt-4o' ? { status: 500 } : {});
        const first = await ask(gateway, { model: 'best' });
        expect([first.status, first.headers.get('x-llm-model')]).toEqual([200, 'gpt-4o-mini']);
        const second = await ask(gateway, { model: 'best' });
        expect([second.status, second.error.rule]).toEqual([429, 'slow/mini']);
      },
      { models },
    );
  });
});
