import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LedgerUnavailable, openRedisLedger, type RedisLedger } from '../../src/stores/index.ts';
import { refusalOf } from '../../src/stores/redis/refusals.ts';
import { budget, entriesOf, request } from '../contracts/ledger.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

describe('a Redis that answers and writes nothing', () => {
  let server: RedisServer;
  let ledger: RedisLedger;
  let states: string[];
  let notices: string[];
  beforeEach(async () => {
    server = await startRedis();
    states = [];
    notices = [];
    ledger = await openRedisLedger({
      url: server.url,
      keyPrefix: 'llm',
      owner: 'here',
      deadline_ms: 5_000,
      reap_interval_ms: 50,
      onState: (state, code) => states.push(code === undefined ? state : `${state} ${code}`),
      notice: (text) => notices.push(text),
    });
  });
  afterEach(async () => {
    await ledger.close();
    await server.stop();
  });

  const money = budget({ window: 'total', limit: 1_000 });
  const reserve = (id: string, nusd = 1) => ledger.reserve(request(id, { nusd }, { budgets: [money] }));
  const costing = (nusd: number) => ({ organization: 'acme', amount: { nusd, tokens: 0 }, estimated: false });
  const cases: Record<string, [begin: (client: Redis) => Promise<unknown>, end: (client: Redis) => Promise<unknown>]> =
    {
      OOM: [(client) => client.config('SET', 'maxmemory', '1'), (client) => client.config('SET', 'maxmemory', '0')],
      NOREPLICAS: [
        (client) => client.config('SET', 'min-replicas-to-write', '1'),
        (client) => client.config('SET', 'min-replicas-to-write', '0'),
      ],
      READONLY: [
        (client) => client.call('REPLICAOF', '127.0.0.1', '1'),
        (client) => client.call('REPLICAOF', 'NO', 'ONE'),
      ],
      NOPERM: [
        (client) => client.call('ACL', 'SETUSER', 'default', '-evalsha', '-eval'),
        (client) => client.call('ACL', 'SETUSER', 'default', '+evalsha', '+eval'),
      ],
    };

  test.each(Object.keys(cases))(
    '%s: is lost, once, until it writes again; what was settled counts once',
    async (code) => {
      const [begin, end] = cases[code]!;
      const client = server.client();
      for (const id of ['settled', 'posted']) await reserve(id, 100);
      await begin(client);
      await ledger.post({ ...costing(50), id: 'posted' });
      await expect(ledger.settle({ ...costing(70), id: 'settled' })).rejects.toThrow(LedgerUnavailable);
      for (let at = 0; at < 60; at += 1) {
        await expect(reserve(`refused-${at}`)).rejects.toThrow(LedgerUnavailable);
        await sleep(10);
      }
      // A primary that follows another now is left at once, before it has refused many.
      expect(states).toHaveLength(1);
      expect(states[0]).toMatch(code === 'READONLY' ? /^lost/ : `lost ${code}`);
      await end(client);
      await eventually(() => states.length === 2);
      expect(states[1]).toBe('back');
      await eventually(async () => (await ledger.holds('acme')).length === 0);
      expect((await reserve('next')).outcome).toBe('held');
      expect(await ledger.counters('acme')).toMatchObject([{ spent: 120, held: 1, requests: 2 }]);
      expect((await entriesOf(ledger)).map(({ id }) => id).sort()).toEqual(['posted', 'settled']);
      expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
      expect(states).toHaveLength(2);
      expect(notices.filter((text) => /refused|failed/.test(text))).toEqual([]);
    },
  );
});

/** As Redis 6.2.14 and 7.0.15 and Valkey 9.1.2 were heard to say it, on 2026-11-29. */
const place = 'ERR Error running script (call to f_c2da9ec18a215f2ff6d8d3375587909436d3c834): @user_script:164: ';
test.each([
  ['OOM', "OOM command not allowed when used memory > 'maxmemory'. script: c2da9ec1, on @user_script:164."],
  ['OOM', `${place}@user_script: 164: -OOM command not allowed when used memory > 'maxmemory'.`],
  ['NOREPLICAS', `${place}@user_script: 164: -NOREPLICAS Not enough good replicas to write.`],
  ['READONLY', `${place}@user_script: 164: -READONLY You can't write against a read only replica.`],
  ['NOPERM', "NOPERM this user has no permissions to run the 'evalsha' command or its subcommand"],
  ['NOPERM', `${place}@user_script: 164: The user executing the script can't run this command or subcommand`],
  [
    'NOPERM',
    "ERR ACL failure in script: User default has no permissions to run the 'hset' command script: on @user_script:164.",
  ],
  [
    undefined,
    `${place}@user_script: 164: a hold is of a form this program does not know: another version writes to this Redis`,
  ],
  [undefined, 'NOSCRIPT No matching script. Please use EVAL.'],
])('%s is read from what a server says', (code, message) => {
  expect(refusalOf(message)).toBe(code);
});
