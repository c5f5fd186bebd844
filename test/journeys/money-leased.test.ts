import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts';
import { type Answered, type AskedBody, costOf, eventually, heldBy, hi, usd } from '../support/money.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const lease_ms = 1000;
const fits = 7;
const parallel = 200;
const stream: AskedBody = { model: 'gpt-4o', max_tokens: 50, stream: true, messages: hi };
const price = costOf(heldBy(stream));
const limit = fits * price;
const counter = 'llm:{acme}:budget:team:research:total';

describe('two gateways that lease slices of one budget for 7 calls', () => {
  const directories = [1, 2].map(() => mkdtempSync(join(tmpdir(), 'llm-policy-leased-')));
  const samples: number[] = [];
  let provider: FakeProvider;
  let redis: RedisServer;
  let gateways: GatewayProcess[];
  let sampling: NodeJS.Timeout;
  /** Calls that were let through. */
  let admitted = 0;

  const start = (directory: string) =>
    startGatewayProcess({
      store: 'redis',
      directory,
      redisUrl: redis.url,
      provider: provider.baseUrl,
      state: { mode: 'leased', lease_ms },
      teams: { research: { budgets: [{ window: 'total', limit_usd: usd(limit) }] } },
    });
  const counted = async () => {
    const fields = await redis.client().hgetall(counter);
    return { spent: Number(fields.spent ?? 0), held: Number(fields.held ?? 0), leased: Number(fields.leased ?? 0) };
  };

  beforeAll(async () => {
    provider = await startFakeProvider({ key: 'upstream-secret-key' });
    redis = await startRedis();
    gateways = await Promise.all(directories.map(start));
    const client = redis.client();
    sampling = setInterval(async () => {
      const fields = await client.hmget(counter, 'spent', 'held');
      samples.push(fields.reduce((sum, field) => sum + Number(field ?? 0), 0));
    }, 5);
  });
  afterAll(async () => {
    clearInterval(sampling);
    await Promise.all(gateways.map((one) => one.stop()));
    await provider.close();
    await redis.stop();
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });

  test('of 200 calls at once no more than the 7 that fit reach the provider, and the rest are told that none fits any more', async () => {
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    provider.reply = async () => {
      await gate;
      // Less than what is held: the budget is for more than one round.
      return { usage: { input: 40, output: 1 } };
    };
    let over = 0;
    const answers: Answered[] = await Promise.all(
      Array.from({ length: parallel }, async (_, at) => {
        const answer = await gateways[at % 2]!.ask('research', stream);
        over += 1;
        if (over === parallel - fits) open();
        return answer;
      }),
    );
    const passed = answers.filter(({ status }) => status === 200);
    // What one gateway leased and has not spent yet may be what the other one's last call lacked: never more than fit.
    admitted = passed.length;
    expect(admitted).toBeLessThanOrEqual(fits);
    expect(admitted).toBeGreaterThanOrEqual(fits - 1);
    expect(provider.requests).toHaveLength(admitted);
    for (const { status, error, headers } of answers.filter((one) => one.status !== 200)) {
      expect(status).toBe(429);
      expect(error).toMatchObject({
        code: 'insufficient_quota',
        scope: 'team',
        scope_id: 'research',
        limit_usd: usd(limit),
        spent_usd: 0,
        asked_usd: usd(price),
      });
      // Told as it was when it was refused: by then there was no room for this call.
      expect(Number(error.held_usd) + usd(price)).toBeGreaterThan(usd(limit));
      expect(headers.get('x-should-retry')).toBe('false');
    }
    expect(Math.max(...samples)).toBeLessThanOrEqual(limit);
  });

  test('what they cost is in Redis soon after, nothing is held or leased, and the books agree', async () => {
    const spent = admitted * costOf({ input: 40, output: 1 });
    await eventually('all of it is told', async () => (await counted()).spent === spent);
    await eventually('slices are given back', async () => (await counted()).leased === 0);
    expect(await counted()).toEqual({ spent, held: 0, leased: 0 });
    for (const one of gateways) {
      expect(await one.reservations()).toBe(0);
      expect(await one.budget('research')).toMatchObject({ limit, spent, held: 0 });
    }
    expect(await gateways[1]!.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
  });

  test('killed -9 amid its calls, a gateway overruns nothing, and back again it tells what it held', async () => {
    const before = await counted();
    provider.reset();
    provider.reply = () => ({ deltas: Array.from({ length: 40 }, () => 'words '), stall: 'middle' });
    let refused = 0;
    const running = Array.from({ length: 40 }, async (_, at) => {
      const answer = await gateways[at % 2]!.ask('research', stream).catch(() => undefined);
      if (answer?.status === 429) refused += 1;
    });
    const room = Math.floor((limit - before.spent) / price);
    await eventually('every call is let through or refused', () => provider.requests.length + refused === 40);
    const reached = provider.requests.length;
    expect(reached).toBeLessThanOrEqual(room);
    expect(reached).toBeGreaterThanOrEqual(room - 1);
    await gateways[0]!.kill();
    const amid = await counted();
    expect(amid.spent + amid.held).toBeLessThanOrEqual(limit);
    expect(amid.spent + amid.held).toBeGreaterThanOrEqual(before.spent + reached * price);
    gateways[0] = await start(directories[0]!);
    await gateways[1]!.kill();
    gateways[1] = await start(directories[1]!);
    await Promise.all(running);
    await eventually('the leases are over', async () =>
      (await Promise.all(gateways.map((one) => one.reservations()))).every((held) => held === 0),
    );
    await eventually('nothing is held', async () => (await counted()).leased === 0);
    expect(await counted()).toEqual({ spent: before.spent + reached * price, held: 0, leased: 0 });
    expect(provider.requests).toHaveLength(reached);
    expect(Math.max(...samples)).toBeLessThanOrEqual(limit);
    expect(await gateways[0]!.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
  });
});
