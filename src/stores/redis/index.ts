import type { SliceStore } from '../leased/port.ts';
import type { Ledger } from '../ledger.ts';
import type { RedisPlace } from './connect.ts';

export interface RedisLedgerOptions extends RedisPlace {
  /** Before every key: `llm` gives `llm:{acme}:budget:...`. No braces. */
  readonly keyPrefix: string;
  /** Names this process in logs and holds. */
  readonly owner: string;
  /** A command not answered by then counts as lost. Default 50. */
  readonly deadline_ms?: number;
  /** How long `open` waits for a first connection. Default 2000. */
  readonly connect_timeout_ms?: number;
  /** File that keeps settlements and releases Redis has not acknowledged, over restarts. Without it they are kept in memory. */
  readonly outbox_path?: string;
  /** Ledger entries kept an organisation; older ones are folded into sums. Default 100,000. */
  readonly entries_max?: number;
  /** The longest lease asked for: so long a store that lost data waits for owners that do not come back. Default 30,000. */
  readonly lease_ms?: number;
  /**
   * A server younger than this, in which nothing of an organisation is known, may have lost it: others get the time to
   * say so before anything is admitted, and opening waits for it. Default 0: what is not known is new.
   */
  readonly young_ms?: number;
  /** How often abandoned holds are looked for. Default 1000; 0 never (call `reap`). */
  readonly reap_interval_ms?: number;
  /** Called once for each change; `code` is what Redis refuses everything for, as it names it (`OOM`, `READONLY`). */
  readonly onState?: (state: 'lost' | 'back', code?: string) => void;
  readonly notice?: (message: string) => void;
}

export interface RedisLedger extends Ledger {
  /** Settles holds whose lease is over (on the server's clock) at their estimate, provisionally. Returns how many. */
  reap(): Promise<number>;
  /** Parts of counters that a process takes out and spends by itself. */
  readonly slices: SliceStore;
}

export type { RedisPlace, RedisSentinel, RedisTls } from './connect.ts';
export { openRedisLedger } from './open.ts';
