import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FakeProvider, type FakeReply, startFakeProvider } from '../support/fake-provider.ts';
import { fakeOpenai, prices, ref, startGateway } from '../support/gateway.ts';
import { ask, house, policy, within } from '../support/policy-house.ts';

let provider: FakeProvider;
beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
});
beforeEach(() => provider.reset());
afterAll(() => provider.close());

const deny = (when: string) =>
  policy('facts', `  - id: one\n    when: ${when}\n    action: { decision: deny, reason: "\${request.id}: no." }\n`);

/** Holds the provider's answers back until told. */
function gate() {
  let open: (reply: FakeReply) => void = () => {};
  const reply = new Promise<FakeReply>((resolve) => {
    open = resolve;
  });
  provider.reply = () => reply;
  return () => open({});
}

describe('facts of scopes, providers and prices, over real sockets', () => {
  test('calls at once are counted for a rule that reads them, and let go of when they end', async () => {
    await within(provider, { facts: deny('concurrentRequests("team") >= 2') }, async (gateway) => {
      const open = gate();
      const running = [ask(gateway), ask(gateway)];
      await expect.poll(() => provider.requests.length).toBe(2);
      const third = await ask(gateway);
      expect([third.status, third.error.code]).toEqual([403, 'policy_denied']);
      expect((await third.record()).facts).toMatchObject({ 'usage.team.concurrent': 2 });
      open();
      expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200]);
      await expect.poll(async () => (await ask(gateway)).status).toBe(200);
    });
  });

  test('they are the seats of a limit on them, where there is one, and taken once', async () => {
    const config = {
      organizations: [
        { id: 'acme', teams: [{ id: 'research', keys: [ref('TEST_TEAM_KEY')], limits: { concurrent: 2 } }] },
      ],
    };
    await within(
      provider,
      { facts: deny('concurrentRequests("team") >= 5') },
      async (gateway) => {
        const open = gate();
        const running = [ask(gateway), ask(gateway)];
        await expect.poll(() => provider.requests.length).toBe(2);
        expect((await ask(gateway)).error).toMatchObject({ code: 'rate_limit_exceeded', unit: 'concurrent', used: 2 });
        open();
        expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200]);
      },
      config,
    );
  });

  test("calls of a model are counted by the model, each candidate's apart", async () => {
    await within(provider, { facts: deny('concurrentRequests("model") >= 1') }, async (gateway) => {
      const open = gate();
      const running = ask(gateway);
      await expect.poll(() => provider.requests.length).toBe(1);
      expect((await ask(gateway)).status).toBe(403);
      const other = ask(gateway, { model: 'gpt-4o-mini' });
      await expect.poll(() => provider.requests.length).toBe(2);
      open();
      expect((await running).status).toBe(200);
      expect((await other).status).toBe(200);
    });
  });

  test('requests of a model are counted by the model', async () => {
    await within(provider, { facts: deny('requestCount("model", "hour") >= 2') }, async (gateway) => {
      for (const status of [200, 200, 403]) expect((await ask(gateway)).status).toBe(status);
      expect((await ask(gateway, { model: 'gpt-4o-mini' })).status).toBe(200);
    });
  });

  test("a model's budget is read of the model decided for", async () => {
    const config = {
      organizations: [
        {
          id: 'acme',
          model_limits: [{ match: 'gpt-4o', budgets: [{ window: 'day', limit_usd: 5 }] }],
          teams: [{ id: 'research', keys: [ref('TEST_TEAM_KEY')] }],
        },
      ],
    };
    await within(
      provider,
      { facts: deny('budgetLimit("model") == 5.0') },
      async (gateway) => {
        const refused = await ask(gateway);
        expect(refused.status).toBe(403);
        expect((await refused.record()).facts).toMatchObject({ 'budget.model.limit_usd': 5 });
        expect((await ask(gateway, { model: 'gpt-4o-mini' })).status).toBe(200);
      },
      config,
    );
  });

  test('a provider that fails shows in its figures, and nobody else in them', async () => {
    const rule = deny('errorRate("fake-openai") > 0.4 && llm.provider == "fake-openai"');
    await within(provider, { facts: rule }, async (gateway) => {
      provider.reply = () => ({ status: 500 });
      expect((await ask(gateway)).status).toBe(500);
      const refused = await ask(gateway);
      expect([refused.status, refused.error.rule]).toEqual([403, 'facts/one']);
      expect((await refused.record()).facts).toMatchObject({ 'provider.fake-openai.errorRate': 1 });
      provider.reply = () => ({});
      expect((await ask(gateway, { model: 'claude-sonnet-4-5', max_tokens: 5 })).status).toBe(200);
    });
  });

  test('a circuit that is open is a provider that is not healthy; latency is there once there was an answer', async () => {
    const rules = policy(
      'facts',
      `  - id: down
    when: '!providerHealthy("fake-openai") && llm.provider != "fake-openai"'
    action: { decision: warn, reason: "OpenAI is down." }
  - id: measured
    condition: { operator: exists, field: provider.fake-openai.latency_ms }
    action: { decision: warn, reason: "Measured." }
`,
    );
    const config = { routing: { retries: 0, circuit: { failures: 2, open_ms: 60_000 } } };
    await within(
      provider,
      { facts: rules },
      async (gateway) => {
        const claude = { model: 'claude-sonnet-4-5', max_tokens: 5 };
        const first = await ask(gateway);
        expect([first.status, first.headers.get('x-llm-warning')]).toEqual([200, null]);
        expect((await ask(gateway, claude)).headers.get('x-llm-warning')).toBe('Measured.');
        provider.reply = ({ format }) => (format === 'openai-chat' ? { status: 500 } : {});
        for (let i = 0; i < 2; i += 1) expect((await ask(gateway)).status).toBe(500);
        expect((await ask(gateway, claude)).headers.get('x-llm-warning')).toBe('OpenAI is down., Measured.');
      },
      config,
    );
  });

  test('prices are those of the configuration', async () => {
    const files = {
      'fake-openai': {
        ...fakeOpenai(provider.baseUrl),
        models: {
          'gpt-4o': { ...prices, input_usd_per_mtok: 2.5, output_usd_per_mtok: 10 },
          'gpt-4o-mini': { ...prices, input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.6 },
          'gpt-free': { context_tokens: 1000, output_tokens_max: 100 },
        },
      },
    };
    const policies = (rule: string) => ({ facts: deny(rule) });
    const open = (rule: string) =>
      startGateway({ providers: files, policies: policies(rule), config: { audit: { sinks: [] } } });
    const dear = await open('llm.model != cheapestModel(["gpt-4o", "gpt-4o-mini"])');
    try {
      const refused = await ask(dear);
      expect(refused.status).toBe(403);
      expect((await refused.record()).facts).toMatchObject({
        'price.gpt-4o.output_usd_per_mtok': 10,
        'price.gpt-4o-mini.input_usd_per_mtok': 0.15,
      });
      expect((await ask(dear, { model: 'gpt-4o-mini' })).status).toBe(200);
    } finally {
      await dear.close();
    }
    const unpriced = await open('modelPrice("gpt-free", "input") > 100.0');
    try {
      const refused = await ask(unpriced);
      expect([refused.status, refused.error.message]).toEqual([
        403,
        'Could not be checked: price.gpt-free.input_usd_per_mtok (nobody told the price of gpt-free)',
      ]);
    } finally {
      await unpriced.close();
    }
  });

  test('a prompt without its personal data is a fact, and no record has its text', async () => {
    const policies = { facts: deny("redactPII() == 'Write to [REDACTED:email] or [REDACTED:email].'") };
    const gateway = await house(provider, policies, { audit: undefined });
    try {
      const messages = [{ role: 'user', content: 'Write to jane@example.com or joe@example.com.' }];
      const refused = await ask(gateway, { messages });
      expect([refused.status, refused.error.code]).toEqual([400, 'content_blocked']);
      expect((await ask(gateway, { messages: [{ role: 'user', content: 'Write to nobody.' }] })).status).toBe(200);
      await gateway.close(true);
      const files = readdirSync(join(gateway.directory, 'data'), { recursive: true, withFileTypes: true });
      const kept = files
        .filter((one) => one.isFile())
        .map((one) => readFileSync(join(one.parentPath, one.name), 'latin1'));
      expect(kept.some((text) => text.includes('rails.pii.redacted'))).toBe(true);
      for (const text of kept) expect(text).not.toContain('Write to');
    } finally {
      rmSync(gateway.directory, { recursive: true, force: true });
    }
  });
});
