import type { Modules, PolicyProblem, Program } from '../../policy/index.ts';
import type { PolicyText } from './policy-files.ts';

/** Something wrong in a file, and where. */
export interface FileProblem {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  readonly message: string;
  readonly suggestion?: string;
}

/** A policy's file under the name it is shown by, and where it lies. */
export interface PolicyPlace {
  readonly path: string;
  readonly place: string;
}

/** The configuration as commands see it. */
export interface LoadedSettings {
  /** Every problem; when there is none, the rest is there. */
  readonly problems: readonly FileProblem[];
  /** Plain JSON, secrets as `[secret]`. */
  readonly printable: Readonly<Record<string, unknown>>;
}

/** A key as commands see it: never the key itself, nor its hash. */
export interface KeyRow {
  readonly id: string;
  readonly organization: string;
  readonly team: string;
  readonly name?: string;
  readonly scopes: readonly string[];
  readonly may_assert: boolean;
  readonly models?: readonly string[];
  readonly created_at: string;
  readonly expires_at?: string;
  readonly revoked_at?: string;
  readonly rotated_from?: string;
}

/** A key that was just made. This is the one time it is shown. */
export interface NewKeyRow extends KeyRow {
  readonly key: string;
  /** What may stand in a configuration in the key's place. */
  readonly hash: string;
}

export interface KeyWish {
  readonly team: string;
  /** May be left out where one organisation alone has such a team. */
  readonly organization?: string;
  readonly name?: string;
  readonly scopes?: readonly string[];
  readonly may_assert?: boolean;
  readonly models?: readonly string[];
  readonly expires_at?: string;
}

/** The keys made at run time. Changes are in force in a running gateway at once. */
export interface KeyPort {
  list(): Promise<readonly KeyRow[]>;
  /** With `keep` false the key is made for the configuration: it is shown and stored nowhere. */
  create(wish: KeyWish, options: { readonly keep: boolean }): Promise<NewKeyRow>;
  revoke(id: string): Promise<KeyRow>;
  /** A new key in the place of an old one, which lives on for the grace. */
  rotate(id: string, grace_seconds: number): Promise<NewKeyRow>;
}

/** A counter as people see it. Its amounts are in one unit: dollars, tokens or requests. */
export interface BudgetRow {
  readonly organization: string;
  /** `budget:team:research:day:2026-11-21`. */
  readonly key: string;
  /** In force: an override's where one stands in for the configured one. */
  readonly limit_usd?: number;
  readonly spent_usd?: number;
  readonly held_usd?: number;
  readonly limit_tokens?: number;
  readonly spent_tokens?: number;
  readonly held_tokens?: number;
  readonly limit_requests?: number;
  readonly spent_requests?: number;
  readonly held_requests?: number;
  readonly requests: number;
  readonly tokens: number;
  /** Of the limit, spent or held. */
  readonly used_percent: number;
  /** RFC 3339; null for a window that never turns. */
  readonly resets_at: string | null;
  /** Of a limit that was set while the gateway ran. */
  readonly override?: { readonly expires_at: string | null };
}

/** Which budget, as people name it. */
export interface BudgetWish {
  readonly organization?: string;
  /** `team:research`, `user:research/jane`. */
  readonly scope: string;
  readonly window: string;
  readonly rolling_hours?: number;
  readonly unit: 'usd' | 'tokens' | 'requests';
}

export interface SpendingWish {
  readonly organization: string | undefined;
  /** Unix ms. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly by: readonly string[];
}

/** What was spent by one group: its names under the words it was asked by. */
export interface SpendingRow {
  readonly [dimension: string]: unknown;
  readonly requests: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** Every digit of it. */
  readonly cost_usd_exact: string;
}

/** When a budget will be spent. Amounts in the budget's own unit. */
export interface ForecastRow {
  readonly organization: string;
  readonly key: string;
  readonly limit_usd?: number;
  readonly spent_usd?: number;
  readonly per_hour_usd?: number;
  readonly limit_tokens?: number;
  readonly spent_tokens?: number;
  readonly per_hour_tokens?: number;
  readonly limit_requests?: number;
  readonly spent_requests?: number;
  readonly per_hour_requests?: number;
  /** RFC 3339; null where it will not be in this window. */
  readonly spent_at: string | null;
  readonly resets_at: string | null;
  /** Of a limit that was set while the gateway ran: the forecast counts on it until then. */
  readonly override?: { readonly expires_at: string | null };
}

/** A counter that does not agree with the entries, in its own unit. */
export interface DriftRow {
  readonly organization: string;
  readonly key: string;
  readonly what: 'spent' | 'held';
  readonly counted_usd?: number;
  readonly rebuilt_usd?: number;
  readonly counted_tokens?: number;
  readonly rebuilt_tokens?: number;
  readonly counted_requests?: number;
  readonly rebuilt_requests?: number;
}

export interface BudgetPort {
  list(organization: string | undefined): Promise<readonly BudgetRow[]>;
  reconcile(organization: string | undefined, repair: boolean): Promise<readonly DriftRow[]>;
  spending(wish: SpendingWish): Promise<readonly SpendingRow[]>;
  forecast(organization: string | undefined): Promise<readonly ForecastRow[]>;
  /**
   * Another limit from now on, until `expires_at` (RFC 3339) where that is given. Made by the running gateway, which
   * records it: rejects with `CannotRun` where none runs, and with `UsageError` where there is no such budget.
   */
  set(wish: BudgetWish, limit: number, expires_at: string | undefined): Promise<BudgetChange>;
  /** The configured limit again; like `set`. */
  unset(wish: BudgetWish): Promise<BudgetChange>;
  /** Nothing is spent any more in the current window; like `set`. */
  reset(wish: BudgetWish): Promise<BudgetChange>;
}

/** What the gateway answers to a change. */
export type BudgetChange = Readonly<Record<string, unknown>>;

/** What was looked at, and how it is. */
export interface Check {
  readonly what: string;
  readonly state: 'fine' | 'note' | 'wrong';
  readonly detail: string;
  readonly advice?: string;
}

/** A gateway that serves, and what to tell whoever started it. */
export interface RunningGateway {
  readonly version: string;
  readonly addresses: {
    readonly data: string;
    readonly admin: string | undefined;
    readonly metrics: string;
    readonly grpc: string | undefined;
  };
  /** Processes that answer calls. */
  readonly workers: number;
  readonly providers: readonly string[];
  readonly providersOff: readonly string[];
  /** How many are in force. */
  readonly policies: number;
  readonly program: string;
  /** A model that can be asked for a first call. */
  readonly model: string;
  /** The key made for a first start, and where it is kept. */
  readonly teamKey: string | undefined;
  readonly teamKeyFile: string | undefined;
  readonly adminKeyFile: string | undefined;
  log(message: string): void;
  close(): Promise<void>;
}

/** A daemon that serves: the decision point alone. */
export interface RunningDaemon {
  readonly version: string;
  /** `http://host:port`, or the path of a socket; of gRPC `host:port`. */
  readonly addresses: { readonly data: string; readonly metrics: string; readonly grpc: string | undefined };
  readonly policies: number;
  readonly program: string;
  log(message: string): void;
  close(): Promise<void>;
}

/** Kinds of files that have a JSON Schema. */
export const schemaNames = ['gateway', 'pdp', 'provider', 'policy'] as const;
export type SchemaName = (typeof schemaNames)[number];

/** What the configuration puts in force, for commands that decide again. */
export interface InForce {
  readonly policies: readonly PolicyText[];
  /** What they are made of, and not in force itself. */
  readonly library: readonly PolicyText[];
  /** Where its policies lie, absolute. */
  readonly directory: string;
  readonly default: 'allow' | 'deny';
  /** Providers and models that rules of a program name and the configuration does not know. */
  unknownPlaces(program: Program, texts: readonly PolicyText[]): readonly PolicyProblem[];
  /** Nano-dollars of a usage with a model, at the prices of a moment (Unix ms); undefined where they are not known. */
  costWith(model: string, usage: unknown, at_ms: number): number | undefined;
}

/** Runs modules for a command; it is closed when the command is over. */
export interface RunningModules extends Modules {
  close(): Promise<void>;
}

/** What the entrance hands to commands. A surface knows no configuration, no store and no gateway itself. */
export interface Ports {
  /** Reads and validates everything; `file` undefined for the default one. */
  loadSettings(file: string | undefined): Promise<LoadedSettings>;
  /**
   * Opens the modules that a program's rules name, beside the files of their policies; undefined where they name none.
   * Rejects with `PolicyError` where one cannot be read, or breaks the rules for modules.
   */
  openModules(program: Program, files: readonly PolicyPlace[]): Promise<RunningModules | undefined>;
  /** What is wrong with those modules; nothing is run. */
  moduleProblems(program: Program, files: readonly PolicyPlace[]): Promise<readonly PolicyProblem[]>;
  /** Opens the gateway. Rejects with `CannotRun` when the configuration has problems. */
  serve(file: string | undefined): Promise<RunningGateway>;
  /** Opens the daemon; `file` undefined for `config/pdp.yaml`. Rejects like `serve`. */
  pdp(file: string | undefined): Promise<RunningDaemon>;
  /** The JSON Schema of a kind of file. */
  configSchemaText(name: SchemaName): Promise<string>;
  /** Budgets, through the running gateway or from the data. Rejects with `CannotRun` like `keys`. */
  budgets(file: string | undefined): Promise<BudgetPort>;
  /** Has the running gateway try audit records that were set aside; how many were taken. Rejects where none runs. */
  retryAside(file: string | undefined): Promise<number>;
  /** Policies and prices of the configuration. Rejects with `CannotRun` when the configuration has problems. */
  inForce(file: string | undefined): Promise<InForce>;
  /** Everything a gateway stands on, looked at. */
  diagnose(file: string | undefined): Promise<readonly Check[]>;
  /** The keys of the configured data directory. Rejects with `CannotRun` when the configuration has problems. */
  keys(file: string | undefined): Promise<KeyPort>;
}
