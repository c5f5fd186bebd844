import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { prices, ref, teamKey } from '../support/gateway.ts';
import { ask, policy, within } from '../support/policy-house.ts';

let provider: FakeProvider;
beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
});
beforeEach(() => provider.reset());
afterAll(() => provider.close());

const always = (id: string, action: string, more = '') => policy(id, `  - id: r\n    action: ${action}\n`, more);

describe('prepend_system', () => {
  const text = always('tone', '{ decision: modify, prepend_system: "Be \\"brief\\"." }');

  test('stands first in both formats, and every other byte is the client’s', async () => {
    await within(provider, { text }, async (gateway) => {
      const send = async (path: string, body: string) => {
        const headers = { authorization: `Bearer ${teamKey}`, 'content-type': 'application/json' };
        const response = await fetch(gateway.origin + path, { method: 'POST', headers, body });
        await response.text();
        expect(response.status).toBe(200);
        return provider.requests.at(-1)!.bytes.toString();
      };
      const chat =
        '{ "model":"gpt-4o", "seed":12345678901234567890,\n"messages": [ {"role":"user","content":"\\u0048i"} ] }';
      const system = '{"role":"system","content":"Be \\"brief\\"."},';
      expect(await send('/v1/chat/completions', chat)).toBe(chat.replace('[ ', `[${system} `));
      const plain =
        '{"model":"claude-sonnet-4-5","max_tokens":5,"system":"\\u0041sk.","messages":[{"role":"user","content":"Hi"}]}';
      expect(await send('/v1/messages', plain)).toBe(
        plain.replace('"\\u0041sk."', '"Be \\"brief\\".\\n\\n\\u0041sk."'),
      );
      const blocks = plain.replace(
        '"\\u0041sk."',
        '[{"type":"text","text":"Ask.","cache_control":{"type":"ephemeral"}}]',
      );
      expect(await send('/v1/messages', blocks)).toBe(
        blocks.replace(
          '[{"type":"text","text":"Ask."',
          '[{"type":"text","text":"Be \\"brief\\"."},{"type":"text","text":"Ask."',
        ),
      );
      const none = plain.replace('"system":"\\u0041sk.",', '');
      expect(JSON.parse(await send('/v1/messages', none))).toMatchObject({ system: 'Be "brief".' });
    });
  });

  test('is told in the other format as well, stands before what was redacted, and is not redacted itself', async () => {
    const policies = {
      text: always('tone', '{ decision: modify, prepend_system: "Write to help@example.com." }'),
      redact: policy(
        'redact',
        '  - id: r\n    condition: { operator: eq, field: rails.pii.found, value: true }\n    action: { decision: modify, redact: { rails: [pii] } }\n',
      ),
    };
    const models = {
      'gpt-4o': { candidates: [{ provider: 'fake-anthropic', model: 'claude-sonnet-4-5' }] },
    };
    const prompt = [
      { role: 'system', content: 'From ann@example.com' },
      { role: 'user', content: 'Hi' },
    ];
    await within(
      provider,
      policies,
      async (gateway) => {
        expect((await ask(gateway, { messages: prompt, max_tokens: 5 })).status).toBe(200);
        const sent = JSON.stringify(provider.requests.at(-1)!.body.system);
        expect(sent).toMatch(/Write to help@example\.com\..*From \[/);
        expect(sent).not.toContain('ann@example.com');
        const body = { model: 'claude-haiku-4-5', max_tokens: 5, system: 'From ann@example.com' };
        expect((await ask(gateway, body)).status).toBe(200);
        expect(provider.requests.at(-1)!.body.system).toMatch(/^Write to help@example\.com\.\n\nFrom \[/);
      },
      { models },
    );
  });

  test('is paid for by what is held', async () => {
    const long = always('long', `{ decision: modify, prepend_system: "${'word '.repeat(2000)}" }`);
    const budgets = [{ window: 'day', limit_usd: 0.009 }];
    const organizations = [{ id: 'acme', teams: [{ id: 'research', keys: [ref('TEST_TEAM_KEY')], budgets }] }];
    await within(
      provider,
      { long },
      async (gateway) => expect((await ask(gateway, { max_tokens: 5 })).error.code).toBe('insufficient_quota'),
      { organizations },
    );
  });
});

describe('route_to', () => {
  const second = (baseUrl: string) => ({
    id: 'second',
    format: 'openai',
    base_url: baseUrl,
    auth: { type: 'bearer', key: ref('FAKE_KEY') },
    models: { 'big-one': prices, 'gpt-4o': prices, 'second-only': prices },
  });
  const first = (baseUrl: string) => ({
    id: 'first',
    format: 'openai',
    base_url: baseUrl,
    auth: { type: 'bearer', key: ref('FAKE_KEY') },
    models: { 'gpt-4o': prices },
  });
  const open = async (action: string, use: Parameters<typeof within>[2]) => {
    const { startGateway } = await import('../support/gateway.ts');
    const gateway = await startGateway({
      providers: { first: first(provider.baseUrl), second: second(provider.baseUrl) },
      policies: { route: always('route', action) },
      config: {
        audit: { sinks: [] },
        models: {
          'gpt-4o': {
            candidates: [
              { provider: 'first', model: 'gpt-4o' },
              { provider: 'second', model: 'gpt-4o' },
            ],
          },
        },
      },
    });
    try {
      await use(gateway);
    } finally {
      await gateway.close();
    }
  };

  test('sends a call to the providers named, in that order', async () => {
    await open('{ decision: modify, route_to: [second, first] }', async (gateway) => {
      expect((await ask(gateway)).headers.get('x-llm-provider')).toBe('second');
      let calls = 0;
      provider.reply = () => {
        calls += 1;
        return calls === 1 ? { status: 500 } : {};
      };
      const fallen = await ask(gateway);
      expect([fallen.status, fallen.headers.get('x-llm-provider')]).toEqual([200, 'first']);
    });
  });

  test('sends a call to another model of another provider, judged and priced as that', async () => {
    await open('{ decision: modify, route_to: second/big-one }', async (gateway) => {
      const answer = await ask(gateway);
      expect([answer.headers.get('x-llm-provider'), answer.headers.get('x-llm-model')]).toEqual(['second', 'big-one']);
      expect((await answer.record()).decision.request).toMatchObject({ obligations: ['route_to (route/r)'] });
    });
  });

  test('refuses where nobody there has the model', async () => {
    await open('{ decision: modify, route_to: first }', async (gateway) => {
      const answer = await ask(gateway, { model: 'second-only' });
      expect([answer.status, answer.error.code, answer.error.rule]).toEqual([503, 'model_not_found', 'route/r']);
    });
  });

  test('is refused at load where nobody knows the place, with the rule and its line', async () => {
    const never = async () => {};
    await expect(open('{ decision: modify, route_to: [second, frist] }', never)).rejects.toThrow(
      "policies/route.yaml:4:5: the rule r: route_to: there is no provider 'frist' (did you mean first?)",
    );
    await expect(open('{ decision: modify, route_to: first/big-one }', never)).rejects.toThrow(
      "the rule r: route_to: the provider 'first' has no model 'big-one'",
    );
    await expect(open('{ decision: modify, substitute_model: big-won }', never)).rejects.toThrow(
      "substitute_model: no provider and no entry of models has a model 'big-won' (did you mean big-one?)",
    );
  });
});

describe('retry', () => {
  test('bounds the tries after the failures it names, and no others', async () => {
    const config = { routing: { retries: 3, backoff_ms: 1 } };
    const text = always('retry', '{ decision: modify, retry: { when: [upstream_error], max: 1 } }');
    await within(
      provider,
      { text },
      async (gateway) => {
        provider.reply = () => ({ status: 500 });
        expect((await ask(gateway)).status).toBe(500);
        expect(provider.requests).toHaveLength(2);
      },
      config,
    );
    provider.reset();
    await within(
      provider,
      { text: text.replace('upstream_error', 'upstream_timeout') },
      async (gateway) => {
        provider.reply = () => ({ status: 500 });
        expect((await ask(gateway)).status).toBe(500);
        expect(provider.requests).toHaveLength(4);
      },
      config,
    );
  });
});

describe('metrics', () => {
  test('a match counts in the counters its rule names', async () => {
    const text = policy('count', '  - id: r\n    metrics: [dear_calls]\n    action: { decision: audit }\n');
    await within(provider, { text }, async (gateway) => {
      await ask(gateway);
      await ask(gateway);
      const exposed = await (await fetch(`${gateway.metrics}/metrics`)).text();
      expect(exposed).toContain('llm_policy_rule_total{metric="dear_calls",policy="count",rule="r"} 2');
    });
  });
});
