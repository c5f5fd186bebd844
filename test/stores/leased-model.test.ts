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
  const endings: Promise<Error | undefined>[] = [];
  try {
    await fc.assert(
      // Each in keys of its own. They end side by side, so the smallest one that fails is not looked for.
      fc.asyncProperty(steps, async (list) => {
        const end = await follow(server.url, `run${run++}`, list);
        const told = (cause: unknown) => new Error(`the end of ${JSON.stringify(list)}`, { cause });
        endings.push(end().then(() => undefined, told));
      }),
      { numRuns: 20, endOnFailure: true },
    );
  } finally {
    await Promise.all(endings);
  }
  for (const failed of await Promise.all(endings)) if (failed !== undefined) throw failed;
}, 120_000);
