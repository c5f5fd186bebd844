import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { openRedisLedger } from '../../src/stores/index.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { follow, type Openable, steps } from './ledger-model.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

test('redis: whatever happens, whoever comes and goes, the sums are those of the calls', async () => {
  const client = server.client();
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      await client.flushall();
      const open = () =>
        openRedisLedger({
          url: server.url,
          keyPrefix: '',
          owner: 'here',
          deadline_ms: 30_000,
          reap_interval_ms: 0,
          entries_max: 5,
        });
      const under: Openable = {
        ledger: await open(),
        async restart() {
          await under.ledger.close();
          under.ledger = await open();
        },
      };
      try {
        await follow(under, list);
      } finally {
        await under.ledger.close();
      }
    }),
    { numRuns: 60 },
  );
});
