import { afterAll, afterEach, beforeAll } from 'vitest';
import { type FakeProvider, startFakeProvider } from './fake-provider.ts';
import { removeFleets } from './fleet.ts';
import { type RedisServer, startRedis } from './redis.ts';

/** What the fleets of a test file share, from before its first test until after its last. */
export interface FleetHouse {
  readonly provider: FakeProvider;
  readonly redis: RedisServer;
}

/** Opens a provider and a Redis for all tests of a file; after each its fleets are ended, and both are as they were. */
export function openFleetHouse(): FleetHouse {
  let provider: FakeProvider;
  let redis: RedisServer;
  beforeAll(async () => {
    provider = await startFakeProvider({ key: 'upstream-secret-key' });
    redis = await startRedis();
  });
  afterEach(async () => {
    await removeFleets();
    provider.reset();
    await redis.client().flushall();
  });
  afterAll(async () => {
    await provider?.close();
    await redis?.stop();
  });
  return {
    get provider() {
      return provider;
    },
    get redis() {
      return redis;
    },
  };
}
