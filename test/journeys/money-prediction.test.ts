import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FakeRequest } from '../support/fake-provider.ts';
import { fakeAnthropic, fakeOpenai, prices } from '../support/gateway.ts';
import { type AskedBody, costOf, heldBy, hi, type MoneyHouse, startMoney, stores, usd } from '../support/money.ts';
import { policy } from '../support/policy-house.ts';

const file = 'export const greeting = "Grüezi";\n'.repeat(60);
const secret = 'a@b.co';
const limit = 40;
const asked = (model: string, content: unknown = file): AskedBody => ({
  model,
  max_tokens: limit,
  messages: hi,
  prediction: { type: 'content', content },
});
const parts = [
  { type: 'text', text: file },
  { type: 'text', text: `${secret} `.repeat(60) },
];

/** A token a byte of the prediction that came to the provider: the most it can reject. */
function rejectedBy(body: FakeRequest['body']): number {
  const { content } = body.prediction as { content: string | readonly { readonly text: string }[] };
  return Buffer.byteLength(typeof content === 'string' ? content : content.map(({ text }) => text).join(''));
}
/** What a provider bills that gives the whole limit and takes nothing of the prediction. */
const worstUsage = ({ body }: FakeRequest) => {
  const rejected = rejectedBy(body);
  return { input: 20, output: limit * Number(body.n ?? 1) + rejected * Number(body.n ?? 1), rejected };
};
const jsonBytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
const rule = (model: string, action: string) =>
  policy(
    model,
    `  - id: edit\n    condition: { operator: eq, field: llm.model, value: ${model} }\n    action: { decision: modify, ${action} }\n`,
  );

describe.each(stores)('what is predicted and does not come is billed, and held for, on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store,
      policies: {
        grows: rule('grows', `redact: { literals: ["${secret}"], with: "${'somebody '.repeat(20)}" }`),
        given: rule('given', `set: { prediction: { type: content, content: "${'given '.repeat(300)}" } }`),
        lowers: rule('lowers', 'cap_max_tokens: affordable'),
      },
      teams: {
        rich: { budgets: [{ window: 'total', limit_usd: 1000 }] },
        // The call as it would be if its prediction were input alone.
        blind: { budgets: [{ window: 'total', limit_usd: usd(costOf(heldBy(asked('plain')))) }] },
        counts: { budgets: [{ window: 'total', limit_tokens: 5000 }] },
        lowers: {
          budgets: [
            {
              window: 'total',
              limit_usd: usd(costOf(heldBy(asked('lowers'), jsonBytes(asked('lowers').prediction) + 100))),
            },
          ],
        },
      },
      providers: (baseUrl) => ({
        'fake-openai': {
          ...fakeOpenai(baseUrl),
          models: {
            plain: prices,
            grows: prices,
            given: prices,
            lowers: prices,
            short: { ...prices, context_tokens: 500 },
          },
        },
        'fake-anthropic': fakeAnthropic(baseUrl),
      }),
    });
  });
  afterAll(() => house.close());

  test.each([
    { name: 'a text', body: asked('plain') },
    { name: 'parts', body: asked('plain', parts) },
    { name: 'several choices', body: { ...asked('plain'), n: 3 } },
    { name: 'a prediction that grows by a redaction', body: asked('grows', parts) },
    { name: 'a prediction that a rule sets', body: { ...asked('given'), prediction: undefined } },
  ])('$name: the hold is never less than the bill, and all of the bill is settled', async ({ body }) => {
    for (const stream of [false, true]) {
      const { spent } = await house.budget('rich');
      let held = 0;
      let due = 0;
      house.says(async (request) => {
        held = (await house.budget('rich')).held;
        const usage = worstUsage(request);
        due = costOf(usage);
        return { usage };
      });
      expect((await house.ask('rich', { ...body, stream })).status).toBe(200);
      expect(house.provider.violations).toEqual([]);
      expect(due).toBeGreaterThan(costOf({ input: 20, output: limit }));
      expect(held).toBeGreaterThanOrEqual(due);
      expect((await house.atRest('rich')).spent - spent).toBe(due);
    }
  });

  test('a budget without room for what may be rejected refuses, in dollars and in tokens', async () => {
    house.says({});
    const answers = await Promise.all(['blind', 'counts'].map((team) => house.ask(team, { ...asked('plain'), n: 2 })));
    expect(answers.map(({ status, error }) => [status, error.code])).toEqual([
      [429, 'insufficient_quota'],
      [429, 'insufficient_quota'],
    ]);
    expect((await house.ask('blind', asked('plain'))).status).toBe(429);
    expect(house.provider.requests).toEqual([]);
    house.says({ usage: { input: 10, output: 10 } });
    expect((await house.ask('blind', { ...asked('plain'), prediction: undefined })).status).toBe(200);
  });

  test('a limit lowered to what is affordable leaves room for what may be rejected', async () => {
    house.says((request) => ({
      usage: { input: 20, output: Number(request.body.max_tokens) + rejectedBy(request.body) },
    }));
    const answer = await house.ask('lowers', { ...asked('lowers'), max_tokens: 4000 });
    expect(answer.status).toBe(200);
    const { spent, limit: budget } = await house.atRest('lowers');
    expect([spent > 0, spent <= budget]).toEqual([true, true]);
  });

  test("no more is held for than the model's context, and nothing where the provider's language has no predictions", async () => {
    const heldFor = async (body: AskedBody) => {
      let held = 0;
      house.says(async () => {
        held = (await house.budget('rich')).held;
        return { usage: { input: 10, output: 10 } };
      });
      expect((await house.ask('rich', body, { path: '/v1/chat/completions' })).status).toBe(200);
      await house.atRest('rich');
      return held;
    };
    expect(await heldFor(asked('short'))).toBe(costOf({ input: 500, output: limit + 500 }));
    const translated = asked('claude-sonnet-4-5');
    expect(await heldFor(translated)).toBe(costOf(heldBy(translated)));
  });

  test('a reply that tells neither its usage nor anything else is paid as all that was held for it', async () => {
    const { spent } = await house.budget('rich');
    const silent = { id: 'x', choices: [], usage: { prompt_tokens: 0 } };
    house.says({ raw: { contentType: 'application/json', chunks: [JSON.stringify(silent)] } });
    const body = asked('plain');
    expect((await house.ask('rich', body)).status).toBe(200);
    const output = limit + jsonBytes(body.prediction);
    expect((await house.atRest('rich')).spent - spent).toBe(costOf({ input: 0, output }));
  });

  test('a reply that breaks off before it tells is paid for what it said, and what of the prediction it may have thrown away', async () => {
    const { spent } = await house.budget('rich');
    house.says({ text: 'Not as it was foretold.', die: 'middle', usage: false });
    const body: AskedBody = { ...asked('plain'), stream: true };
    expect((await house.ask('rich', body)).status).toBe(200);
    const input = Math.ceil(jsonBytes(body) / 4);
    const paid = (await house.atRest('rich')).spent - spent;
    expect(paid).toBeGreaterThan(costOf({ input, output: Math.ceil(jsonBytes(body.prediction) / 4) }));
    expect(paid).toBeLessThan(costOf(heldBy(body, limit + jsonBytes(body.prediction))));
  });
});
