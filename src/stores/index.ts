export type { Approval, ApprovalState, Approvals, ApprovalWish } from './approvals.ts';
export { ApprovalsUnavailable } from './approvals.ts';
export { openFileApprovals } from './embedded/approvals.ts';
export type { EmbeddedLedger, EmbeddedLedgerOptions } from './embedded/index.ts';
export { openEmbeddedLedger } from './embedded/index.ts';
export { withFileLock } from './file-lock.ts';
export type { LeasedLedger, LeasedLedgerOptions } from './leased/index.ts';
export type * from './ledger.ts';
export { HoldGone, LedgerUnavailable } from './ledger.ts';
export { Lines } from './lines.ts';
export { LiveMap } from './live-map.ts';
export { type Lock, lock } from './lock.ts';
export { writePrivateFile } from './private-file.ts';
export type { Job, JobQueue, QueueOptions } from './queue.ts';
export { JobFailed, JobRefused, QueueUnavailable } from './queue.ts';
export type { BullQueueOptions } from './queue-bullmq.ts';
export { openEmbeddedQueue } from './queue-embedded.ts';
export { sizeIn } from './rate-key.ts';
export { RecentIds } from './recent-ids.ts';
export type { RedisLedger, RedisLedgerOptions, RedisPlace } from './redis/index.ts';
export { refusalsOf } from './refused.ts';
export { onLossOf } from './share/on-loss.ts';
export type { SharingLedgerOptions } from './share/open.ts';
export type { SharedCache } from './shared-cache.ts';
export { amountIn } from './tally.ts';
export {
  leftUntold,
  openBullQueue,
  openLeasedLedger,
  openRedisApprovals,
  openRedisLedger,
  openRedisSharedCache,
  openSharingLedger,
} from './when-asked.ts';
export type { WindowKey } from './window-key.ts';
export { budgetOfKey, seriesKey, seriesOfKey, windowKey } from './window-key.ts';
