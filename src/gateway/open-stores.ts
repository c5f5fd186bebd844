import { hash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { Settings } from '../config.ts';
import { fileSink, type Log, openTrail, type Trail } from '../observe/index.ts';
import {
  type Approvals,
  type JobQueue,
  type Ledger,
  leftUntold,
  type OnLoss,
  openBullQueue,
  openEmbeddedLedger,
  openEmbeddedQueue,
  openFileApprovals,
  openLeasedLedger,
  openRedisApprovals,
  openRedisLedger,
  openRedisSharedCache,
  openSharingLedger,
  type RedisPlace,
  type SharedCache,
} from '../stores/index.ts';
import { slotPlaces } from './slots.ts';

/**
 * The ledger the configuration asks for. Rejects where it cannot be opened: a gateway without its ledger does not start.
 * A `reader` of a shared ledger leaves what a gateway has yet to tell it where it lies, and may open it beside that one.
 * `onLoss` is what limits mean now that do not say it themselves, while the ledger is lost.
 */
export async function openLedger(
  settings: Settings,
  owner: string,
  log: Log,
  {
    reader = false,
    slot = 1,
    onLoss = () => settings.state.on_loss,
  }: { readonly reader?: boolean; readonly slot?: number; readonly onLoss?: () => OnLoss } = {},
): Promise<Ledger> {
  const { state } = settings;
  const places = slotPlaces(settings, slot);
  const notice = (message: string): void => log.warn('ledger', { state: message });
  if (state.driver === 'embedded') {
    const ledger = await openEmbeddedLedger({ path: join(state.path, 'ledger'), fsync: state.fsync, notice });
    for (const { file, count, nusd, error } of reader ? [] : await leftUntold(state.path, sharedNames(state.path))) {
      log.warn(untold, { file, count, cost_nusd: nusd, error });
    }
    return ledger;
  }
  const redis = {
    ...redisPlace(state),
    lease_ms: state.lease_ms,
    young_ms: reader ? 0 : 2_000,
    keyPrefix: state.key_prefix,
    owner,
    deadline_ms: state.deadline_ms,
    ...(reader ? {} : { outbox_path: places.outbox }),
    onState: (now: 'lost' | 'back', code?: string) =>
      log.change('ledger', now, now === 'lost' ? 'error' : 'info', `ledger is ${now}`, { code }),
    notice,
  };
  if (reader) return openRedisLedger(redis);
  const { slices, shares } = places;
  if (state.mode === 'leased') return openLeasedLedger({ ...redis, onLoss, path: slices, left: shares });
  return openSharingLedger({ ...redis, onLoss, path: shares, left: slices });
}

const untold =
  'a gateway with the driver redis left calls here that Redis was never told: they count nowhere until one starts with that Redis and this directory again';

/** What gateways with the driver redis have written in a data directory. */
function sharedNames(path: string): readonly string[] {
  return readdirSync(path).filter((name) => /^(?:ledger-outbox|slices|shares)(?:-\d+)?$/.test(name));
}

/** Where people's approvals are kept: in files of this machine, or in the Redis that gateways share. */
export function openApprovals({ state }: Settings): Promise<Approvals> {
  if (state.driver === 'embedded') return openFileApprovals({ path: join(state.path, 'approvals') });
  const { key_prefix: keyPrefix, deadline_ms } = state;
  return openRedisApprovals({ ...redisPlace(state), keyPrefix, deadline_ms });
}

/** What gateways share of verdicts: in their Redis, or nothing. */
export async function openSharedCache({ state }: Settings): Promise<SharedCache | undefined> {
  if (state.driver === 'embedded') return undefined;
  return await openRedisSharedCache({
    ...redisPlace(state),
    keyPrefix: state.key_prefix,
    deadline_ms: state.deadline_ms,
  });
}

/** Where the configuration says the Redis is, with its secrets in plain: for clients, and for nothing that is kept. */
function redisPlace({ url, username, password, tls, sentinel, cluster }: Settings['state']): RedisPlace {
  const secret = password?.empty === false ? { password: password.reveal() } : {};
  return {
    ...(url === undefined || url.empty ? {} : { url: url.reveal() }),
    ...(cluster === undefined ? {} : { cluster }),
    ...(sentinel === undefined
      ? {}
      : {
          sentinel: {
            ...sentinel,
            password: sentinel.password?.empty === false ? sentinel.password.reveal() : undefined,
          },
        }),
    ...(tls === undefined ? {} : { tls }),
    ...(username === undefined ? {} : { username }),
    ...secret,
  };
}

/** Records the admin listener can tell where no sink keeps any. */
const recentRecords = 1000;

/** The audit trail of a slot: spool, queue and sinks. */
export async function openAudit(settings: Settings, log: Log, slot = 1): Promise<Trail> {
  const { path } = settings.state;
  const queue = await openQueue(settings, slot);
  const opening = openTrail({
    path: join(path, 'spool'),
    spoolId: slotPlaces(settings, slot).spoolId,
    fsync: settings.state.fsync,
    sinks: settings.audit.sinks.map((sink, index) =>
      fileSink(sink.path ?? join(path, 'audit'), index === 0 ? 'file' : `file-${index}`),
    ),
    queue,
    // Records are looked up where the first sink keeps them; in memory as well they would only outlive young garbage.
    recent_max: settings.audit.sinks.length === 0 ? recentRecords : 0,
    log,
  });
  try {
    return await opening;
  } catch (error) {
    // Its connections would keep a process that cannot start from ending.
    await queue.close();
    throw error;
  }
}

/**
 * Batches of records: a local worker, or BullMQ where there is a Redis. A job names records in a spool on this machine,
 * so the queue is a slot's own: whoever has the slot has their bytes in memory, or takes over what a process before it
 * left. Gateways that share a Redis do not write each other's records.
 */
async function openQueue({ state }: Settings, slot: number): Promise<JobQueue> {
  const tries = { attempts: 5, backoff_ms: 250 };
  if (state.driver === 'embedded') return openEmbeddedQueue(tries);
  const machine = hostname().replaceAll(/[^\w-]/g, '-');
  // The whole path: directories of two gateways often end alike, and jobs of one must not reach the other's files.
  const place = hash('sha256', resolve(state.path), 'hex').slice(0, 16);
  return openBullQueue({
    ...tries,
    ...redisPlace(state),
    name: `audit-${machine}-${place}${slot === 1 ? '' : `-${slot}`}`,
    // In a Cluster a job's keys must share a slot; elsewhere the braces mean nothing.
    prefix: state.cluster === undefined ? `${state.key_prefix}:queue` : `{${state.key_prefix}:queue}`,
  });
}
