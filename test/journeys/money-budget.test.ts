import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Answered,
  type AskedBody,
  costOf,
  heldBy,
  hi,
  type MoneyHouse,
  startMoney,
  stores,
  usd,
} from '../support/money.ts';

const fits = 7;
const parallel = 200;
const ways: Readonly<Record<string, AskedBody>> = {
  plain: { model: 'gpt-4o', max_tokens: 50, messages: hi },
  streamed: { model: 'gpt-4o', max_tokens: 50, stream: true, messages: hi },
  anthropic: { model: 'claude-sonnet-4-5', max_tokens: 50, stream: true, messages: hi },
};
const cases = stores.flatMap((store) => Object.entries(ways).map(([way, body]) => ({ store, way, body })));

describe.each(cases)('200 $way calls in parallel, a budget for 7, the $store store', ({ store, body }) => {
  const held = heldBy(body);
  const price = costOf(held);
  const limit = fits * price;
  const counter = `budget:team:research:month:${new Date().toISOString().slice(0, 7)}`;
  let house: MoneyHouse;
  let passed: Answered[];
  let refused: Answered[];

  beforeAll(async () => {
    const teams = { research: { budgets: [{ window: 'month', limit_usd: usd(limit) }] } };
    house = await startMoney({ store, teams });
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    house.says(async () => {
      await gate;
      return { usage: held };
    });
    let over = 0;
    const answers = await Promise.all(
      Array.from({ length: parallel }, async () => {
        const answer = await house.ask('research', body);
        over += 1;
        // The seven wait until everyone else was told: who is refused is refused for what they hold.
        if (over === parallel - fits) open();
        return answer;
      }),
    );
    passed = answers.filter(({ status }) => status === 200);
    refused = answers.filter(({ status }) => status !== 200);
  });
  afterAll(() => house.close());

  test('exactly 7 reach the provider (PITFALLS 1)', () => {
    expect(house.provider.requests.length).toBe(fits);
    expect(passed.length).toBe(fits);
    expect(house.provider.violations).toEqual([]);
  });

  test('193 are told which budget, its limit, what is spent and held, when it resets, and not to try again (PITFALLS 18, 19)', () => {
    expect(refused.length).toBe(parallel - fits);
    for (const { status, error, headers } of refused) {
      expect(status).toBe(429);
      expect(error).toMatchObject({
        code: 'insufficient_quota',
        scope: 'team',
        scope_id: 'research',
        window: 'month',
        limit_usd: usd(limit),
        spent_usd: 0,
        held_usd: usd(limit),
        asked_usd: usd(price),
      });
      expect(Date.parse(String(error.resets_at))).toBeGreaterThan(Date.now());
      expect(error.message).toContain("team 'research'");
      expect(headers.get('x-should-retry')).toBe('false');
    }
  });

  test('afterwards nothing is held and 7 are spent, as the caller reads it from /v1/usage', async () => {
    expect(await house.reservations()).toBe(0);
    expect(await house.budget('research')).toMatchObject({ limit, spent: limit, held: 0, remaining: 0 });
  });

  test('the next call is refused for what is spent, and no wait is promised', async () => {
    const { error, headers } = await house.ask('research', body);
    expect(error).toMatchObject({ code: 'insufficient_quota', spent_usd: usd(limit), held_usd: 0 });
    expect(headers.get('retry-after')).toBeNull();
    expect(house.provider.requests.length).toBe(fits);
  });

  test('operators read the same from the admin listener, and the counter agrees with its entries', async () => {
    expect(await house.admin('/admin/v1/budgets?organization=acme')).toEqual({
      budgets: [
        {
          organization: 'acme',
          key: counter,
          limit_usd: usd(limit),
          spent_usd: usd(limit),
          held_usd: 0,
          used_percent: 100,
          resets_at: expect.stringMatching(/-01T00:00:00.000Z$/),
          requests: fits,
          tokens: fits * (held.input + held.output),
        },
      ],
    });
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
  });

  test.runIf(store === 'redis')('and from HGETALL of the documented key', async () => {
    expect(await house.redis!.client().hgetall(`llm:{acme}:${counter}`)).toMatchObject({
      limit: String(limit),
      spent: String(limit),
      held: '0',
      requests: String(fits),
      tokens: String(fits * (held.input + held.output)),
      spent_usd: usd(limit).toFixed(9),
    });
  });
});
