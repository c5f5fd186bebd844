import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FakeReply, FakeRequest } from '../support/fake-provider.ts';
import { adminKey, fakeOpenai, prices } from '../support/gateway.ts';
import { type AskedBody, costOf, heldBy, hi, type MoneyHouse, startMoney, usd } from '../support/money.ts';

const shapes = [
  { name: 'embedded', store: 'embedded', state: {} },
  { name: 'redis', store: 'redis', state: {} },
  { name: 'leased', store: 'redis', state: { mode: 'leased' } },
] as const;

const dear = { ...prices, input_usd_per_mtok: 2, output_usd_per_mtok: 4, cached_input_usd_per_mtok: 1 };
const tool = {
  type: 'function',
  function: { name: 'look', description: 'looks things up '.repeat(20), parameters: { type: 'object' } },
};
const call: AskedBody = { model: 'either', max_tokens: 60, messages: hi };
const hold = costOf(heldBy(call));

/** All that a request lets a provider bill: a token a byte (asking for usage is no text), and all it may answer. */
function allOf({ body: { stream_options: _, ...said } }: FakeRequest): { input: number; output: number } {
  const output = Number(said.max_tokens ?? said.max_completion_tokens) * Number(said.n ?? 1);
  return { input: Buffer.byteLength(JSON.stringify(said)), output };
}

/** The same in nano-dollars. */
const worst = (request: FakeRequest) => (request.body.model === 'costly' ? 2 : 1) * costOf(allOf(request));

/** The same numbers each time, whatever the machine. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state % sides;
  };
}

/**
 * A provider's own books of the calls it answers: one that runs may cost all it could, one that came to its end costs what
 * was billed. Refusals cost nothing, and of what broke off nobody knows.
 */
class Exposure {
  most = 0;
  #running = 0;
  #billed = 0;
  answers(request: FakeRequest, bill: number): void {
    this.#running += worst(request);
    this.most = Math.max(this.most, this.#running + this.#billed);
    void request.over.then(() => {
      this.#running -= worst(request);
      if (request.finished) this.#billed += bill;
    });
  }
  get billed(): number {
    return this.#billed;
  }
}

describe.each(shapes)('attacks on a budget, $name', ({ store, state }) => {
  let house: MoneyHouse;
  const limit = 12 * hold;
  beforeAll(async () => {
    house = await startMoney({
      store,
      state: { stream_hold_tokens: 40, ...state },
      teams: {
        crowd: { budgets: [{ window: 'total', limit_usd: usd(limit) }] },
        streams: { budgets: [{ window: 'total', limit_usd: usd(40 * hold) }] },
        leavers: { budgets: [{ window: 'total', limit_usd: usd(limit) }] },
      },
      providers: (baseUrl) => ({
        first: { ...fakeOpenai(baseUrl), id: 'first', models: { cheap: prices } },
        second: { ...fakeOpenai(baseUrl), id: 'second', models: { costly: dear, last: prices } },
      }),
      config: {
        models: {
          either: {
            candidates: [
              { provider: 'first', model: 'cheap' },
              { provider: 'second', model: 'costly' },
              { provider: 'second', model: 'last' },
            ],
          },
        },
        routing: { retries: 1, backoff_ms: 1, first_token_timeout_ms: 400, circuit: { failures: 100_000 } },
      },
    });
  });
  afterAll(() => house.close());

  const lower = async (team: string, limit_usd: number) => {
    const response = await fetch(`${house.gateway.admin}/admin/v1/budgets/overrides`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ scope: `team:${team}`, window: 'total', limit_usd }),
    });
    expect(response.status).toBe(201);
  };

  /** Samples a team's budget until stopped; the most that was ever spent and held together. */
  function watch(team: string): () => Promise<number> {
    let most = 0;
    let on = true;
    const watching = (async () => {
      while (on) {
        const { spent, held } = await house.budget(team);
        most = Math.max(most, spent + held);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    return async () => {
      on = false;
      await watching;
      return most;
    };
  }

  /** Everything came to rest: nothing is held, and each dollar stands in one record. */
  async function settled(team: string): Promise<number> {
    const { spent, held } = await house.atRest(team);
    expect(held).toBe(0);
    await expect
      .poll(async () => {
        const mine = (await house.records()).filter((record) => record.caller.team === team);
        return mine.reduce((sum, record) => sum + (record.cost_nusd ?? 0), 0);
      })
      .toBe(spent);
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
    expect(house.provider.violations).toEqual([]);
    return spent;
  }

  test('a crowd of every kind of call, with fallbacks, reloads and providers that bill all they may', async () => {
    const roll = dice(7);
    const exposure = new Exposure();
    house.says((request): FakeReply => {
      const { model } = request.body;
      if (model === 'cheap' && roll(3) === 0) return { status: roll(2) === 0 ? 500 : 503 };
      if (model === 'costly' && roll(4) === 0) return { status: 500 };
      exposure.answers(request, worst(request));
      return { usage: allOf(request), pace_ms: 3 };
    });
    const stop = watch('crowd');
    const kinds: Record<string, unknown>[] = [
      {},
      { stream: true },
      { n: 2 },
      { tools: [tool] },
      { stream: true, n: 2 },
    ];
    const answers = [];
    for (let wave = 0; wave < 4; wave += 1) {
      answers.push(...Array.from({ length: 20 }, () => house.ask('crowd', { ...call, ...kinds[roll(kinds.length)] })));
      await house.gateway.gateway.reload();
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(await stop()).toBeLessThanOrEqual(limit);
    expect(exposure.most).toBeLessThanOrEqual(limit);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(0);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(40);
    expect(await settled('crowd')).toBeGreaterThanOrEqual(exposure.billed);
  });

  test('a limit that is cut while streams grow ends them, and nothing is held beyond what was held then', async () => {
    house.says(() => ({ endless: true, deltas: ['some words of a reply '], pace_ms: 4 }));
    const streams = Array.from({ length: 6 }, async () => {
      const response = await house.send('streams', { ...call, model: 'cheap', max_tokens: undefined, stream: true });
      return { status: response.status, text: await response.text() };
    });
    await expect.poll(async () => (await house.budget('streams')).held).toBeGreaterThan(6 * hold);
    const before = await house.budget('streams');
    await lower('streams', usd(before.spent + before.held));
    const stop = watch('streams');
    const ended = await Promise.all(streams);
    // A step may have been granted while the limit was being cut: none of them is more than the limit that stood then.
    expect(await stop()).toBeLessThanOrEqual(40 * hold);
    for (const { status, text } of ended) {
      expect(status).toBe(200);
      expect(text).toContain('"finish_reason":"length"');
      expect(text.trimEnd().endsWith('[DONE]')).toBe(true);
    }
    house.says({ usage: { input: 10, output: 5 } });
    await lower('streams', usd(1));
    expect((await house.ask('streams', { ...call, model: 'cheap' })).status).toBe(429);
    await settled('streams');
  });

  test('clients that leave at every moment, before providers that stall and die, spend no more than fits', async () => {
    const roll = dice(23);
    const exposure = new Exposure();
    house.says((request): FakeReply => {
      const odd: FakeReply[] = [
        { stall: 'head' },
        { die: 'middle' },
        { die: 'head' },
        { stall: 'middle' },
        { status: 500 },
      ];
      if (roll(2) === 0) return { usage: allOf(request), pace_ms: 5, ...odd[roll(odd.length)] };
      exposure.answers(request, worst(request));
      return { usage: allOf(request), pace_ms: 5 };
    });
    const stop = watch('leavers');
    for (let wave = 0; wave < 3; wave += 1) {
      const leaving = Array.from({ length: 16 }, async () => {
        const gone = new AbortController();
        const timer = setTimeout(() => gone.abort(), 5 + roll(900));
        const body = { ...call, stream: roll(2) === 0 };
        await house.ask('leavers', body, { signal: gone.signal }).catch(() => undefined);
        clearTimeout(timer);
      });
      await Promise.all(leaving);
    }
    expect(await stop()).toBeLessThanOrEqual(limit);
    expect(exposure.most).toBeLessThanOrEqual(limit);
    expect(await settled('leavers')).toBeGreaterThanOrEqual(exposure.billed);
  });
});
