import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Redis } from 'ioredis';
import { LedgerUnavailable } from '../ledger.ts';
import { clientOf } from './connect.ts';
import type { RedisLedger, RedisLedgerOptions } from './index.ts';
import { checkLayout } from './layout.ts';
import { RemoteLedger } from './ledger.ts';
import { Line } from './line.ts';
import { Outbox } from './outbox.ts';
import { loadScripts, probe } from './probe.ts';

/**
 * Opens the ledger kept in Redis or Valkey. Rejects with `LedgerUnavailable` where there is none to be reached, and
 * with an `Error` that says what to do where it cannot keep budgets: limits are never kept locally in silence.
 */
export async function openRedisLedger(options: RedisLedgerOptions): Promise<RedisLedger> {
  const { keyPrefix, owner, deadline_ms = 50, connect_timeout_ms = 2_000, young_ms = 0, notice = () => {} } = options;
  if (/[{}\s]/.test(keyPrefix)) throw new TypeError(`key prefix '${keyPrefix}' must have no braces and no spaces`);
  const redis = clientOf(options, { connect_timeout_ms, redirections: 0 });
  const outbox = new Outbox(options.outbox_path, notice);
  const prefix = keyPrefix === '' ? '' : `${keyPrefix}:`;
  let last: NodeJS.ErrnoException | undefined;
  redis.on('error', (error: NodeJS.ErrnoException) => {
    // Told once a change of state, by `onState`: not once an attempt.
    last = error;
  });
  try {
    // The client itself says no more than that its connection is closed.
    await connected(redis, connect_timeout_ms, () => last?.message || last?.code);
    const { age_ms } = await probe(redis, prefix, notice);
    await checkLayout(redis, prefix);
    await loadScripts(redis);
    if (age_ms < young_ms) await sleep(young_ms - age_ms);
  } catch (error) {
    redis.disconnect();
    outbox.close();
    throw error;
  }
  const line = new Line(redis, {
    deadline_ms,
    onState: (state, code) => {
      options.onState?.(state, code);
      if (state === 'back') void ledger.back();
    },
    onTry: () => void ledger.back(),
    onOther: () => ledger.met(),
  });
  const ledger = new RemoteLedger({
    line,
    outbox,
    owner,
    deadline_ms,
    notice,
    prefix,
    young_ms,
    lease_ms: options.lease_ms ?? 30_000,
    entries_max: options.entries_max ?? 100_000,
    reap_interval_ms: options.reap_interval_ms ?? 1_000,
  });
  await ledger.flush();
  return ledger;
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
