import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { follow, steps, stepsAway, stepsLost } from './leased-model.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

interface Options {
  readonly away?: boolean;
  readonly lost?: boolean;
}

/** Each in keys of its own. They end side by side, so the smallest one that fails is not looked for. */
async function always(name: string, numRuns: number, options: Options): Promise<void> {
  let run = 0;
  const endings: Promise<Error | undefined>[] = [];
  try {
    await fc.assert(
      fc.asyncProperty(options.lost === true ? stepsLost : options.away === true ? stepsAway : steps, async (list) => {
        const end = await follow(server.url, `${name}${run++}`, list, options);
        const told = (cause: unknown) => new Error(`the end of ${JSON.stringify(list)}`, { cause });
        endings.push(end().then(() => undefined, told));
      }),
      { numRuns, endOnFailure: true },
    );
  } finally {
    await Promise.all(endings);
  }
  for (const failed of await Promise.all(endings)) if (failed !== undefined) throw failed;
}

test('leased: whatever workers do, and whoever dies, no limit is overrun but by debts, and no amount is lost', async () => {
  await always('run', 20, {});
}, 120_000);

test('leased: nor is one overrun where counters are set to zero while workers are dead or away', async () => {
  await always('away', 20, { away: true });
}, 120_000);

test('leased: where Redis loses everything and all of them tell it again, every amount counts once', async () => {
  await always('lost', 20, { lost: true });
}, 120_000);
