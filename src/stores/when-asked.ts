import type { Approvals } from './approvals.ts';
import type { LeasedLedger, LeasedLedgerOptions } from './leased/index.ts';
import type { LeftUntold } from './leased/left-untold.ts';
import type { Ledger } from './ledger.ts';
import type { JobQueue } from './queue.ts';
import type { BullQueueOptions } from './queue-bullmq.ts';
import type { RedisApprovalsOptions } from './redis/approvals.ts';
import type { RedisLedger, RedisLedgerOptions } from './redis/index.ts';
import type { RedisSharedCacheOptions } from './redis/shared-cache.ts';
import type { SharingLedgerOptions } from './share/open.ts';
import type { SharedCache } from './shared-cache.ts';

// Redis clients take some 30 MB once they are loaded: a gateway on the embedded store never loads them.

/** Opens the ledger kept in Redis or Valkey; see `redis/open.ts`. */
export async function openRedisLedger(options: RedisLedgerOptions): Promise<RedisLedger> {
  const { openRedisLedger: open } = await import('./redis/index.ts');
  return open(options);
}

/** Opens the ledger in Redis for a process that spends slices of it; see `leased/open.ts`. */
export async function openLeasedLedger(options: LeasedLedgerOptions): Promise<LeasedLedger> {
  const { openLeasedLedger: open } = await import('./leased/index.ts');
  return open(options);
}

/** Opens the ledger in Redis with shares of it for when it is lost; see `share/open.ts`. */
export async function openSharingLedger(options: SharingLedgerOptions): Promise<Ledger> {
  const { openSharingLedger: open } = await import('./share/open.ts');
  return open(options);
}

/** What lies in a directory that a shared ledger was never told; see `leased/left-untold.ts`. */
export async function leftUntold(directory: string, names: readonly string[]): Promise<readonly LeftUntold[]> {
  if (names.length === 0) return [];
  const { leftUntold: look } = await import('./leased/left-untold.ts');
  return names.flatMap((name) => look(directory, name) ?? []);
}

/** Opens a job queue on BullMQ; see `queue-bullmq.ts`. */
export async function openBullQueue(options: BullQueueOptions): Promise<JobQueue> {
  const { openBullQueue: open } = await import('./queue-bullmq.ts');
  return open(options);
}

/** Opens the approvals kept in Redis or Valkey; see `redis/approvals.ts`. */
export async function openRedisApprovals(options: RedisApprovalsOptions): Promise<Approvals> {
  const { openRedisApprovals: open } = await import('./redis/approvals.ts');
  return open(options);
}

/** Opens the cache in Redis or Valkey; see `redis/shared-cache.ts`. */
export async function openRedisSharedCache(options: RedisSharedCacheOptions): Promise<SharedCache> {
  const { openRedisSharedCache: open } = await import('./redis/shared-cache.ts');
  return open(options);
}
