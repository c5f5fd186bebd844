import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FakeReply } from '../support/fake-provider.ts';
import type { FakeUsage } from '../support/fake-provider-wire.ts';
import { fakeAnthropic, fakeOpenai, prices } from '../support/gateway.ts';
import { type AskedBody, costOf, heldBy, hi, type MoneyHouse, startMoney, stores, usd } from '../support/money.ts';

const openai: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const anthropic: AskedBody = { ...openai, model: 'claude-sonnet-4-5' };
const reasoner: AskedBody = { ...openai, model: 'thinks' };
const shapes = [
  { shape: 'plain', body: openai },
  { shape: 'streamed', body: { ...openai, stream: true } },
  { shape: "plain in Anthropic's format", body: anthropic },
  { shape: "streamed in Anthropic's format", body: { ...anthropic, stream: true } },
] as const;

describe.each(stores)('on the %s store', (store) => {
  let house: MoneyHouse;
  let count = 0;
  beforeAll(async () => {
    const debt = { budgets: [{ window: 'total', limit_usd: usd(costOf(heldBy(openai))) }] };
    house = await startMoney({
      store,
      teams: {
        research: { budgets: [{ window: 'total', limit_usd: 1 }] },
        debtor: debt,
        owing: debt,
        tokens: { budgets: [{ window: 'day', limit_tokens: 10_000 }] },
        warned: { budgets: [{ window: 'total', limit_usd: usd(1000), on_exceed: 'warn', warn_percent: [50, 90] }] },
        nobudget: {},
      },
      providers: (baseUrl) => ({
        'fake-openai': {
          ...fakeOpenai(baseUrl),
          models: {
            'gpt-4o': prices,
            thinks: { ...prices, reasoning: true, reasoning_usd_per_mtok: 4 },
            unpriced: { output_tokens_max: 100 },
            tiered: {
              ...prices,
              service_tiers: { priority: { input_usd_per_mtok: 4, output_usd_per_mtok: 8 } },
              long_context: { above_tokens: 50, input_usd_per_mtok: 3, output_usd_per_mtok: 6 },
            },
          },
        },
        'fake-anthropic': fakeAnthropic(baseUrl),
      }),
    });
  });
  afterAll(() => house.close());

  /** What one call adds to what its team has spent, and its record. */
  async function settled(body: AskedBody, team = 'research') {
    const before = await house.budget(team);
    count += 1;
    const answer = await house.ask(team, body, { headers: { 'x-request-id': `${store}-${count}` } });
    const after = await house.budget(team);
    expect([answer.status, after.held]).toEqual([200, 0]);
    const record = await house.record(`${store}-${count}`);
    expect(record.cost_nusd).toBe(after.spent - before.spent);
    return { cost: after.spent - before.spent, record, answer };
  }

  test.each(shapes)('what the provider bills is what is settled, $shape', async ({ body }) => {
    const usage = { input: 40, output: 30 };
    house.says({ usage });
    const before = await house.budget('research');
    const { cost, record, answer } = await settled(body);
    expect(cost).toBe(costOf(usage));
    expect(record).toMatchObject({ ending: 'complete', cost_estimated: false, usage });
    const left = Number(answer.headers.get('x-llm-budget-remaining-usd'));
    expect(left).toBeCloseTo(usd(before.remaining - costOf(heldBy(body))), 6);
    if (!('stream' in body)) expect(answer.headers.get('x-llm-cost-usd')).toBe(usd(cost).toFixed(9));
  });

  test.each(shapes)('cached tokens are billed at the price of cached tokens, $shape', async ({ body }) => {
    const usage: FakeUsage = { input: 40, output: 3, cacheRead: 32 };
    house.says({ usage });
    const { cost, record } = await settled(body);
    expect(cost).toBe(8 * 1000 + 32 * 500 + 3 * 2000);
    expect(record.usage).toMatchObject(usage);
  });

  test.each([reasoner, { ...reasoner, stream: true }])(
    'reasoning is a part of the output with a price of its own',
    async (body) => {
      house.says({ usage: { input: 10, output: 30, reasoning: 25 } });
      const { cost, record } = await settled(body);
      expect(cost).toBe(10 * 1000 + 5 * 2000 + 25 * 4000);
      expect(record).toMatchObject({ usage: { output: 30, reasoning: 25 }, cost_estimated: false });
    },
  );

  test.each<{ what: string; tier?: string; says: FakeReply; cost: number }>([
    {
      what: 'asked for and answered',
      tier: 'priority',
      says: { usage: { input: 40, output: 50 }, serviceTier: 'priority' },
      cost: 40 * 4000 + 50 * 8000,
    },
    {
      what: 'asked for, and answered by the standard one',
      tier: 'priority',
      says: { usage: { input: 40, output: 50 } },
      cost: 40 * 1000 + 50 * 2000,
    },
    {
      what: 'of long contexts, reached',
      says: { usage: { input: 60, output: 50 } },
      cost: 60 * 3000 + 50 * 6000,
    },
    {
      what: 'of long contexts, feared and not reached',
      says: { usage: { input: 40, output: 50 } },
      cost: 40 * 1000 + 50 * 2000,
    },
  ])('a tier $what is settled at its price, and was held for at the dearest it may be (PITFALLS 5)', async (row) => {
    house.says(row.says);
    const asked = { ...openai, model: 'tiered', ...(row.tier === undefined ? {} : { service_tier: row.tier }) };
    const { cost, record } = await settled(asked);
    expect(cost).toBe(row.cost);
    expect(record.cost_estimated).toBe(false);
    const { input, output } = heldBy(asked);
    const [perInput, perOutput] = row.tier === undefined ? [3000, 6000] : [4000, 8000];
    expect(record.held_nusd).toBe(input * perInput + output * perOutput);
    expect(record.held_nusd).toBeGreaterThanOrEqual(cost);
  });

  test('usage that a stream tells twice, growing, is counted once (PITFALLS 12)', async () => {
    const event = (type: string, rest: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
    const message = { id: 'msg_1', type: 'message', role: 'assistant', model: anthropic.model, content: [] };
    const start = { ...message, stop_reason: null, stop_sequence: null, usage: { input_tokens: 30, output_tokens: 4 } };
    const delta = (output_tokens: number, stop_reason: string | null) =>
      event('message_delta', { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens } });
    house.says({
      raw: {
        contentType: 'text/event-stream',
        chunks: [
          event('message_start', { message: start }),
          event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
          event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hello.' } }),
          event('content_block_stop', { index: 0 }),
          delta(11, 'end_turn'),
          event('message_stop', {}),
        ],
      },
    });
    const { cost, record } = await settled({ ...anthropic, stream: true });
    expect(cost).toBe(costOf({ input: 30, output: 11 }));
    expect(record).toMatchObject({ usage: { input: 30, output: 11 }, cost_estimated: false });
  });

  test.each(shapes)('a bill of zero stays zero, $shape (PITFALLS 11)', async ({ body }) => {
    house.says({ usage: { input: 0, output: 0 } });
    const { cost, record } = await settled(body);
    expect(cost).toBe(0);
    expect(record).toMatchObject({ cost_nusd: 0, cost_estimated: false, usage: { input: 0, output: 0 } });
  });

  test.each(shapes)('a reply without usage is estimated, and the record says so, $shape', async ({ body }) => {
    house.says({ usage: false, text: 'A dozen words or so, of which nobody says what they cost.' });
    const { cost, record } = await settled(body);
    expect(record).toMatchObject({ ending: 'complete', cost_estimated: true });
    expect(cost).toBeGreaterThan(costOf({ input: 10, output: 10 }));
    expect(cost).toBeLessThan(costOf(heldBy(body)));
  });

  test.each(shapes)(
    'a bill in odd numbers is settled, rounded up, and nothing stays held, $shape',
    async ({ body }) => {
      house.says({ usage: { input: 10.5, output: 3.25 } });
      const { cost } = await settled(body);
      expect(cost).toBe(costOf({ input: 11, output: 4 }));
    },
  );

  test('a budget that only warns counts and tells, and refuses nobody', async () => {
    house.says({ usage: { input: 40, output: 30 } });
    const first = await settled(openai, 'warned');
    expect(first.answer.headers.get('x-llm-warning')).toContain("budget of team 'warned' is over 100 % used");
    const second = await settled(openai, 'warned');
    expect(second.answer.headers.get('x-llm-budget-remaining-usd')).toBe('0.000000');
    const { limit, spent } = await house.budget('warned');
    expect(spent).toBeGreaterThan(limit);
  });

  test('a provider that bills more than was held makes a debt, and the next call is refused (PITFALLS 7)', async () => {
    const usage = { input: 1000, output: 400 };
    house.says({ usage });
    const { cost, record } = await settled(openai, 'debtor');
    expect(cost).toBe(costOf(usage));
    expect(record.held_nusd).toBe(costOf(heldBy(openai)));
    const { limit, spent, held, remaining } = await house.budget('debtor');
    expect(spent).toBeGreaterThan(limit);
    expect([held, remaining]).toEqual([0, limit - spent]);
    for (const stream of [false, true]) {
      const next = await house.ask('debtor', { ...openai, max_tokens: 1, stream });
      expect(next.status).toBe(429);
      expect(next.error).toMatchObject({ code: 'insufficient_quota', limit_usd: usd(limit), spent_usd: usd(spent) });
      expect(next.headers.get('x-should-retry')).toBe('false');
    }
    expect(house.provider.requests.length).toBe(1);
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
  });

  test('a call that is billed to the last nano-dollar of its budget leaves nothing and owes nothing', async () => {
    house.says({ usage: heldBy(openai) });
    await settled(openai, 'owing');
    expect((await house.budget('owing')).remaining).toBe(0);
  });

  test('a model without a price is refused under a money budget and passes without one (PITFALLS 14)', async () => {
    house.says({ usage: { input: 40, output: 30 } });
    const body = { ...openai, model: 'unpriced' };
    const before = await house.budget('research');
    const refused = await house.ask('research', body);
    expect(refused.status).toBe(403);
    expect(refused.error).toMatchObject({
      code: 'price_unknown',
      param: 'model',
      provider: 'fake-openai',
      model: 'unpriced',
    });
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(house.provider.requests).toEqual([]);
    expect(await house.budget('research')).toEqual(before);

    expect((await house.ask('nobudget', body)).status).toBe(200);
    expect((await house.ask('tokens', body)).status).toBe(200);
    expect(await house.budget('tokens')).toMatchObject({ limit: 10_000, spent: 70, held: 0 });
    expect(house.provider.requests.length).toBe(2);
    expect(house.provider.violations).toEqual([]);
  });
});
