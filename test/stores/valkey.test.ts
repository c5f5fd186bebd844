import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { startRedis } from '../support/redis.ts';

/** Where `npm test` keeps a Valkey server, where it could get one. */
const valkey = join(import.meta.dirname, '../../node_modules/.cache/valkey/valkey-server');
const found = (() => {
  try {
    accessSync(valkey, constants.X_OK);
    return true;
  } catch {
    return false;
  }
})();
const name = found ? 'on Valkey' : 'on Valkey (left out: no Valkey server could be had here)';

describe.skipIf(!found)(name, async () => {
  const before = process.env.REDIS_SERVER;
  if (found) process.env.REDIS_SERVER = valkey;
  afterAll(() => {
    if (before === undefined) delete process.env.REDIS_SERVER;
    else process.env.REDIS_SERVER = before;
  });

  test('it is one', async () => {
    const server = await startRedis();
    expect(await server.client().info('server')).toContain('valkey_version:');
    await server.stop();
  });

  // What these files say holds there as well. Under a name of their own: files of a worker share modules, and one that ran
  // there before would say nothing again.
  if (found) {
    for (const file of ['./redis-ledger', './leased-ledger', '../journeys/money-outage']) {
      await import(`${file}.test.ts?on=valkey`);
    }
  }
});
