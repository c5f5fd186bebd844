import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { ask, house, policy, within } from '../support/policy-house.ts';

let provider: FakeProvider;
beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
});
beforeEach(() => provider.reset());
afterAll(() => provider.close());

describe('a rail that cannot answer is not a rail that says yes (PITFALLS 28)', () => {
  // More than the rail tells apart.
  const flood = { messages: [{ role: 'user', content: 'jane.doe@example.com '.repeat(50_001) }] };
  const rule = (onError: string, action: string) =>
    `on_error: ${onError}\n${policy('careful', `  - id: pii\n    condition: { operator: eq, field: rails.pii.found, value: true }\n    action: ${action}\n`)}`;
  const deny = '{ decision: deny, reason: Personal data }';

  test('a rule that denies, denies, and the record says what could not be checked', async () => {
    for (const text of [rule('deny', deny), rule('deny', deny).replace('on_error: deny\n', '')]) {
      await within(provider, { careful: text }, async (gateway) => {
        const answer = await ask(gateway, flood);
        expect([answer.status, answer.error.code]).toEqual([403, 'policy_denied']);
        expect(answer.error.message).toMatch(/Could not be checked: rails\.pii\.found/);
        expect(provider.requests).toHaveLength(0);
        const { decision, rails, ending } = await answer.record();
        expect(ending).toBe('denied');
        expect(rails).toMatchObject([{ rail: 'pii', outcome: 'unable', reason: expect.stringContaining('findings') }]);
        expect(decision.request?.unable).toEqual([expect.stringContaining('careful/pii')]);
        expect((await ask(gateway)).status).toBe(200);
        provider.reset();
      });
    }
  });

  test('a policy may say otherwise: skip lets it pass, warn tells the caller', async () => {
    await within(provider, { careful: rule('skip', deny) }, async (gateway) => {
      const answer = await ask(gateway, flood);
      expect(answer.status).toBe(200);
      expect((await answer.record()).decision.request?.unable).toHaveLength(1);
    });
    await within(provider, { careful: rule('warn', deny) }, async (gateway) => {
      const answer = await ask(gateway, flood);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('x-llm-warning')).toContain('Could not be checked');
    });
  });
});

describe('a rule touches its own side alone (PITFALLS 29)', () => {
  const said = 'Write to jane.doe@example.com';
  const redact = (on: string) =>
    policy(
      'redact',
      `  - id: mail\n    on: ${on}\n    action: { decision: modify, redact: { rails: [pii/email], with: "[mail]" } }\n`,
    );

  test.each([false, true])(
    'on the request it rewrites no reply, on the reply no request (streamed: %s)',
    async (stream) => {
      const asked = { stream, messages: [{ role: 'user', content: said }] };
      const sent = () => provider.requests[0]!.body.messages[0]!.content;
      const got = (text: string) => text.includes('jane.doe@example.com');
      provider.reply = () => ({ deltas: [said], text: said });
      await within(provider, { redact: redact('request') }, async (gateway) => {
        const { text } = await ask(gateway, asked);
        expect([sent(), got(text)]).toEqual(['Write to [mail]', true]);
      });
      provider.reset();
      provider.reply = () => ({ deltas: [said], text: said });
      await within(provider, { redact: redact('response') }, async (gateway) => {
        const { text } = await ask(gateway, asked);
        expect([sent(), got(text)]).toEqual([said, false]);
        expect(text).toContain('[mail]');
      });
    },
  );
});

describe('what is accepted is enforced (PITFALLS 62)', () => {
  test('every obligation of a request reaches the provider', async () => {
    const action =
      '{ decision: modify, substitute_model: gpt-4o-mini, cap_max_tokens: 7, set: { temperature: 0.5 }, remove: [seed], add_tags: [capped] }';
    await within(provider, { all: policy('all', `  - id: r\n    action: ${action}\n`) }, async (gateway) => {
      const answer = await ask(gateway, { max_tokens: 500, temperature: 1, seed: 3 });
      expect(answer.status).toBe(200);
      const { body } = provider.requests[0]!;
      expect(body).toMatchObject({ model: 'gpt-4o-mini', max_tokens: 7, temperature: 0.5 });
      expect(body).not.toHaveProperty('seed');
      expect(answer.headers.get('x-llm-model')).toBe('gpt-4o-mini');
      expect(answer.headers.get('x-llm-decision')).toBe('modify');
      expect(await answer.record()).toMatchObject({ model_asked: 'gpt-4o', model_used: 'gpt-4o-mini' });
    });
  });

  const refusedAtLoad: Record<string, string> = {
    'a throttle': '{ decision: throttle, limit: { requests: 1 } }',
    'an approval': '{ decision: approve }',
    'a route to nowhere': '{ decision: modify, route_to: [] }',
    'a prompt of our own that is no text': '{ decision: modify, prepend_system: [Be nice.] }',
    'a redaction by a rail that is not there': '{ decision: modify, redact: { rails: [pii/shoe-size] } }',
    'a model set by the back door': '{ decision: modify, set: { model: gpt-4o-mini } }',
    'a word that is none': '{ decision: deny, reson: x }',
    'a status that is no refusal': '{ decision: deny, status: 200 }',
  };
  test.each(Object.entries(refusedAtLoad))(
    'what is not is a load error with its place, and nothing starts: %s',
    async (_name, action) => {
      await expect(house(provider, { later: policy('later', `  - id: r\n    action: ${action}\n`) })).rejects.toThrow(
        /policies\/later\.yaml:4:\d+: /,
      );
    },
  );

  test('conditions on facts nobody computes, and types that do not fit, are load errors', async () => {
    for (const condition of [
      '{ operator: gt, field: llm.estimatedCots, value: 1 }',
      '{ operator: gt, field: llm.estimatedCost, value: much }',
      '{ operator: matches, field: llm.prompt, value: "(a+)+\\\\1" }',
      '{ operator: eq, field: response.text, value: x }',
    ])
      await expect(
        house(provider, {
          bad: policy('bad', `  - id: r\n    condition: ${condition}\n    action: { decision: deny }\n`),
        }),
        condition,
      ).rejects.toThrow(/policies\/bad\.yaml:4:\d+: /);
  });
});

test('substitutions that go in a circle end, and are told', async () => {
  const to = (id: string, from: string, model: string) =>
    `  - id: ${id}\n    condition: { operator: eq, field: llm.model, value: ${from} }\n    action: { decision: modify, substitute_model: ${model} }\n`;
  await within(
    provider,
    { circle: policy('circle', to('there', 'gpt-4o', 'gpt-4o-mini') + to('back', 'gpt-4o-mini', 'gpt-4o')) },
    async (gateway) => {
      const answer = await ask(gateway);
      expect(answer.status).toBe(200);
      expect(provider.requests).toHaveLength(1);
      expect(['gpt-4o', 'gpt-4o-mini']).toContain(provider.requests[0]?.body.model);
    },
  );
});

describe('what a caller sends decides neither who it is nor what it pays (PITFALLS 15)', () => {
  const identity = policy(
    'who',
    `  - id: boss
    condition: { operator: eq, field: user.id, value: boss }
    action: { decision: allow, final: true }
  - id: ops
    condition: { operator: eq, field: team.id, value: ops }
    action: { decision: allow, final: true }
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: 0 }
    action: { decision: deny, reason: Costs something. }
`,
    ', priority: 1',
  );

  test('user, team and price in body and headers are none of them binding', async () => {
    await within(provider, { identity }, async (gateway) => {
      for (const [fields, headers] of [
        [{}, {}],
        [{ user: 'boss', metadata: { user: 'boss', team: 'ops', input_cost_per_token: '0' } }, {}],
        [{}, { 'x-llm-user': 'boss', 'x-llm-team': 'ops', 'x-llm-tags': 'ops', 'x-litellm-spend-logs-metadata': '{}' }],
      ] as const) {
        const answer = await ask(gateway, fields, headers as Record<string, string>);
        expect([answer.status, answer.error.rule]).toEqual([403, 'who/dear']);
        expect((await answer.record()).caller).toMatchObject({ team: 'research' });
      }
      expect(provider.requests).toHaveLength(0);
    });
  });

  test('a dry run decides, reaches nobody and is recorded as what it is', async () => {
    await within(provider, { identity: identity.replace('decision: deny', 'decision: warn') }, async (gateway) => {
      const answer = await ask(gateway, {}, { 'x-llm-dry-run': '1' });
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.text)).toMatchObject({ decision: { decision: 'warn' } });
      expect(provider.requests).toHaveLength(0);
      expect(await answer.record()).toMatchObject({ attempts: [], cost_nusd: 0 });
    });
  });
});
