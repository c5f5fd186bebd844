import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fakeOpenai, prices } from '../support/gateway.ts';
import {
  type AskedBody,
  costOf,
  dearPrices,
  heldBy,
  hi,
  type MoneyHouse,
  startMoney,
  stores,
  usd,
} from '../support/money.ts';

const body: AskedBody = { model: 'either', max_tokens: 50, messages: hi };
const policies = {
  cheaper: `
metadata: { id: cheaper, name: Cheaper, version: 1.0.0 }
rules:
  - id: not-so-dear
    condition: { operator: eq, field: llm.model, value: wished }
    action: { decision: modify, substitute_model: gpt-4o-mini, reason: the small one will do }
  - id: rather-dear
    condition: { operator: eq, field: llm.model, value: modest }
    action: { decision: modify, substitute_model: costly, reason: only the best }
  - id: barred
    condition: { operator: eq, field: llm.model, value: barred }
    action: { decision: deny, reason: never this one }
`,
};

describe.each(stores)('on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    // The first candidate fits, the second costs ten times as much.
    const small = { budgets: [{ window: 'total', limit_usd: usd(2 * costOf(heldBy({ ...body, stream: true }))) }] };
    house = await startMoney({
      store,
      policies,
      teams: {
        research: {
          budgets: [
            { window: 'total', limit_usd: 1 },
            { window: 'day', limit_requests: 100 },
          ],
          limits: { requests_per_minute: 100 },
        },
        poor: small,
        thrifty: small,
      },
      providers: (baseUrl) => ({
        first: {
          ...fakeOpenai(baseUrl),
          id: 'first',
          models: { cheap: prices, modest: prices, 'gpt-4o-mini': prices },
        },
        second: {
          ...fakeOpenai(baseUrl),
          id: 'second',
          models: { costly: dearPrices, wished: dearPrices, barred: prices },
        },
      }),
      config: {
        models: {
          either: {
            candidates: [
              { provider: 'first', model: 'cheap' },
              { provider: 'second', model: 'costly' },
            ],
          },
          guarded: {
            candidates: [
              { provider: 'first', model: 'cheap' },
              { provider: 'second', model: 'barred' },
              { provider: 'second', model: 'costly' },
            ],
          },
        },
        routing: { retries: 0, first_token_timeout_ms: 600, circuit: { failures: 1000 } },
      },
    });
  });
  afterAll(() => house.close());

  const asked = () => house.provider.requests.map(({ body: { model } }) => model);

  test.each([false, true])(
    'after a fallback the price of the model that answered is held and settled, once (stream: %s)',
    async (stream) => {
      const before = await house.budget('research', 'total');
      const requests = await house.budget('research', 'day');
      const ask = { ...body, stream };
      let heldThen = 0;
      house.says(async (request) => {
        if (request.body.model === 'cheap') return { status: 500 };
        heldThen = (await house.budget('research', 'total')).held;
        return { usage: { input: 40, output: 30 } };
      });
      const answer = await house.ask('research', ask, { headers: { 'x-request-id': `${store}-fallback-${stream}` } });
      expect([answer.status, asked()]).toEqual([200, ['cheap', 'costly']]);
      expect(answer.headers.get('x-llm-attempts')).toBe('2');
      expect(heldThen).toBe(10 * costOf(heldBy(ask)));
      const after = await house.budget('research', 'total');
      expect(after.spent - before.spent).toBe(10 * costOf({ input: 40, output: 30 }));
      expect(after.held).toBe(0);
      const counted = await house.budget('research', 'day');
      expect(counted.spent - requests.spent).toBe(1);
      expect(await house.record(`${store}-fallback-${stream}`)).toMatchObject({
        ending: 'complete',
        model_asked: 'either',
        model_used: 'costly',
        provider: 'second',
        held_nusd: 10 * costOf(heldBy(ask)),
        attempts: [{ model: 'cheap', status: 500 }, { model: 'costly' }],
      });
    },
  );

  test('a candidate that the budget does not fit is not asked, and nothing stays held', async () => {
    house.says({ status: 500 });
    const answer = await house.ask('poor', body);
    expect([answer.status, asked()]).toEqual([429, ['cheap']]);
    expect(answer.error).toMatchObject({ code: 'insufficient_quota', spent_usd: 0 });
    expect(await house.budget('poor')).toMatchObject({ spent: 0, held: 0 });
  });

  test('a candidate that a rule denies is passed over', async () => {
    house.says(({ body: { model } }) => (model === 'cheap' ? { status: 500 } : {}));
    const answer = await house.ask('research', { ...body, model: 'guarded' });
    expect([answer.status, asked()]).toEqual([200, ['cheap', 'costly']]);
  });

  test('a first try that may be billed is paid for, whatever the second one says', async () => {
    const before = await house.budget('research', 'total');
    house.says(({ body: { model } }) => (model === 'cheap' ? { stall: 'head' } : { status: 500 }));
    const ask = { ...body, stream: true };
    const answer = await house.ask('research', ask, { headers: { 'x-request-id': `${store}-billed` } });
    expect([answer.status, asked()]).toEqual([500, ['cheap', 'costly']]);
    const after = await house.budget('research', 'total');
    expect(after.spent).toBeGreaterThan(before.spent);
    expect(after.held).toBe(0);
    expect(await house.record(`${store}-billed`)).toMatchObject({
      ending: 'failed',
      cost_estimated: true,
      cost_nusd: after.spent - before.spent,
    });
  });

  test('a model that a rule substitutes is the one decided, held, asked and paid', async () => {
    let heldThen = 0;
    house.says(async () => {
      heldThen = (await house.budget('thrifty')).held;
      return { usage: { input: 40, output: 30 } };
    });
    const wished = { ...body, model: 'wished' };
    const answer = await house.ask('thrifty', wished, { headers: { 'x-request-id': `${store}-substituted` } });
    expect([answer.status, asked()]).toEqual([200, ['gpt-4o-mini']]);
    expect(answer.headers.get('x-llm-model')).toBe('gpt-4o-mini');
    // Its own price would not have fitted.
    expect(10 * costOf(heldBy(wished))).toBeGreaterThan((await house.budget('thrifty')).limit);
    expect(heldThen).toBe(costOf(heldBy(wished)));
    expect(await house.budget('thrifty')).toMatchObject({ spent: costOf({ input: 40, output: 30 }), held: 0 });
    expect(await house.record(`${store}-substituted`)).toMatchObject({
      model_asked: 'wished',
      model_used: 'gpt-4o-mini',
      decision: { request: { decision: 'allow', obligations: ['substitute_model (cheaper/not-so-dear)'] } },
    });
  });

  test('a dearer substitute must fit the budget as well', async () => {
    house.says({});
    const answer = await house.ask('poor', { ...body, model: 'modest' });
    expect([answer.status, answer.error.code]).toEqual([429, 'insufficient_quota']);
    expect(answer.error.asked_usd).toBe(usd(10 * costOf(heldBy({ ...body, model: 'modest' }))));
    expect(house.provider.requests).toEqual([]);
  });

  test('the books agree, and nothing came to the provider that must not', async () => {
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
    expect(house.provider.violations).toEqual([]);
  });
});
