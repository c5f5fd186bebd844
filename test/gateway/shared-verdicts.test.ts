import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashKey } from '../../src/callers/index.ts';
import { Secret } from '../../src/exchange/index.ts';
import { sharedVerdicts } from '../../src/gateway/shared-verdicts.ts';
import { VerdictCache } from '../../src/gateway/verdict-cache.ts';
import type { WasmAnswer } from '../../src/policy/index.ts';
import { openRedisSharedCache, type SharedCache } from '../../src/stores/index.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const question = { tenant: 'acme', module: 'sha256:1', input: '{"llm.estimatedTokens":5000}' };
const keeping = { ttl_ms: 600_000, shared: true };

/** A gateway's cache over the Redis it shares, and how often its module was run. */
class House {
  asked = 0;
  readonly kept: SharedCache;
  readonly cache: VerdictCache;

  constructor(kept: SharedCache, secret = 'one secret', clock: () => number = Date.now) {
    this.kept = kept;
    const keyedHash = (text: string) => hashKey(text, new Secret(secret));
    this.cache = new VerdictCache({ shared: sharedVerdicts(this.kept, keyedHash, clock) });
  }

  ask(about: Partial<typeof question> = {}, how = keeping) {
    return this.cache.answer({ ...question, ...about }, how, async (): Promise<WasmAnswer> => {
      this.asked++;
      return { match: true, reason: 'so' };
    });
  }
}

describe('verdicts that gateways share', () => {
  let redis: RedisServer;
  const houses: House[] = [];
  const house = async (...more: [secret?: string, clock?: () => number]) => {
    const kept = await openRedisSharedCache({ url: redis.url, keyPrefix: 'llm', deadline_ms: 2_000 });
    const one = new House(kept, ...more);
    houses.push(one);
    return one;
  };
  const stored = async () => await redis.client().keys('llm:cache:*');
  const ran = { match: true, reason: 'so' };
  const known = { ...ran, cached: true };
  /** A connection is made with the first question, which may be a miss by itself. */
  const connected = async (opening: House | Promise<House>) => {
    const one = await opening;
    await eventually(async () => {
      one.kept.put('there', 'yes', 60_000);
      return (await one.kept.get('there')) === 'yes';
    });
    return one;
  };

  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    for (const { kept } of houses) await kept.close();
    await redis.stop();
  });

  it('are used by a gateway that did not ask itself, of the same tenant and with the same secret', async () => {
    const [one, two] = [await connected(house()), await connected(house())];
    expect(await one.ask()).toEqual(ran);
    await eventually(async () => (await stored()).length === 2);
    expect(await two.ask()).toEqual(known);
    expect(await two.ask()).toEqual(known);
    expect(two.asked).toBe(0);
    expect(await two.ask({ tenant: 'other' })).toEqual(ran);
    expect(await two.ask({ module: 'sha256:2' })).toEqual(ran);
    const stranger = await connected(house('another secret'));
    expect(await stranger.ask()).toEqual(ran);
    expect(JSON.stringify(await stored())).not.toMatch(/acme|estimated/);
  });

  it('are asked anew where somebody else wrote them, or they are over', async () => {
    const client = redis.client();
    await client.flushall();
    await connected(house()).then((one) => one.ask());
    await eventually(async () => (await stored()).length === 2);
    for (const key of await stored()) {
      const text = String(await client.get(key));
      await client.set(key, text.replace('"match":true', '"match":false'));
    }
    expect(await (await connected(house())).ask()).toEqual(ran);
    const late = await connected(house('one secret', () => Date.now() + 700_000));
    expect(await late.ask()).toEqual(ran);
    // What is kept under one question is no answer to another.
    const [key] = (await stored()).filter((name) => !name.endsWith('there'));
    const copied = String(await client.get(key as string));
    await client.flushall();
    const asker = await connected(house());
    await asker.ask({ input: '{}' });
    await eventually(async () => (await stored()).length === 2);
    for (const name of await stored()) if (!name.endsWith('there')) await client.set(name, copied);
    const other = await connected(house());
    expect(await other.ask({ input: '{}' })).toEqual(ran);
  });

  it('are kept to themselves by rules that do not share', async () => {
    await redis.client().flushall();
    const alone = await house();
    expect(await alone.ask({}, { ttl_ms: 600_000, shared: false })).toEqual(ran);
    expect(await alone.ask({}, { ttl_ms: 600_000, shared: false })).toEqual(known);
    expect(await stored()).toEqual([]);
  });

  it('are missed, and nothing else, where Redis stands still or is gone', async () => {
    const one = await connected(house());
    redis.freeze();
    expect(await one.ask({ input: '"frozen"' })).toEqual(ran);
    expect(await one.ask({ input: '"frozen"' })).toEqual(known);
    redis.thaw();
    await redis.kill();
    const two = await house();
    expect(await one.ask({ input: '"gone"' })).toEqual(ran);
    expect(await two.ask({ input: '"gone"' })).toEqual(ran);
    await redis.restart();
    await connected(one);
    await connected(two);
    expect(await one.ask({ input: '"back"' })).toEqual(ran);
    await eventually(async () => (await stored()).length === 2);
    expect(await two.ask({ input: '"back"' })).toEqual(known);
  });
});
