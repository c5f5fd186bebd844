import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fakeOpenai, prices } from '../support/gateway.ts';
import {
  type AskedBody,
  barredPolicy,
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
/** Room for one call at the common price, none for the dear one. */
const room = (more: Record<string, unknown> = {}) => ({
  budgets: [{ window: 'total', limit_usd: usd(2 * costOf(heldBy(body))), ...more }],
});
const policies = {
  barred: barredPolicy,
  affordable: `
metadata: { id: affordable, name: Affordable, version: 1.0.0 }
rules:
  - id: lower
    condition: { operator: eq, field: team.id, value: lowered }
    action: { decision: modify, cap_max_tokens: { affordable_tokens_min: 1 }, reason: what is left is used }
`,
};
/** What the dear model costs where it may write so much. */
const dear = (output: number) => 10 * costOf(heldBy(body, output));

describe.each(stores)('a fallback that a budget has no room for, on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store,
      policies,
      teams: {
        plain: room(),
        strict: room(),
        led: room({ on_exceed: 'substitute', substitute_model: 'small' }),
        misled: room({ on_exceed: 'substitute', substitute_model: 'barred' }),
        circling: room({ on_exceed: 'substitute', substitute_model: 'costly' }),
        lowered: { budgets: [{ window: 'total', limit_usd: usd(dear(30)) }] },
      },
      providers: (baseUrl) => ({
        first: { ...fakeOpenai(baseUrl), id: 'first', models: { cheap: prices, small: prices, barred: prices } },
        second: { ...fakeOpenai(baseUrl), id: 'second', models: { costly: dearPrices, last: prices, unpriced: {} } },
      }),
      config: {
        models: Object.fromEntries(
          [
            [
              'either',
              [
                ['first', 'cheap'],
                ['second', 'costly'],
              ],
            ],
            [
              'three',
              [
                ['first', 'cheap'],
                ['second', 'costly'],
                ['second', 'last'],
              ],
            ],
            [
              'unpriced-between',
              [
                ['first', 'cheap'],
                ['second', 'unpriced'],
                ['second', 'last'],
              ],
            ],
          ].map(([name, list]) => [
            name,
            { candidates: (list as string[][]).map(([provider, model]) => ({ provider, model })) },
          ]),
        ),
      },
    });
  });
  afterAll(() => house.close());
  const asked = () => house.provider.requests.map((request) => request.body.model);
  const firstFails = () =>
    house.says(({ body: { model } }) => (model === 'cheap' ? { status: 500 } : { usage: { input: 20, output: 10 } }));

  test('is passed over for the next one that fits', async () => {
    firstFails();
    const answer = await house.ask('plain', { ...body, model: 'three' });
    expect([answer.status, asked()]).toEqual([200, ['cheap', 'last']]);
    expect(await house.atRest('plain')).toMatchObject({ spent: costOf({ input: 20, output: 10 }), held: 0 });
  });

  test('and one that nobody told the price of as well; where none is left, what failed first is told', async () => {
    firstFails();
    const answer = await house.ask('strict', { ...body, model: 'unpriced-between' });
    expect([answer.status, asked()]).toEqual([200, ['cheap', 'last']]);
    expect(await house.atRest('strict')).toMatchObject({ spent: costOf({ input: 20, output: 10 }), held: 0 });
    house.says({ status: 503 });
    const failed = await house.ask('strict', { ...body, model: 'unpriced-between' });
    expect([failed.status, asked()]).toEqual([503, ['cheap', 'last']]);
  });

  test('goes on with the model that the budget names: decided, held, paid and told', async () => {
    firstFails();
    const answer = await house.ask('led', body, { headers: { 'x-request-id': `${store}-led` } });
    expect([answer.status, asked()]).toEqual([200, ['cheap', 'small']]);
    expect(answer.headers.get('x-llm-warning')).toContain("has no room for 'either': 'small' answers instead.");
    expect(await house.atRest('led')).toMatchObject({ spent: costOf({ input: 20, output: 10 }), held: 0 });
    expect(await house.record(`${store}-led`)).toMatchObject({
      model_asked: 'either',
      model_used: 'small',
      decision: { request: { obligations: ['substitute_model (total budget of team led)'] } },
    });
  });

  test('and tries what comes after it where the model it names fails as well', async () => {
    house.says(({ body: { model } }) => (model === 'last' ? { usage: { input: 20, output: 10 } } : { status: 500 }));
    const answer = await house.ask('led', { ...body, model: 'three' });
    expect([answer.status, asked()]).toEqual([200, ['cheap', 'small', 'last']]);
    expect(answer.headers.get('x-llm-warning')).toBeNull();
  });

  test('does not go on with a model that a rule denies, nor in circles', async () => {
    for (const team of ['misled', 'circling']) {
      firstFails();
      const answer = await house.ask(team, body);
      expect([team, answer.status, asked()]).toEqual([team, 429, ['cheap']]);
      expect(answer.error).toMatchObject({ code: 'insufficient_quota', scope_id: team });
      expect(await house.atRest(team)).toMatchObject({ spent: 0, held: 0 });
    }
  });

  test('is lowered to all that the budget affords: what the call holds already is its own', async () => {
    firstFails();
    const answer = await house.ask('lowered', body);
    expect([answer.status, asked()]).toEqual([200, ['cheap', 'costly']]);
    expect(house.provider.requests.map((request) => request.body.max_tokens)).toEqual([50, 30]);
    expect(await house.atRest('lowered')).toMatchObject({ spent: 10 * costOf({ input: 20, output: 10 }), held: 0 });
  });

  test('and the books agree', async () => {
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
  });
});
