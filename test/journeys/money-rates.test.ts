import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AskedBody, eventually, heldBy, hi, type MoneyHouse, startMoney, stores } from '../support/money.ts';

const body: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const stream: AskedBody = { ...body, stream: true };
const held = heldBy(body).input + 50;
const used = async (house: MoneyHouse, team: string) => (await house.limits(team))[0]!.used;

describe.each(stores)('rates on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store,
      teams: {
        requests: { limits: { requests_per_minute: 3 } },
        tokens: { limits: { tokens_per_minute: 2 * held } },
        seats: { limits: { concurrent: 2 } },
        ends: { limits: { concurrent: 1 } },
      },
    });
  });
  afterAll(() => house.close());

  test('of ten calls at once three pass, the rest are told when to come back', async () => {
    house.says({});
    const answers = await Promise.all(Array.from({ length: 10 }, () => house.ask('requests', body)));
    const passed = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 429);
    expect([passed.length, refused.length, house.provider.requests.length]).toEqual([3, 7, 3]);
    const left = passed.map(({ headers }) => headers.get('x-ratelimit-remaining-requests')).sort();
    expect(left).toEqual(['0', '1', '2']);
    for (const { headers } of passed) {
      expect(headers.get('x-ratelimit-limit-requests')).toBe('3');
      expect(headers.get('x-ratelimit-reset-requests')).toMatch(/^\d+s$/);
      expect(headers.get('x-llm-upstream-ratelimit-remaining-requests')).toBe('41');
    }
    for (const { headers, error } of refused) {
      const wait = Number(headers.get('retry-after'));
      expect(error).toMatchObject({
        code: 'rate_limit_exceeded',
        type: 'rate_limit_error',
        scope: 'team',
        scope_id: 'requests',
        unit: 'requests',
        limit: 3,
        used: 3,
        window_ms: 60_000,
      });
      expect(error.resets_in_seconds).toBeGreaterThanOrEqual(wait);
      expect(wait).toBeGreaterThanOrEqual(1);
      // The window slides by the second: the one that has begun is waited for as well.
      expect(wait).toBeLessThanOrEqual(61);
      // A client that may come back is not told to stay away.
      expect(headers.get('x-should-retry')).toBeNull();
      expect(headers.get('x-ratelimit-limit-requests')).toBe('3');
      expect(headers.get('x-ratelimit-remaining-requests')).toBe('0');
      expect(headers.get('x-ratelimit-reset-requests')).toMatch(/^\d+s$/);
    }
  });

  test('tokens are held at their worst and corrected to what was used', async () => {
    house.says({ usage: { input: 10, output: 5 } });
    const first = await house.ask('tokens', body);
    expect(first.status).toBe(200);
    expect(first.headers.get('x-ratelimit-limit-tokens')).toBe(String(2 * held));
    expect(first.headers.get('x-ratelimit-remaining-tokens')).toBe(String(held));
    expect(await used(house, 'tokens')).toBe(15);

    house.says({ usage: { input: held, output: 50 } });
    expect((await house.ask('tokens', stream)).status).toBe(200);
    const now = 15 + held + 50;
    expect(await used(house, 'tokens')).toBe(now);
    const refused = await house.ask('tokens', body);
    expect(refused.status).toBe(429);
    expect(refused.error).toMatchObject({
      code: 'rate_limit_exceeded',
      unit: 'tokens',
      limit: 2 * held,
      used: now,
      asked: held,
    });
    expect(refused.headers.get('x-ratelimit-remaining-tokens')).toBe(String(2 * held - now));
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await used(house, 'tokens')).toBe(now);
  });

  test('of five calls at once two have a seat, and all seats are free afterwards', async () => {
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    house.says(async () => {
      await gate;
      return {};
    });
    let over = 0;
    const answers = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const answer = await house.ask('seats', stream);
        over += 1;
        if (over === 3) open();
        return answer;
      }),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429, 429]);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.error).toMatchObject({ code: 'rate_limit_exceeded', unit: 'concurrent', limit: 2, used: 2 });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await used(house, 'seats')).toBe(0);
  });

  test.each([
    { how: 'finished', says: {}, status: 200 },
    { how: 'failed at the provider', says: { status: 500 }, status: 500 },
    { how: 'broke off before its first event', says: { die: 'first_frame' as const }, status: 502 },
    { how: 'broke off in the middle', says: { die: 'middle' as const }, status: 200 },
    { how: 'was refused by the provider', says: { status: 400 }, status: 400 },
  ])('a seat is free again after a call that $how', async ({ says, status }) => {
    for (let round = 0; round < 3; round += 1) {
      house.says(says);
      expect((await house.ask('ends', stream)).status).toBe(status);
      expect(await used(house, 'ends')).toBe(0);
    }
  });

  test('a seat is free again after a client that left', async () => {
    for (let round = 0; round < 3; round += 1) {
      house.says({ endless: true, pace_ms: 5 });
      const leaving = new AbortController();
      const response = await house.send('ends', stream, { signal: leaving.signal });
      await response.body!.getReader().read();
      expect(await used(house, 'ends')).toBe(1);
      leaving.abort();
      await eventually('the seat is free', async () => (await used(house, 'ends')) === 0);
    }
    expect(house.provider.violations).toEqual([]);
  });
});
