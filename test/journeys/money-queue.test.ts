import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ref } from '../support/gateway.ts';
import {
  type Answered,
  type AskedBody,
  eventually,
  hi,
  type MoneyHouse,
  startMoney,
  stores,
} from '../support/money.ts';

const body: AskedBody = { model: 'gpt-4o', max_tokens: 20, messages: hi };
const resetOf = ({ headers }: Answered) =>
  Number(/^(\d+)s$/.exec(headers.get('x-ratelimit-reset-requests') ?? '')?.[1]);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Exchanges under way, at a provider or in a line. */
async function inside({ gateway }: MoneyHouse): Promise<number> {
  const text = await (await fetch(`${gateway.metrics}/metrics`)).text();
  return Number(/^llm_gateway_inflight (\d+)$/m.exec(text)?.[1]);
}

describe.each(stores)('waiting for room on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store,
      teams: {
        line: {
          keys: [{ key: ref('KEY_OF_LINE'), may_assert: true }],
          limits: { concurrent: 2, queue_ms: 20_000 },
        },
        seconds: { limits: { requests_per_second: 2 } },
        smooth: { limits: { requests_per_second: 2, queue_ms: 5000 } },
        short: { limits: { concurrent: 1, queue_ms: 80 } },
        leaving: { limits: { concurrent: 1, queue_ms: 20_000 } },
        kinds: { limits: { output_tokens_per_minute: 50, input_tokens_per_minute: 100_000 } },
      },
    });
  });
  afterAll(() => house.close());

  test('a caller with a hundred calls does not starve one with a single call', async () => {
    const order: string[] = [];
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    house.says(async (request) => {
      order.push(String(request.body.user));
      if (order.length > 6) await gate;
      return {};
    });
    const ask = (user: string, number: number) =>
      house.ask('line', { ...body, user: `${user} ${number}` }, { headers: { 'x-llm-user': user } });
    const busy = Array.from({ length: 100 }, (_, number) => ask('busy', number));
    await eventually('a few of them are through', () => order.length >= 6);
    await eventually('all of them wait', async () => order.length === 8 && (await inside(house)) === 94);
    const place = order.length;
    const asking = ask('single', 0);
    await eventually('so does the single one', async () => (await inside(house)) === 95);
    open();
    const single = await asking;
    expect(single.status).toBe(200);
    // Those that were inside, and a turn or two of the other: not the ninety that stood before it.
    expect(order.indexOf('single 0') - place).toBeLessThan(20);
    expect(Number(single.headers.get('x-llm-overhead-ms'))).toBeGreaterThan(0);
    expect((await Promise.all(busy)).map(({ status }) => status)).toEqual(Array(100).fill(200));
  });

  test('Retry-After is true: a call at that moment passes, and one well before it does not', async () => {
    house.says({});
    for (let round = 0; round < 2; round += 1) {
      const answers = await Promise.all(Array.from({ length: 4 }, () => house.ask('seconds', body)));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429]);
      const refused = answers.find(({ status }) => status === 429)!;
      const wait_s = Number(refused.headers.get('retry-after'));
      expect(wait_s).toBeGreaterThanOrEqual(1);
      expect(wait_s).toBeLessThanOrEqual(2);
      expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('0');
      // A window of a second is empty when that is over, and the second that has begun.
      const reset_s = resetOf(refused);
      expect([1, 2]).toContain(reset_s);
      expect(reset_s).toBeGreaterThanOrEqual(wait_s);
      expect((await house.ask('seconds', body)).status).toBe(429);
      await pause(wait_s * 1000);
    }
    const passed = await house.ask('seconds', body);
    expect(passed.status).toBe(200);
    expect([1, 2]).toContain(resetOf(passed));
    await pause(resetOf(passed) * 1000);
    // Everything is free again when the headers said it would be.
    expect((await house.ask('seconds', body)).headers.get('x-ratelimit-remaining-requests')).toBe('1');
  });

  test('a burst is spread over the seconds instead of being refused', async () => {
    house.says({});
    const began = performance.now();
    const answers = await Promise.all(Array.from({ length: 6 }, () => house.ask('smooth', body)));
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
    // Two at once, two when the first second is over, two after the second one.
    expect(performance.now() - began).toBeGreaterThan(1900);
  });

  test('who waits longer than it may is refused with the limit’s own words', async () => {
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    house.says(async () => {
      await gate;
      return {};
    });
    const first = house.ask('short', body);
    await eventually('the first is inside', () => house.provider.requests.length === 1);
    const second = await house.ask('short', body);
    expect([second.status, second.error.code, second.error.unit]).toEqual([429, 'rate_limit_exceeded', 'concurrent']);
    expect(second.ms).toBeGreaterThan(75);
    open();
    expect((await first).status).toBe(200);
  });

  test('a client that leaves the line holds nothing, and is recorded', async () => {
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    house.says(async () => {
      await gate;
      return {};
    });
    const first = house.ask('leaving', body);
    await eventually('the first is inside', () => house.provider.requests.length === 1);
    const leaving = new AbortController();
    const id = `${store}-left-the-line`;
    const left = house.send('leaving', body, { signal: leaving.signal, headers: { 'x-request-id': id } });
    await eventually('the second waits', async () => (await inside(house)) === 2);
    await pause(60);
    leaving.abort();
    await expect(left).rejects.toThrow();
    expect(await house.record(id)).toMatchObject({ ending: 'aborted', cost_nusd: 0, attempts: [] });
    open();
    await first;
    expect((await house.ask('leaving', body)).status).toBe(200);
    expect(await house.reservations()).toBe(0);
  });

  test('input and output tokens have rates of their own, told as tokens', async () => {
    house.says({ usage: { input: 10, output: 20 } });
    const first = await house.ask('kinds', body);
    expect(first.status).toBe(200);
    expect(first.headers.get('x-ratelimit-limit-tokens')).toBe('50');
    expect((await house.ask('kinds', body)).status).toBe(200);
    const refused = await house.ask('kinds', body);
    expect(refused.error).toMatchObject({ code: 'rate_limit_exceeded', unit: 'output_tokens', limit: 50, used: 40 });
    expect(refused.headers.get('x-ratelimit-remaining-tokens')).toBe('10');
  });
});

test('whoever waits when the gateway ends is told so, at once', async () => {
  const house = await startMoney({
    store: 'embedded',
    teams: { leaving: { limits: { concurrent: 1, queue_ms: 20_000 } } },
  });
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  house.says(async () => {
    await gate;
    return {};
  });
  const first = house.ask('leaving', body);
  await eventually('the first is inside', () => house.provider.requests.length === 1);
  const second = house.ask('leaving', body);
  await eventually('the second waits', async () => (await inside(house)) === 2);
  await pause(60);
  const closing = house.close();
  const told = await second;
  expect([told.status, told.error.code, told.headers.get('retry-after')]).toEqual([503, 'rate_limit_exceeded', '1']);
  expect(told.error.message).toContain('shutting down');
  open();
  expect((await first).status).toBe(200);
  await closing;
});
