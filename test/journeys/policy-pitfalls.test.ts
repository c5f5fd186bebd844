import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AuditRecord } from '../../src/observe/index.ts';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { call, ref, startGateway, type TestGateway } from '../support/gateway.ts';
import { recordsOf } from '../support/refusals.ts';

let provider: FakeProvider;
beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
});
beforeEach(() => provider.reset());
afterAll(() => provider.close());

const policy = (id: string, rules: string, more = '') =>
  `metadata: { id: ${id}, name: ${id}, version: 1.0.0${more} }\nrules:\n${rules}`;
/** A gateway with these policies; records are told from memory, as soon as the reply is there. */
const house = (policies: Record<string, string>, config: Record<string, unknown> = {}): Promise<TestGateway> =>
  startGateway({
    openai: provider.baseUrl,
    anthropic: provider.baseUrl,
    policies,
    config: { audit: { sinks: [] }, ...config },
  });

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly error: Record<string, unknown>;
  record(): Promise<AuditRecord>;
}
let calls = 0;
async function ask(
  gateway: TestGateway,
  fields: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  calls += 1;
  const id = `call-${calls}`;
  const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], ...fields };
  const path = String(body.model).startsWith('claude') ? '/v1/messages' : '/v1/chat/completions';
  const response = await call(gateway, path, body, { 'x-request-id': id, ...headers });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    error: response.ok ? {} : (JSON.parse(text) as { error: Record<string, unknown> }).error,
    async record() {
      const found = (await recordsOf(gateway)).filter(({ request_id }) => request_id === id);
      expect(found).toHaveLength(1);
      return found[0]!;
    },
  };
}
async function within(gateway: Promise<TestGateway>, use: (gateway: TestGateway) => Promise<void>): Promise<void> {
  const opened = await gateway;
  try {
    await use(opened);
    expect(provider.violations).toEqual([]);
  } finally {
    await opened.close();
  }
}

describe('a rail that cannot answer is not a rail that says yes (PITFALLS 28)', () => {
  // More than the rail tells apart.
  const flood = { messages: [{ role: 'user', content: 'jane.doe@example.com '.repeat(50_001) }] };
  const rule = (onError: string, action: string) =>
    `on_error: ${onError}\n${policy('careful', `  - id: pii\n    condition: { operator: eq, field: rails.pii.found, value: true }\n    action: ${action}\n`)}`;
  const deny = '{ decision: deny, reason: Personal data }';

  test('a rule that denies, denies, and the record says what could not be checked', async () => {
    for (const text of [rule('deny', deny), rule('deny', deny).replace('on_error: deny\n', '')]) {
      await within(house({ careful: text }), async (gateway) => {
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
    await within(house({ careful: rule('skip', deny) }), async (gateway) => {
      const answer = await ask(gateway, flood);
      expect(answer.status).toBe(200);
      expect((await answer.record()).decision.request?.unable).toHaveLength(1);
    });
    await within(house({ careful: rule('warn', deny) }), async (gateway) => {
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
      await within(house({ redact: redact('request') }), async (gateway) => {
        const { text } = await ask(gateway, asked);
        expect([sent(), got(text)]).toEqual(['Write to [mail]', true]);
      });
      provider.reset();
      provider.reply = () => ({ deltas: [said], text: said });
      await within(house({ redact: redact('response') }), async (gateway) => {
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
    await within(house({ all: policy('all', `  - id: r\n    action: ${action}\n`) }), async (gateway) => {
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
    'a route': '{ decision: modify, route_to: eu }',
    'a prompt of our own': '{ decision: modify, prepend_system: Be nice. }',
    'a redaction by a rail that is not there': '{ decision: modify, redact: { rails: [pii/shoe-size] } }',
    'a model set by the back door': '{ decision: modify, set: { model: gpt-4o-mini } }',
    'a word that is none': '{ decision: deny, reson: x }',
    'a status that is no refusal': '{ decision: deny, status: 200 }',
  };
  test.each(Object.entries(refusedAtLoad))(
    'what is not is a load error with its place, and nothing starts: %s',
    async (_name, action) => {
      await expect(house({ later: policy('later', `  - id: r\n    action: ${action}\n`) })).rejects.toThrow(
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
        house({ bad: policy('bad', `  - id: r\n    condition: ${condition}\n    action: { decision: deny }\n`) }),
        condition,
      ).rejects.toThrow(/policies\/bad\.yaml:4:\d+: /);
  });
});

describe('combining', () => {
  const rule = (id: string, action: string) => `  - id: ${id}\n    action: ${action}\n`;

  test('a deny wins over any allow, unless a final one stands above it', async () => {
    const deny = policy('strict', rule('no', '{ decision: deny, reason: "No." }'), ', priority: 10');
    await within(
      house({ deny, allow: policy('kind', rule('yes', '{ decision: allow }'), ', priority: 100') }),
      async (gateway) => {
        expect((await ask(gateway)).status).toBe(403);
      },
    );
    const final = policy('kind', rule('yes', '{ decision: allow, final: true }'), ', priority: 100');
    await within(house({ deny, final }), async (gateway) => {
      const answer = await ask(gateway);
      expect([answer.status, answer.headers.get('x-llm-policy')]).toEqual([200, 'kind/yes']);
    });
    await within(house({ deny, final: final.replace('100', '1') }), async (gateway) =>
      expect((await ask(gateway)).status).toBe(403),
    );
  });

  test('what is in the shadow changes nothing and is told in the record', async () => {
    const shadow = `status: shadow\n${policy('tomorrow', rule('no', '{ decision: deny, reason: "Not any more." }'))}`;
    const dry = policy('dry', rule('cap', '{ decision: dryrun, action: { decision: modify, cap_max_tokens: 1 } }'));
    await within(house({ shadow, dry }), async (gateway) => {
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
    await within(house(policies), async (gateway) => {
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
    await within(house({ text }), async (gateway) => {
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
    await within(house({ text }, { policies: { path: './policies', default: 'deny' } }), async (gateway) => {
      expect((await ask(gateway)).error.code).toBe('policy_denied');
      expect((await ask(gateway, { model: 'gpt-4o-mini' })).status).toBe(200);
    });
  });
});

test('substitutions that go in a circle end, and are told', async () => {
  const to = (id: string, from: string, model: string) =>
    `  - id: ${id}\n    condition: { operator: eq, field: llm.model, value: ${from} }\n    action: { decision: modify, substitute_model: ${model} }\n`;
  await within(
    house({ circle: policy('circle', to('there', 'gpt-4o', 'gpt-4o-mini') + to('back', 'gpt-4o-mini', 'gpt-4o')) }),
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
    await within(house({ identity }), async (gateway) => {
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
    await within(house({ identity: identity.replace('decision: deny', 'decision: warn') }), async (gateway) => {
      const answer = await ask(gateway, {}, { 'x-llm-dry-run': '1' });
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.text)).toMatchObject({ decision: { decision: 'warn' } });
      expect(provider.requests).toHaveLength(0);
      expect(await answer.record()).toMatchObject({ attempts: [], cost_nusd: 0 });
    });
  });
});
