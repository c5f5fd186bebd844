import type { RedisOptions } from 'ioredis';
import type { Ledger } from '../ledger.ts';

export interface RedisLedgerOptions {
  readonly url?: string;
  /** Anything else ioredis takes (Sentinel, TLS, credentials). */
  readonly options?: RedisOptions;
  /** Nodes of a Redis Cluster, instead of `url`. */
  readonly cluster?: readonly { readonly host: string; readonly port: number }[];
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
  /** How often abandoned holds are looked for. Default 1000; 0 never (call `reap`). */
  readonly reap_interval_ms?: number;
  /** Called once for each change. */
  readonly onState?: (state: 'lost' | 'back') => void;
  readonly notice?: (message: string) => void;
}

export interface RedisLedger extends Ledger {
  /** Settles holds whose lease is over (on the server's clock) at their estimate, provisionally. Returns how many. */
  reap(): Promise<number>;
}

export { openRedisLedger } from './open.ts';
