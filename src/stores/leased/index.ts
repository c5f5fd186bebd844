export type { LeasedLedger } from './ledger.ts';
export { type LeasedLedgerOptions, openLeasedLedger } from './open.ts';
