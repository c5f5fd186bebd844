import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { type FleetProcess, fleetDirectory, removeFleets, startFleet } from '../support/fleet.ts';
import { type AskedBody, costOf, eventually, heldBy, usd } from '../support/money.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { sample } from '../support/sampler.ts';

const fits = 7;
const calls = 1000;
const kills = 4;
const counter = 'llm:{acme}:budget:team:research:total';
const asked = (stream: boolean, content: string): AskedBody => ({
  model: 'gpt-4o',
  max_tokens: 50,
  stream,
  messages: [{ role: 'user', content }],
});
/** Both hold the same. */
const bodies = [asked(true, 'Hello'), asked(false, 'Hell')];
const price = costOf(heldBy(bodies[0]!));
const limit = fits * price;

/** Numbers that look random, the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe.each(['exact', 'leased'])('four gateways on one Redis, killed at random, mode %s', (mode) => {
  const seed = Date.now() % 2 ** 31;
  const random = seeded(seed);
  const places = [0, 1, 2, 3].map(() => fleetDirectory());
  let provider: FakeProvider;
  let redis: RedisServer;
  let gateways: FleetProcess[];

  const start = (directory: string) =>
    startFleet({
      workers: 1,
      directory,
      redisUrl: redis.url,
      provider: provider.baseUrl,
      state: { mode, lease_ms: 2000 },
      teams: { research: { budgets: [{ window: 'total', limit_usd: usd(limit) }] } },
    });
  const counted = async () => {
    const fields = await redis.client().hgetall(counter);
    return { spent: Number(fields.spent), held: Number(fields.held), leased: Number(fields.leased ?? 0) };
  };

  beforeAll(async () => {
    provider = await startFakeProvider({ key: 'upstream-secret-key' });
    redis = await startRedis();
    gateways = await Promise.all(places.map(start));
  }, 300_000);
  afterAll(async () => {
    await removeFleets();
    await provider?.close();
    await redis?.stop();
  });

  test('1,000 parallel calls on a budget for 7, streamed and plain: no more is ever spent and held', async () => {
    expect(heldBy(bodies[1]!)).toEqual(heldBy(bodies[0]!));
    let answered = 0;
    let underWay = 0;
    provider.reply = async () => {
      underWay += 1;
      await sleep(200 + 1000 * random());
      underWay -= 1;
      // What is given back can be held again.
      if (random() < 0.4) return { status: 503 };
      answered += 1;
      return { deltas: Array.from({ length: 20 }, () => 'word '), pace_ms: 20, usage: heldBy(bodies[0]!) };
    };
    const sampler = await sample(redis.port, counter);
    const statuses = new Map<string, number>();
    const note = (what: string) => statuses.set(what, (statuses.get(what) ?? 0) + 1);
    let spentOut = false;
    /** One call, and again while what refuses it may come back. */
    const caller = async (at: number): Promise<void> => {
      for (let turn = at; ; turn += 1) {
        const answer = await gateways[turn % 4]!.ask('research', bodies[at % 2]!).catch(() => undefined);
        note(answer === undefined ? 'cut off' : String(answer.status));
        if (answer?.status === 200) return;
        if (answer?.error.code === 'insufficient_quota') {
          expect(answer.error).toMatchObject({ scope_id: 'research', limit_usd: usd(limit), asked_usd: usd(price) });
          if (Number(answer.error.spent_usd) + usd(price) > usd(limit) * (1 + 1e-9)) spentOut = true;
        }
        if (spentOut) return;
        await sleep(500 + 2500 * random());
      }
    };
    const all = Promise.all(Array.from({ length: calls }, (_, at) => caller(at)));
    const up = new Set([0, 1, 2, 3]);
    const restarts: Promise<unknown>[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      // Two are back before the next two go.
      if (kill % 2 === 0) await Promise.all(restarts);
      await eventually('calls are under way', () => underWay > 0 || spentOut);
      await sleep(300 * random());
      const at = [...up][Math.floor(up.size * random())]!;
      const { cli } = gateways[at]!;
      up.delete(at);
      cli.kill('SIGKILL');
      await cli.ended;
      restarts.push(
        start(places[at]!).then((back) => {
          gateways[at] = back;
          up.add(at);
        }),
      );
    }
    await Promise.all(restarts);
    await all;
    await eventually('nothing is held', async () => (await counted()).held === 0);
    const seen = await sampler.stop();

    const told = `seed ${seed}, ${JSON.stringify({ ...Object.fromEntries(statuses), answered, seen })}`;
    expect(seen.most, told).toBeLessThanOrEqual(limit);
    expect(seen.wrong, told).toEqual([]);
    expect(seen.samples, told).toBeGreaterThan(100);
    expect(answered, told).toBeLessThanOrEqual(fits);
    expect(statuses.get('200') ?? 0, told).toBeLessThanOrEqual(answered);
    // A call whose gateway died is paid for at its estimate, and its budget is used up like the others'.
    expect(await counted(), told).toEqual({ spent: limit, held: 0, leased: 0 });
    for (const gateway of gateways) {
      await eventually('nothing is open', async () => (await gateway.reservations()) === 0);
      expect(await gateway.budget('research')).toMatchObject({ limit, spent: limit, held: 0 });
    }
    expect(await gateways[0]!.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
    expect(provider.violations).toEqual([]);
  }, 300_000);
});
