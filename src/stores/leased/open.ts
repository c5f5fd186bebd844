import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Journal } from '../embedded/journal.ts';
import { load, succession } from '../embedded/segments.ts';
import type { OnLoss } from '../ledger.ts';
import { lock } from '../lock.ts';
import { openRedisLedger, type RedisLedger, type RedisLedgerOptions } from '../redis/index.ts';
import type { Books } from './books.ts';
import { leaseClock } from './lease-clock.ts';
import { LeasedLedger } from './ledger.ts';
import { type Left, openLeft } from './left.ts';
import { Notes } from './notes.ts';
import type { Leasing, Office } from './office.ts';
import { Replay } from './replay.ts';

export interface LeasedLedgerOptions extends RedisLedgerOptions {
  /** Directory of the journal; made where missing, and locked by this process. */
  readonly path: string;
  /** How long slices stay this process's own without a report. Default 10,000. */
  readonly slice_lease_ms?: number;
  /** How often settled money is reported. Default 75; 0 never (call `flush`). */
  readonly report_ms?: number;
  /** How much is taken ahead: what calls used lately in this time. Default 500; 0: calls reserve one by one. */
  readonly ahead_ms?: number;
  /** What no call took of for so long goes back. Default 1000. */
  readonly idle_ms?: number;
  readonly segment_bytes_max?: number;
  /** What limits mean that do not say it themselves, while Redis is lost and a lease is over. Default `closed`. */
  readonly onLoss?: () => OnLoss;
  /** Directory of the journal that a process in the other mode wrote: what lies there is told. Missing is well. */
  readonly left?: string;
}

/**
 * Opens the ledger in Redis for a process that takes slices of it and admits calls against those. Rejects as
 * `openRedisLedger` does, and where another process holds the directory or its journal is damaged.
 */
export async function openLeasedLedger(options: LeasedLedgerOptions): Promise<LeasedLedger> {
  const { onState, ...rest } = options;
  let ledger: LeasedLedger | undefined;
  let left: Left | undefined;
  const remote = await openRedisLedger({
    ...rest,
    onState(state, code) {
      onState?.(state, code);
      if (state === 'back') ledger?.back();
    },
  });
  try {
    left = await openLeft(options.left, rest, openLeasedLedger);
    ledger = leaseFrom(remote, options, left);
    return ledger;
  } catch (error) {
    await left?.close().catch(() => {});
    await remote.close();
    throw error;
  }
}

/** A leased ledger over one that is open; it closes that one with itself, and what is `left`. Throws as `openLeasedLedger` rejects. */
export function leaseFrom(
  remote: RedisLedger,
  options: Omit<LeasedLedgerOptions, 'keyPrefix' | 'owner'>,
  left?: Left,
): LeasedLedger {
  const { path, notice = () => {}, segment_bytes_max = 8 * 1_048_576 } = options;
  mkdirSync(path, { recursive: true, mode: 0o700 });
  let written: Journal | undefined;
  const held = lock(join(path, 'lock'), () => written?.abandon());
  try {
    for (const name of readdirSync(path)) if (name.endsWith('.draft')) rmSync(join(path, name));
    const loaded = load(path, notice, () => new Replay());
    const all = loaded?.replay.all ?? new Map<string, Books>();
    const owner = loaded?.replay.owner ?? randomBytes(9).toString('base64url');
    const notes = new Notes(() => journal.next());
    const rotate = succession({
      directory: path,
      number: loaded?.number ?? 0,
      sync: false,
      bytes_max: 0,
      restart() {
        notes.restart();
      },
      head(next) {
        next().letters(`leased 2 ${owner}\n`);
        notes.snapshot(all.values(), next);
      },
      notice,
    });
    const first = rotate();
    const journal = new Journal(first, { fsync: 'group', segment_bytes_max, rotate, held: held.held, notice });
    written = journal;
    let ahead_ms = 0;
    const leasing: Leasing = {
      lease_ms: options.slice_lease_ms ?? 10_000,
      report_ms: options.report_ms ?? 75,
      ahead_ms: options.ahead_ms ?? 500,
      idle_ms: options.idle_ms ?? 1_000,
    };
    const office: Office = {
      ...leasing,
      store: remote.slices,
      owner,
      journal,
      held: held.held,
      notes,
      notice,
      clock: leaseClock(
        () => performance.now(),
        () => Date.now(),
      ),
      now: () => Date.now() + ahead_ms,
      told(now_ms) {
        ahead_ms = now_ms - Date.now();
      },
    };
    const reap_interval_ms = options.reap_interval_ms ?? 1_000;
    const onLoss = options.onLoss ?? (() => 'closed' as const);
    const closed = async () => {
      held.release();
      await left?.close();
    };
    return new LeasedLedger({ office, all, remote, reap_interval_ms, onLoss, closed });
  } catch (error) {
    held.release();
    throw error;
  }
}
