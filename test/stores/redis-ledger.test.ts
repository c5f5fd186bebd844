import { setTimeout as sleep } from 'node:timers/promises';
import { openRedisLedger } from '../../src/stores/index.ts';
import { ledgerContract } from '../contracts/ledger.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

let server: RedisServer;
ledgerContract(
  'redis',
  async () => {
    const client = server.client();
    await client.flushall();
    const ledger = await openRedisLedger({
      url: server.url,
      keyPrefix: 'llm',
      owner: 'here',
      deadline_ms: 30_000,
      reap_interval_ms: 0,
    });
    return {
      ledger,
      pass: (ms) => sleep(ms + 5),
      async now() {
        const [seconds, micros] = await client.time();
        return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
      },
      async close() {
        await ledger.close();
        client.disconnect();
      },
    };
  },
  async () => {
    server = await startRedis();
  },
  () => server.stop(),
);
