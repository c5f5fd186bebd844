import type { LeasedLedger } from '../leased/ledger.ts';
import { type Left, openLeft } from '../leased/left.ts';
import { leaseFrom, openLeasedLedger } from '../leased/open.ts';
import type { Ledger, OnLoss } from '../ledger.ts';
import { openRedisLedger, type RedisLedgerOptions } from '../redis/index.ts';
import { SharingLedger } from './ledger.ts';

export interface SharingLedgerOptions extends RedisLedgerOptions {
  /** Directory of the journal of what was admitted while Redis was lost; locked by this process. */
  readonly path: string;
  /** What limits mean that do not say it themselves. */
  readonly onLoss: () => OnLoss;
  /** Directory of the journal that a process in the other mode wrote: what lies there is told. Missing is well. */
  readonly left?: string;
}

/**
 * Opens the exact ledger in Redis, which admits shares of limits that say `local_share` while Redis is lost. Rejects as
 * `openRedisLedger` does, and where another process holds the directory.
 */
export async function openSharingLedger(options: SharingLedgerOptions): Promise<Ledger> {
  let local: LeasedLedger | undefined;
  let left: Left | undefined;
  const remote = await openRedisLedger({
    ...options,
    onState(state, code) {
      options.onState?.(state, code);
      if (state === 'back') local?.back();
    },
  });
  try {
    left = await openLeft(options.left, options, openLeasedLedger);
    // Nothing is taken ahead: all it ever has are shares of a lost ledger.
    local = leaseFrom(remote, { ...options, ahead_ms: 0 }, left);
    return new SharingLedger({ remote, local, onLoss: options.onLoss });
  } catch (error) {
    await left?.close().catch(() => {});
    await remote.close();
    throw error;
  }
}
