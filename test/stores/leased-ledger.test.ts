import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLeasedLedger } from '../../src/stores/index.ts';
import { ledgerContract } from '../contracts/ledger.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

let server: RedisServer;
/** Nothing is taken ahead of need here: then every figure is the one the exact mode has. */
ledgerContract(
  'leased, nothing ahead',
  async () => {
    const client = server.client();
    await client.flushall();
    const path = mkdtempSync(join(tmpdir(), 'leased-'));
    const ledger = await openLeasedLedger({
      url: server.url,
      keyPrefix: 'llm',
      owner: 'here',
      path,
      deadline_ms: 30_000,
      ahead_ms: 0,
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
        rmSync(path, { recursive: true, force: true });
      },
    };
  },
  async () => {
    server = await startRedis();
  },
  () => server.stop(),
);
