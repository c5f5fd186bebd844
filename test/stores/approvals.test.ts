import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Approvals, openFileApprovals, openRedisApprovals } from '../../src/stores/index.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const wish = {
  organization: 'acme',
  team: 'research',
  key: 'k1',
  model: 'gpt-4o',
  rules: ['p/r'],
  roles: ['finance'],
  reason: 'Dear.',
  body: 'hmac:1',
  ttl_ms: 60_000,
};

let server: RedisServer | undefined;
const directories: string[] = [];
afterAll(async () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  await server?.stop();
});

let places = 0;
/** Two processes over one place, on one clock. */
async function pair(driver: string, clock: { now: number }): Promise<[Approvals, Approvals, string]> {
  const now = () => clock.now;
  places += 1;
  if (driver === 'files') {
    const path = mkdtempSync(join(tmpdir(), 'approvals-'));
    directories.push(path);
    return [await openFileApprovals({ path, now }), await openFileApprovals({ path, now }), path];
  }
  server ??= await startRedis();
  const options = { url: server.url, keyPrefix: `t${places}`, deadline_ms: 5_000, now };
  return [await openRedisApprovals(options), await openRedisApprovals(options), ''];
}

describe.each(['files', 'redis'])('approvals in %s', (driver) => {
  const within = async (use: (a: Approvals, b: Approvals, clock: { now: number }, path: string) => Promise<void>) => {
    const clock = { now: Date.now() };
    const [a, b, path] = await pair(driver, clock);
    try {
      await use(a, b, clock, path);
    } finally {
      await Promise.all([a.close(), b.close()]);
    }
  };

  test('one call asks for one approval, wherever it is asked', () =>
    within(async (a, b) => {
      const [first, second] = await Promise.all([a.request(wish), b.request(wish)]);
      expect(first).toEqual(second);
      expect(first).toMatchObject({ state: 'pending', key: 'k1', roles: ['finance'] });
      for (const other of [
        { body: 'hmac:2' },
        { key: 'k2' },
        { user: 'ann' },
        { organization: 'b' },
        { rules: ['p/s'] },
      ])
        expect((await a.request({ ...wish, ...other })).id).not.toBe(first.id);
      expect(await b.list()).toHaveLength(6);
    }));

  test('of many who decide one is heard, and of many who use it one passes', () =>
    within(async (a, b) => {
      const { id } = await a.request(wish);
      expect(await a.use(id)).toBe(false);
      const words = await Promise.all(
        Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? a : b).decide(id, { approved: true, by: `n${i}` })),
      );
      expect(words.filter((word) => word !== false)).toHaveLength(1);
      const uses = await Promise.all(Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? a : b).use(id)));
      expect(uses.filter((used) => used)).toHaveLength(1);
      expect((await b.get(id))?.state).toBe('used');
      const next = await b.request(wish);
      expect([next.id === id, next.state]).toEqual([false, 'pending']);
    }));

  test('what was refused stays refused until it is over; then it can be asked for anew', () =>
    within(async (a, b, clock) => {
      const { id } = await a.request(wish);
      await b.decide(id, { approved: false, by: 'ann', note: 'No.' });
      expect(await a.request(wish)).toMatchObject({ id, state: 'rejected', decided_by: 'ann', note: 'No.' });
      clock.now += 60_000;
      expect((await a.get(id))?.state).toBe('expired');
      expect(await a.decide(id, { approved: true, by: 'ann' })).toBe(false);
      expect((await a.request(wish)).state).toBe('pending');
    }));

  test('nothing of an id that nobody knows', () =>
    within(async (a) => {
      for (const id of ['apr_x', '../../etc/passwd', `apr_${'0'.repeat(32)}-1`]) {
        expect(await a.get(id)).toBeUndefined();
        expect(await a.decide(id, { approved: true, by: 'ann' })).toBeUndefined();
        expect(await a.use(id)).toBe(false);
      }
    }));

  test('what is over for long is swept', () =>
    within(async (a, _b, clock, path) => {
      const { id } = await a.request(wish);
      clock.now += 60_000 + 8 * 86_400_000;
      await a.request({ ...wish, body: 'hmac:9' });
      const ids = (await a.list()).map((one) => one.id);
      expect(ids).not.toContain(id);
      if (path !== '') expect(readdirSync(path)).toHaveLength(1);
    }));
});
