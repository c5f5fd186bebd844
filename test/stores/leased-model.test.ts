import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { follow, steps } from './leased-model.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

test('leased: whatever workers do, and whoever dies, no limit is overrun but by debts, and no amount is lost', async () => {
  let run = 0;
  await fc.assert(
    // Each in keys of its own. A case takes a second: the smallest one is not looked for.
    fc.asyncProperty(steps, (list) => follow(server.url, `run${run++}`, list)),
    { numRuns: 20, endOnFailure: true },
  );
}, 120_000);
