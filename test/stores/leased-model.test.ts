import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { openRedisLedger } from '../../src/stores/index.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { follow, steps } from './leased-model.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

test('leased: whatever workers do, and whoever dies, no limit is overrun but by debts, and no amount is lost', async () => {
  const client = server.client();
  const remote = await openRedisLedger({
    url: server.url,
    keyPrefix: '',
    owner: 'watch',
    deadline_ms: 5_000,
    reap_interval_ms: 0,
    entries_max: 20,
  });
  try {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        await client.flushall();
        await follow(server.url, remote, list);
      }),
      // A case takes a second: the smallest one is not looked for.
      { numRuns: 20, endOnFailure: true },
    );
  } finally {
    await remote.close();
  }
}, 120_000);
