import type { Directory } from '../callers/index.ts';
import type { Format } from '../exchange/index.ts';
import type { Log, Metrics, Trail } from '../observe/index.ts';
import type { Modules, Program } from '../policy/index.ts';
import type { Catalog, HeaderPairs, MeasuredHealth, RetryPolicy, TokenCounter } from '../providers/index.ts';
import type { Approvals, Ledger, OnLoss } from '../stores/index.ts';
import type { BudgetAlerts } from './budget-alerts.ts';
import type { Matchers } from './matchers.ts';
import type { ObservedOutputs } from './observed-output.ts';
import type { PassEntry } from './pass-route.ts';
import type { Waiting } from './waiting.ts';

/** Figures of the walk, from the configuration. Times in milliseconds, sizes in bytes. */
export interface WalkLimits {
  readonly body_bytes_max: number;
  readonly timeout_ms: number;
  readonly connect_timeout_ms: number;
  readonly first_token_timeout_ms: number;
  /** Tries of one candidate after the first. */
  readonly retries: number;
  readonly retry: RetryPolicy;
  /** Output tokens held at first for a stream of one choice without a limit of its own; extended while it runs. */
  readonly stream_hold_tokens: number;
  /** How long a hold lives unless renewed. */
  readonly lease_ms: number;
  /** Bytes of a plain reply the gateway is ready to hold. */
  readonly reply_bytes_max: number;
  /** What a limit that does not say means when the ledger is lost. */
  readonly on_loss: OnLoss;
}

/** What an exchange pins at `identify` and keeps to its end, whatever is reloaded meanwhile. */
export interface Pinned {
  readonly program: Program;
  readonly directory: Directory;
  readonly catalog: Catalog;
  readonly matchers: Matchers;
  /** Which candidates are worth trying now. */
  readonly health: MeasuredHealth;
  readonly limits: WalkLimits;
  /** Modules of `wasm` rules, where the program has any. */
  readonly modules?: RuleModules | undefined;
  /** What may go through unread; nothing that is not listed. */
  readonly passthrough: readonly PassEntry[];
}

/** Runs the modules that rules name. Rejects never: what goes wrong is unable. */
export interface RuleModules extends Modules {
  close(): Promise<void>;
}

/** Everything the stages are handed. Ports alone: no stage knows an implementation. */
export interface Walk {
  /** The configuration in force now. */
  pinned(): Pinned;
  readonly ledger: Ledger;
  /** Calls that wait for room under a limit. */
  readonly waiting: Waiting;
  /** What people approve, and what was approved. */
  readonly approvals: Approvals;
  readonly alerts: BudgetAlerts;
  readonly trail: Trail;
  readonly metrics: Metrics;
  /** Counts exactly where a bound does not decide. */
  readonly tokens: TokenCounter;
  /** What replies came to, by model and caller. */
  readonly outputs: ObservedOutputs;
  readonly log: Log;
  /** Unix time in ms. */
  clock(): number;
  /** Monotonic ms, for durations. */
  monotonic(): number;
  /** 0 to 1, for weights and jitter. */
  random(): number;
  /** A hash that only who holds the server's secret can make. */
  keyedHash(text: string): string;
  /** Process that answers for holds and spools. */
  readonly owner: string;
}

/** A request as a surface hands it in. */
export interface Arrival {
  /** The route's pattern (`/v1/chat/completions`), never the raw path. */
  readonly route: string;
  /** The format the client speaks. */
  readonly format: Format;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly ip: string;
  /** What stands behind the `?` of its address. */
  readonly query?: string;
  readonly body: Buffer;
}

/** Where a reply goes. A surface makes one from its socket. */
export interface Outlet {
  /** Status line and headers, which tell no length; flushed at once for streams. The list is the outlet's from then on. */
  head(status: number, headers: HeaderPairs, streamed: boolean): void;
  /** False when the client reads slower than we write; `drained` is called once it caught up. */
  write(bytes: Buffer): boolean;
  /** The last bytes, and trailers where the reply is streamed. */
  end(bytes: Buffer, trailers?: Readonly<Record<string, string>>): void;
  onDrain(drained: () => void): void;
  /** Called once when the client went away before the end. */
  onGone(gone: () => void): void;
  readonly gone: boolean;
}
