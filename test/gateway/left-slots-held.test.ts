import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLeftSlots } from '../../src/gateway/left-slots.ts';
import { openAudit } from '../../src/gateway/open-stores.ts';
import { openLog } from '../../src/observe/index.ts';
import { Place } from '../config/place.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

let redis: RedisServer;
let place: Place;
beforeEach(async () => {
  redis = await startRedis();
  place = new Place(`state: { driver: redis, url: "${redis.url}", path: ./data }`);
});
afterEach(async () => {
  await redis.stop();
  place.remove();
});

test('a place that somebody holds still is looked at again and again, and costs no connection', async () => {
  const { settings, problems } = await place.load();
  expect(problems).toEqual([]);
  const log = openLog({ level: 'silent' });
  const client = redis.client();
  const connections = async () => Number(/^connected_clients:(\d+)/m.exec(await client.info('clients'))?.[1]);
  const holder = await openAudit(settings!, log, 3);
  let before = 0;
  await eventually(async () => {
    const now = await connections();
    const still = now === before;
    before = now;
    return still;
  });
  const left = await openLeftSlots(settings!, 2, log);
  try {
    // Two looks later there may be those of one that is under way, and they go.
    await wait(2500);
    await eventually(async () => (await connections()) === before, 5000);
  } finally {
    await left.close();
    await holder.close();
  }
});
