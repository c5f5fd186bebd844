export { type Log, type LogFields, type LogOptions, openLog } from './log.ts';
export type { AuditMeasured } from './metrics/audit-measured.ts';
export { type Figures, grownOf } from './metrics/figures.ts';
export {
  type BudgetMeasured,
  type ExchangeMeasured,
  type Metrics,
  type MetricsOptions,
  openMetrics,
} from './metrics/metrics.ts';
export { alertRecord, changeRecord, evaluationRecord } from './notice.ts';
export * from './record.ts';
export { type Aside, listAside } from './trail/aside.ts';
export { eraseUser } from './trail/erase.ts';
export { fileSink } from './trail/file-sink.ts';
export type { Head, SignedHead } from './trail/head.ts';
export type { SpooledRecord } from './trail/line.ts';
export { type QueriedRecord, type QueryFilter, queryTrail } from './trail/query.ts';
export type { Sink } from './trail/sink.ts';
export { openSpool, type Spool } from './trail/spool.ts';
export { type SpoolOptions, SpoolUnavailable } from './trail/spool-options.ts';
export { type LateRecord, lateRecords } from './trail/tail.ts';
export { openTrail, type Trail, type TrailOptions, type TrailState } from './trail/trail.ts';
export type { TrailProblem } from './trail/verification.ts';
export { type TrailReport, type VerifyOptions, verifyTrail } from './trail/verify.ts';
