import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AskedBody,
  costOf,
  eventually,
  heldBy,
  hi,
  type MoneyHouse,
  startMoney,
  stores,
  usd,
} from '../support/money.ts';

const body: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const hold = costOf(heldBy(body));
const huge: AskedBody = { ...body, max_tokens: 4000 };
const hugeHold = costOf(heldBy(huge));
const { max_tokens: _, ...endless } = body;
const policies = {
  blocked: `
metadata: { id: blocked, name: Blocked, version: 1.0.0 }
rules:
  - id: no-mini
    condition: { operator: eq, field: llm.model, value: gpt-4o-mini }
    action: { decision: deny, reason: not this one }
`,
};

/** What users of other gateways report; the numbers are those of the list. */
describe.each(stores)('what gateways get wrong, on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    const total = (nano: number) => ({ budgets: [{ window: 'total', limit_usd: usd(nano) }] });
    house = await startMoney({
      store,
      policies,
      teams: {
        endless: total(100 * hugeHold),
        coder: total(1.5 * hugeHold),
        remainder: total(1.8 * hold),
        blocked: {
          budgets: [{ window: 'day', limit_requests: 10 }],
          limits: { requests_per_minute: 10, tokens_per_minute: 100_000 },
        },
      },
    });
  });
  afterAll(() => house.close());

  test('a call without max_tokens holds what the model can say and not the budget (PITFALLS 2)', async () => {
    const heldWhile = async (stream: boolean) => {
      let held = 0;
      house.says(async () => {
        held = (await house.budget('endless')).held;
        return { usage: { input: 10, output: 5 } };
      });
      expect((await house.ask('endless', { ...endless, model: body.model, stream })).status).toBe(200);
      return held;
    };
    const plain = { ...endless, model: body.model, stream: false };
    expect(await heldWhile(false)).toBe(costOf(heldBy(plain, 4096)));
    expect(await heldWhile(true)).toBe(costOf(heldBy({ ...plain, stream: true }, 1024)));
    expect(await house.budget('endless')).toMatchObject({ held: 0, spent: 2 * costOf({ input: 10, output: 5 }) });
  });

  test('a budget full of large max_tokens says held, not spent, and to come back in a moment (PITFALLS 3)', async () => {
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    house.says(async () => {
      await gate;
      return { usage: { input: 10, output: 5 } };
    });
    const first = house.ask('coder', huge);
    await eventually('the first is at the provider', () => house.provider.requests.length === 1);
    const refused = await house.ask('coder', huge);
    expect(refused.error).toMatchObject({ code: 'insufficient_quota', spent_usd: 0, held_usd: usd(hugeHold) });
    expect(refused.headers.get('retry-after')).toBe('1');
    open();
    expect((await first).status).toBe(200);
    expect((await house.ask('coder', huge)).status).toBe(200);
  });

  test('a call that fits only the remainder is refused whole: the cap is not passed (PITFALLS 4)', async () => {
    house.says({ usage: heldBy(body) });
    expect((await house.ask('remainder', body)).status).toBe(200);
    const refused = await house.ask('remainder', body);
    expect(refused.error).toMatchObject({ asked_usd: usd(hold), spent_usd: usd(hold), limit_usd: usd(1.8 * hold) });
    expect(house.provider.requests.length).toBe(1);
    expect((await house.ask('remainder', { ...body, max_tokens: 1 })).status).toBe(200);
  });

  test('a prompt that a rule blocks consumes no budget and no rate (PITFALLS 17)', async () => {
    house.says({});
    for (let call = 0; call < 15; call += 1) {
      expect((await house.ask('blocked', { ...body, model: 'gpt-4o-mini' })).status).toBe(403);
    }
    expect(await house.budget('blocked')).toMatchObject({ spent: 0, held: 0 });
    expect((await house.limits('blocked')).map(({ used }) => used)).toEqual([0, 0]);
    expect((await house.ask('blocked', body)).status).toBe(200);
  });
});
