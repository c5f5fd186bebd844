import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { LedgerUnavailable } from '../ledger.ts';
import type { RedisLedger, RedisLedgerOptions } from './index.ts';
import { checkLayout } from './layout.ts';
import { RemoteLedger } from './ledger.ts';
import { Line } from './line.ts';
import { Outbox } from './outbox.ts';
import { scripts } from './scripts.ts';

/**
 * Opens the ledger kept in Redis or Valkey. Rejects with `LedgerUnavailable` where there is none to be reached, and
 * with an `Error` that says what to do where it refuses scripts: limits are never kept locally in silence.
 */
export async function openRedisLedger(options: RedisLedgerOptions): Promise<RedisLedger> {
  const { keyPrefix, owner, deadline_ms = 50, connect_timeout_ms = 2_000, notice = () => {} } = options;
  if (/[{}\s]/.test(keyPrefix)) throw new TypeError(`key prefix '${keyPrefix}' must have no braces and no spaces`);
  const outbox = new Outbox(options.outbox_path, notice);
  const redis = clientOf(options, connect_timeout_ms);
  let last: NodeJS.ErrnoException | undefined;
  redis.on('error', (error: NodeJS.ErrnoException) => {
    // Told once a change of state, by `onState`: not once an attempt.
    last = error;
  });
  try {
    // The client itself says no more than that its connection is closed.
    await connected(redis, connect_timeout_ms, () => last?.message || last?.code);
    await probe(redis, notice);
    await checkLayout(redis, keyPrefix === '' ? '' : `${keyPrefix}:`);
  } catch (error) {
    redis.disconnect();
    outbox.close();
    throw error;
  }
  const line = new Line(redis, {
    deadline_ms,
    onState: (state) => {
      options.onState?.(state);
      if (state === 'back') void ledger.flush();
    },
  });
  const ledger = new RemoteLedger({
    line,
    outbox,
    owner,
    deadline_ms,
    notice,
    prefix: keyPrefix === '' ? '' : `${keyPrefix}:`,
    entries_max: options.entries_max ?? 100_000,
    reap_interval_ms: options.reap_interval_ms ?? 1_000,
  });
  await ledger.flush();
  return ledger;
}

function clientOf(options: RedisLedgerOptions, connect_timeout_ms: number): Redis | Cluster {
  const fixed: RedisOptions = {
    // A verb that waited for a reconnect would be late, and one sent again would be done twice.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    lazyConnect: true,
    protocol: 2,
    // Keys are written out in full by this ledger: scripts build some of them themselves.
    keyPrefix: '',
    connectTimeout: connect_timeout_ms,
    retryStrategy: (times) => Math.min(50 * times, 1_000),
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
  };
  const { replyMapping: _, ...given } = { ...options.options, ...fixed };
  if (options.cluster !== undefined) {
    // The cluster's own queue is off as well; its connections need theirs to learn the slots.
    const { enableOfflineQueue: __, lazyConnect: ___, retryStrategy: ____, ...redisOptions } = given;
    return new Cluster([...options.cluster], {
      redisOptions,
      enableOfflineQueue: false,
      lazyConnect: true,
      slotsRefreshTimeout: connect_timeout_ms,
    });
  }
  return options.url === undefined ? new Redis(given) : new Redis(options.url, given);
}

async function connected(redis: Redis | Cluster, timeout_ms: number, reason: () => string | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no connection within ${timeout_ms} ms`)), timeout_ms);
  });
  try {
    await Promise.race([redis.connect(), late]);
  } catch (error) {
    throw new LedgerUnavailable(`Redis cannot be reached: ${reason() ?? (error as Error).message}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Scripts must be allowed, and a store that throws keys away under pressure would throw away money. */
async function probe(redis: Redis | Cluster, notice: (message: string) => void): Promise<void> {
  try {
    const answer = await redis.eval("return {cmsgpack and 1 or 0, redis.call('TIME')[1]}", 1, '{probe}');
    if (Number((answer as unknown[])[0]) !== 1) throw new Error('its Lua has no cmsgpack');
  } catch (error) {
    throw new Error(
      `Redis refuses Lua scripts (${(error as Error).message}): the ledger's steps would not be atomic. ` +
        'Allow EVAL and EVALSHA for this user (ACL +@scripting), or use the embedded store.',
      { cause: error },
    );
  }
  if (redis instanceof Redis) {
    for (const { source } of Object.values(scripts)) await redis.script('LOAD', source);
  }
  const info = await redis.info('memory').catch(() => '');
  const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1];
  if (policy !== undefined && policy !== 'noeviction' && !/\bmaxmemory:0\b/.test(info)) {
    notice(`Redis may evict keys (maxmemory-policy ${policy}): budgets could be forgotten; set noeviction`);
  }
}
