import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FakeRequest } from '../support/fake-provider.ts';
import { adminKey, fakeOpenai, prices } from '../support/gateway.ts';
import {
  type AskedBody,
  costOf,
  eventually,
  heldBy,
  type MoneyHouse,
  startMoney,
  stores,
  usd,
} from '../support/money.ts';
import { policy } from '../support/policy-house.ts';

/** What every attack asks: its own words cost next to nothing. */
const small = { max_tokens: 40, messages: [{ role: 'user', content: 'Hi, write to me at a@b.co, or at c@d.co' }] };
const lookUp = {
  type: 'function',
  function: { name: 'look_up', description: 'd'.repeat(3000), parameters: { type: 'object', properties: {} } },
};
const schema = { name: 'answer', schema: { type: 'object', description: 's'.repeat(3000) } };

interface Attack {
  readonly name: string;
  /** The rule's action beside its decision. */
  readonly action: string;
  /** What a provider bills at the most for the request it gets, in nano-dollars. */
  readonly bill: (request: FakeRequest) => number;
  readonly check: (body: FakeRequest['body']) => void;
}

/** A token a byte of what came (asking for usage is no text), and what it may answer, at the standard price. */
const plainBill = ({ body: { stream_options: _, ...said } }: FakeRequest) =>
  costOf({ input: Buffer.byteLength(JSON.stringify(said)), output: 40 * Number(said.n ?? 1) });

const attacks: readonly Attack[] = [
  {
    name: 'choices',
    action: 'set: { n: 5 }',
    bill: plainBill,
    check: (body) => expect(body.n).toBe(5),
  },
  {
    name: 'tier',
    action: 'set: { service_tier: priority }',
    bill: (request) => 3 * plainBill(request),
    check: (body) => expect(body.service_tier).toBe('priority'),
  },
  {
    name: 'tools',
    action: `set: { tools: [${JSON.stringify(lookUp)}] }`,
    bill: plainBill,
    check: (body) => expect(body.tools).toEqual([lookUp]),
  },
  {
    name: 'schema',
    action: `set: { response_format: ${JSON.stringify({ type: 'json_schema', json_schema: schema })} }`,
    bill: plainBill,
    check: (body) => expect(body.response_format).toMatchObject({ type: 'json_schema' }),
  },
  {
    name: 'preamble',
    action: `prepend_system: "${'be brief and '.repeat(200)}"`,
    bill: plainBill,
    check: (body) => expect(body.messages).toHaveLength(2),
  },
  {
    name: 'redaction',
    action: `redact: { literals: ["a@b.co", "c@d.co"], with: "${'somebody '.repeat(20)}" }`,
    bill: plainBill,
    check: (body) => expect(JSON.stringify(body.messages)).not.toContain('@'),
  },
  {
    name: 'together',
    action: `set: { n: 3, service_tier: priority }, prepend_system: "${'be brief and '.repeat(50)}", redact: { literals: ["a@b.co"], with: "${'somebody '.repeat(20)}" }`,
    bill: (request) => 3 * plainBill(request),
    check: (body) => expect(body).toMatchObject({ n: 3, service_tier: 'priority' }),
  },
];

const policies = Object.fromEntries(
  attacks.map(({ name, action }) => [
    name,
    policy(
      name,
      `  - id: edit\n    condition: { operator: eq, field: llm.model, value: ${name} }\n    action: { decision: modify, ${action} }\n`,
    ),
  ]),
);
const tiered = {
  ...prices,
  service_tiers: { priority: { input_usd_per_mtok: 3, output_usd_per_mtok: 6, cached_input_usd_per_mtok: 3 } },
};
const model = (name: string): AskedBody => ({ model: name, ...small });

describe.each(stores)('what rules make of a request is what is held for, on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store,
      policies: {
        ...policies,
        broken: policy(
          'broken',
          '  - id: edit\n    condition: { operator: eq, field: llm.model, value: broken }\n    action: { decision: modify, set: { tools: many } }\n',
        ),
      },
      teams: {
        rich: { budgets: [{ window: 'total', limit_usd: 1000 }] },
        // Exactly the call as its client wrote it: what a rule adds does not fit.
        exact: { budgets: [{ window: 'total', limit_usd: usd(costOf(heldBy(model('choices')))) }] },
        tokens: { budgets: [{ window: 'total', limit_tokens: 1_000_000 }] },
      },
      providers: (baseUrl) => ({
        only: {
          ...fakeOpenai(baseUrl),
          models: Object.fromEntries([...attacks.map(({ name }) => name), 'broken'].map((name) => [name, tiered])),
        },
      }),
    });
  });
  afterAll(() => house.close());

  test.each(attacks)('$name: the hold is never less than the bill', async ({ name, bill, check }) => {
    for (const stream of [false, true]) {
      let held = 0;
      let due = 0;
      house.says(async (request) => {
        held = (await house.budget('rich')).held;
        due = bill(request);
        check(request.body);
        return { usage: { input: 10, output: 10 } };
      });
      const { status, text } = await house.ask('rich', { ...model(name), stream });
      expect([status, text === '']).toEqual([200, false]);
      expect(house.provider.violations).toEqual([]);
      expect(held).toBeGreaterThanOrEqual(due);
      await house.atRest('rich');
    }
  });

  test.each(attacks)('$name: a budget for exactly the call as it was asked refuses it', async ({ name }) => {
    house.says({ usage: { input: 10, output: 10 } });
    const answers = await Promise.all([1, 2, 3].map(() => house.ask('exact', model(name))));
    expect(answers.map(({ status }) => status)).toEqual([429, 429, 429]);
    expect(house.provider.requests).toHaveLength(0);
    expect(await house.budget('exact')).toMatchObject({ spent: 0, held: 0 });
  });

  test('of parallel calls on a budget for one as it is sent, one passes', async () => {
    let held = 0;
    house.says(async () => {
      held = (await house.budget('rich')).held;
      return {};
    });
    await house.ask('rich', model('choices'));
    expect(held).toBeGreaterThan(0);
    const { spent } = await house.atRest('rich');
    await limit(usd(spent + held));
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    house.says(async () => {
      await gate;
      return { usage: { input: 30, output: 200 } };
    });
    let over = 0;
    const calls = [1, 2, 3, 4].map(() => house.ask('rich', model('choices')).finally(() => over++));
    await eventually('all but one have their answer', () => over === 3).finally(open);
    const answers = await Promise.all(calls);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 429, 429, 429]);
    expect(house.provider.requests).toHaveLength(1);
    await limit(1000);
  });

  test('a tier a rule asked for is what is paid where nobody told which one answered', async () => {
    const before = (await house.atRest('rich')).spent;
    const reply = {
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 30, completion_tokens: 20 },
    };
    house.says({ raw: { contentType: 'application/json', chunks: [JSON.stringify(reply)] } });
    expect((await house.ask('rich', model('tier'))).status).toBe(200);
    expect((await house.atRest('rich')).spent - before).toBe(3 * costOf({ input: 30, output: 20 }));
  });

  test('an edit nobody can read is refused, told as the rule’s, and reaches nobody', async () => {
    house.says({});
    const { status, error } = await house.ask('tokens', model('broken'));
    expect([status, error.code, error.rule]).toEqual([403, 'policy_denied', 'broken/edit']);
    expect(house.provider.requests).toHaveLength(0);
    expect(await house.budget('tokens')).toMatchObject({ spent: 0, held: 0 });
  });

  async function limit(limit_usd: number): Promise<void> {
    const response = await fetch(`${house.gateway.admin}/admin/v1/budgets/overrides`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ scope: 'team:rich', window: 'total', limit_usd }),
    });
    expect(response.status).toBe(201);
  }
});
