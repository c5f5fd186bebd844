import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { LedgerUnavailable } from '../../src/stores/index.ts';
import { Line } from '../../src/stores/redis/line.ts';
import { tellFloors } from '../../src/stores/redis/retell.ts';
import { startRedis } from '../support/redis.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

test('sums that come after Redis was opened without them are not taken for told', async () => {
  const server = await startRedis();
  closing.push(() => server.stop());
  const redis = new Redis(server.url);
  closing.push(() => redis.disconnect());
  const line = new Line(redis, { deadline_ms: 5_000, onState: () => {} });
  const base = 'llm:{acme}:';
  const sum = ['me', 'budget:team:research:total', Date.now(), 700, 'n', 1_000, 1, 0, 0, ''];
  await redis.set(`${base}fence:1.a`, '1');
  await redis.hset(`${base}primary`, 'lossy', 1);
  await tellFloors(line, base, `${base}fence:1.a`, sum);
  expect(await redis.hlen(`${base}floors`)).toBe(1);
  await redis.del(`${base}floors`, `${base}fence:1.a`);
  await expect(tellFloors(line, base, `${base}fence:1.a`, sum)).rejects.toThrow(LedgerUnavailable);
  expect(await redis.hlen(`${base}floors`)).toBe(0);
});
