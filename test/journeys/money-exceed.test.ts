import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fakeOpenai, prices, ref } from '../support/gateway.ts';
import {
  type AskedBody,
  barredPolicy,
  costOf,
  dearPrices,
  eventually,
  heldBy,
  hi,
  type MoneyHouse,
  startMoney,
  stores,
  usd,
} from '../support/money.ts';

const body: AskedBody = { model: 'costly', max_tokens: 50, messages: hi };
const dearHold = 10 * costOf(heldBy(body));
const total = (limit_usd: number, more: Record<string, unknown> = {}) => ({ window: 'total', limit_usd, ...more });
const instead = (substitute_model: string) => ({ on_exceed: 'substitute', substitute_model });
const policies = { barred: barredPolicy };

describe.each(stores)('a budget that is used up on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    const budgets = (...list: unknown[]) => ({ budgets: list });
    house = await startMoney({
      store,
      policies,
      organization: {
        model_limits: [
          { match: 'costly', budgets: [total(usd(3 * dearHold), instead('cheap'))] },
          { match: 'second/*', limits: { requests_per_day: 1000 } },
        ],
      },
      teams: {
        models: budgets(total(1)),
        circles: budgets(total(usd(1), instead('wished')), { window: 'day', limit_usd: usd(1), ...instead('costly') }),
        denied: budgets(total(usd(1), instead('barred'))),
        people: {
          keys: [{ key: ref('KEY_OF_PEOPLE'), may_assert: true }],
          users: { default: budgets(total(usd(dearHold / 2), instead('cheap'))) },
        },
        warned: budgets(total(usd(dearHold), { on_exceed: 'warn' })),
        throttled: budgets(total(usd(1.5 * dearHold), { on_exceed: 'throttle', queue_ms: 5000 })),
        patient: budgets({ window: 'month', limit_usd: usd(1.5 * dearHold), on_exceed: 'throttle', queue_ms: 200 }),
      },
      providers: (baseUrl) => ({
        first: { ...fakeOpenai(baseUrl), id: 'first', models: { cheap: prices, wished: dearPrices, barred: prices } },
        second: { ...fakeOpenai(baseUrl), id: 'second', models: { costly: dearPrices, other: dearPrices } },
      }),
    });
  });
  afterAll(() => house.close());
  const asked = () => house.provider.requests.map((request) => request.body.model);

  test('substitutes: the other model is decided, held, asked and paid, and everyone is told (PITFALLS 16)', async () => {
    house.says({ usage: { input: 40, output: 30 } });
    for (let passed = 0; passed < 2; passed += 1) expect((await house.ask('models', body)).status).toBe(200);
    // A hold that would fit the team's budget and not the model's.
    const big = { ...body, max_tokens: 200 };
    house.says({ usage: { input: 40, output: 30 } });
    const before = await house.budget('models');
    const answer = await house.ask('models', big, { headers: { 'x-request-id': `${store}-instead` } });
    expect([answer.status, asked()]).toEqual([200, ['cheap']]);
    expect(answer.headers.get('x-llm-model')).toBe('cheap');
    expect(answer.headers.get('x-llm-warning')).toContain(
      "The total budget of model 'costly' has no room for 'costly': 'cheap' answers instead.",
    );
    expect((await house.budget('models')).spent - before.spent).toBe(costOf({ input: 40, output: 30 }));
    expect(await house.record(`${store}-instead`)).toMatchObject({
      model_asked: 'costly',
      model_used: 'cheap',
      held_nusd: costOf(heldBy(big)),
      decision: { request: { obligations: ['substitute_model (total budget of model costly)'] } },
    });
  });

  test('substitutes never in circles: the first budget has the last word', async () => {
    house.says({});
    const answer = await house.ask('circles', body);
    expect([answer.status, asked()]).toEqual([429, []]);
    expect(answer.error).toMatchObject({ code: 'insufficient_quota', scope: 'team', window: 'total' });
  });

  test('does not substitute a model that a rule denies', async () => {
    house.says({});
    const answer = await house.ask('denied', body);
    expect([answer.status, asked()]).toEqual([429, []]);
    expect(answer.error).toMatchObject({ code: 'insufficient_quota', scope_id: 'denied' });
    expect(answer.headers.get('x-should-retry')).toBe('false');
  });

  test('substitutes for a person, whose name the open part of the record does not tell', async () => {
    for (const user of ['jane.roe', 'auth0|jane:roe']) {
      house.says({ usage: { input: 4, output: 3 } });
      const id = `${store}-${user.replace(/\W/g, '-')}`;
      const answer = await house.ask('people', body, { headers: { 'x-request-id': id, 'x-llm-user': user } });
      expect([answer.status, answer.headers.get('x-llm-model')]).toEqual([200, 'cheap']);
      const { decision, caller } = await house.record(id);
      expect(caller.user).toBe(user);
      expect(decision.request?.obligations).toEqual(['substitute_model (total budget of the user)']);
      expect(JSON.stringify(decision)).not.toMatch(/jane|roe/i);
    }
  });

  test('that only warns counts and tells', async () => {
    const dearest = { ...body, model: 'other' };
    house.says({ usage: heldBy(dearest) });
    expect((await house.ask('warned', dearest)).headers.get('x-llm-warning')).toBeNull();
    const over = await house.ask('warned', dearest);
    expect([over.status, over.headers.get('x-llm-warning')]).toEqual([
      200,
      "The total budget of team 'warned' is over 100 % used.",
    ]);
    expect((await house.budget('warned')).spent).toBe(20 * costOf(heldBy(dearest)));
  });

  test('that throttles lets the next call wait until what runs is over', async () => {
    const dearest = { ...body, model: 'wished' };
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    house.says(async () => {
      await gate;
      return { usage: { input: 0, output: 0 } };
    });
    const calls = [house.ask('throttled', dearest), house.ask('throttled', dearest)];
    await eventually('one is at the provider', () => house.provider.requests.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(house.provider.requests.length).toBe(1);
    open();
    const answers = await Promise.all(calls);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    // The wait is the gateway's own time, not the provider's.
    expect(Math.max(...answers.map(({ headers }) => Number(headers.get('x-llm-overhead-ms'))))).toBeGreaterThan(140);
  });

  test('that throttles does not let wait in vain, and says when the window turns', async () => {
    const dearest = { ...body, model: 'wished' };
    house.says({ usage: heldBy(dearest) });
    expect((await house.ask('patient', dearest)).status).toBe(200);
    const refused = await house.ask('patient', dearest);
    expect(refused.status).toBe(429);
    expect(refused.error.code).toBe('insufficient_quota');
    const after_ms = Number(refused.headers.get('retry-after')) * 1000;
    expect(Math.abs(Date.now() + after_ms - Date.parse(String(refused.error.resets_at)))).toBeLessThan(5000);
    expect(refused.headers.get('x-should-retry')).toBeNull();
    expect(refused.headers.get('x-llm-budget-remaining-usd')).toBe(
      usd(1.5 * dearHold - 10 * costOf(heldBy(dearest))).toFixed(6),
    );
  });

  test('and the books agree', async () => {
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
    expect(house.provider.violations).toEqual([]);
  });
});
