import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fakeAnthropic, fakeOpenai, prices } from '../support/gateway.ts';
import { type AskedBody, costOf, heldBy, hi, type MoneyHouse, startMoney, stores } from '../support/money.ts';

const openai: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const twice: AskedBody = { ...openai, n: 2 };
const anthropic: AskedBody = { ...openai, model: 'claude-sonnet-4-5' };
const usage = { prompt_tokens: 40, completion_tokens: 30 };
const said = { index: 0, message: { role: 'assistant', content: 'Hello there.' }, finish_reason: 'stop' };
const told = costOf({ input: 40, output: 30 });

interface Odd {
  readonly name: string;
  readonly body?: AskedBody;
  /** What the provider sends with status 200. */
  readonly reply: unknown;
  readonly status: number;
  readonly spent: number;
  readonly estimated: boolean;
}

const odd: readonly Odd[] = [
  { name: 'usage and no choices', reply: { usage }, status: 502, spent: told, estimated: false },
  {
    name: 'usage and empty choices',
    reply: { id: 'x', choices: [], usage },
    status: 200,
    spent: told,
    estimated: false,
  },
  {
    name: 'usage beside an error',
    reply: { error: { message: 'no' }, usage },
    status: 502,
    spent: told,
    estimated: false,
  },
  {
    name: 'usage beside an error and what was said before',
    reply: { id: 'x', choices: [said], usage, error: { message: 'no' } },
    status: 502,
    spent: told,
    estimated: false,
  },
  {
    name: 'a total instead of the output',
    reply: { id: 'x', choices: [said], usage: { prompt_tokens: 40, total_tokens: 70 } },
    status: 200,
    spent: told,
    estimated: false,
  },
  {
    name: 'no output told, and nothing said: all that was held for it',
    body: twice,
    reply: { id: 'x', choices: [], usage: { prompt_tokens: 40 } },
    status: 200,
    spent: costOf({ input: 40, output: 100 }),
    estimated: true,
  },
  {
    name: 'no output told, and no choices: all that was held for it',
    body: twice,
    reply: { id: 'x', usage: { prompt_tokens: 40 } },
    status: 502,
    spent: costOf({ input: 40, output: 100 }),
    estimated: true,
  },
  {
    name: 'an output of zero, which is a number',
    reply: { id: 'x', choices: [], usage: { prompt_tokens: 40, completion_tokens: 0 } },
    status: 200,
    spent: costOf({ input: 40, output: 0 }),
    estimated: false,
  },
  {
    name: 'usage and no content, in the other format',
    body: anthropic,
    reply: { id: 'x', type: 'message', usage: { input_tokens: 40, output_tokens: 30 } },
    status: 502,
    spent: told,
    estimated: false,
  },
];

describe.each(stores)('a reply that is none, on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store,
      teams: { research: { budgets: [{ window: 'total', limit_usd: 1 }] } },
      providers: (baseUrl) => ({ openai: fakeOpenai(baseUrl), anthropic: fakeAnthropic(baseUrl) }),
    });
  });
  afterAll(() => house.close());

  test.each(odd)('is paid as it tells: $name', async ({ name, body = openai, reply, status, spent, estimated }) => {
    const before = await house.budget('research');
    const id = `${store} ${name}`.replaceAll(/[^a-z]+/g, '-');
    house.says({ raw: { contentType: 'application/json', chunks: [JSON.stringify(reply)] } });
    const answer = await house.ask('research', body, { headers: { 'x-request-id': id } });
    expect(answer.status).toBe(status);
    const after = await house.atRest('research');
    expect(after.spent - before.spent).toBe(spent);
    expect(await house.record(id)).toMatchObject({ cost_nusd: spent, cost_estimated: estimated });
  });

  test('of which nothing is told is paid in full, as an estimate, and never more than was held', async () => {
    const before = await house.budget('research');
    house.says({ raw: { contentType: 'application/json', chunks: [JSON.stringify({ id: 'x', choices: [] })] } });
    await house.ask('research', openai, { headers: { 'x-request-id': `${store}-nothing` } });
    const spent = (await house.atRest('research')).spent - before.spent;
    expect(spent).toBeGreaterThan(costOf({ input: 1, output: 50 }));
    expect(spent).toBeLessThanOrEqual(costOf(heldBy(openai)));
    expect(await house.record(`${store}-nothing`)).toMatchObject({ cost_nusd: spent, cost_estimated: true });
  });

  test('is tried elsewhere, and paid beside the one that answers', async () => {
    const before = await house.budget('research');
    const replies = [JSON.stringify({ usage }), undefined];
    house.says(() => {
      const reply = replies.shift();
      return reply === undefined
        ? { usage: { input: 10, output: 5 } }
        : { raw: { contentType: 'application/json', chunks: [reply] } };
    });
    const both = await startMoney({
      store,
      teams: { research: { budgets: [{ window: 'total', limit_usd: 1 }] } },
      providers: () => ({
        first: { ...fakeOpenai(house.provider.baseUrl), id: 'first', models: { one: prices } },
        second: { ...fakeOpenai(house.provider.baseUrl), id: 'second', models: { two: prices } },
      }),
      config: {
        models: {
          either: {
            candidates: [
              { provider: 'first', model: 'one' },
              { provider: 'second', model: 'two' },
            ],
          },
        },
      },
    });
    try {
      const answer = await both.ask('research', { ...openai, model: 'either' });
      expect(answer.status).toBe(200);
      expect((await both.atRest('research')).spent).toBe(told + costOf({ input: 10, output: 5 }));
    } finally {
      await both.close();
    }
    expect((await house.budget('research')).spent).toBe(before.spent);
  });

  test('and the books agree', async () => {
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
  });
});
