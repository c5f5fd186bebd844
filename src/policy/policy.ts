/** When a rule runs: before the call, on its reply, or when it is settled. */
export type Phase = 'request' | 'response' | 'settle';
export const phases: readonly Phase[] = ['request', 'response', 'settle'];

export type Status = 'draft' | 'active' | 'shadow' | 'deprecated' | 'disabled';
export const statuses: readonly Status[] = ['draft', 'active', 'shadow', 'deprecated', 'disabled'];

/** What an error or `Unable` in a rule means. */
export type OnError = 'deny' | 'skip' | 'warn';
export const onErrors: readonly OnError[] = ['deny', 'skip', 'warn'];

/** How a response rule meets a stream (from lax to strict): see `planResponse`. */
export type StreamMode = 'observe' | 'hold_back' | 'buffer';
export const streamModes: readonly StreamMode[] = ['observe', 'hold_back', 'buffer'];

export type Effect = 'allow' | 'deny' | 'warn' | 'audit' | 'modify' | 'throttle' | 'approve';
export const effects: readonly Effect[] = ['allow', 'deny', 'warn', 'audit', 'modify', 'throttle', 'approve'];

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export type Combinator = 'and' | 'or' | 'not';
export interface Combination {
  readonly operator: Combinator;
  readonly conditions: readonly Condition[];
}

export type LeafOperator =
  | 'eq'
  | 'ne'
  | 'gt'
  | 'gte'
  | 'lt'
  | 'lte'
  | 'in'
  | 'not_in'
  | 'contains'
  | 'not_contains'
  | 'matches'
  | 'starts_with'
  | 'ends_with'
  | 'exists'
  | 'between'
  | 'cidr'
  | 'glob'
  | 'any'
  | 'all'
  | 'none';

/** One comparison of one fact. `value` may be `${params.name}`. */
export interface Leaf {
  readonly operator: LeafOperator;
  readonly field: string;
  readonly value?: Json;
}

/** A function's value, true or compared. An argument is a value, or `{ field: fact }`, or `${fact}`. */
export interface FunctionCall {
  /** Under its own name, whatever alias was written. */
  readonly function: string;
  readonly args?: readonly Json[];
  readonly operator?: LeafOperator;
  readonly value?: Json;
}

export type Condition = Combination | Leaf | FunctionCall;

export function isCall(condition: Condition): condition is FunctionCall {
  return 'function' in condition;
}

export function isLeaf(condition: Condition): condition is Leaf {
  return 'field' in condition;
}

/** What to take out of texts: types of rails (`pii`, `pii/card`), RE2 expressions, literal texts. */
export interface RedactWish {
  readonly rails?: readonly string[];
  readonly patterns?: readonly string[];
  readonly literals?: readonly string[];
  /** The placeholder; `${type}` is the finding's type. */
  readonly with?: string;
}

export interface AuditWish {
  /** How much text the record keeps. Others than `none` are not supported yet. */
  readonly content?: 'none';
  readonly severity?: 'info' | 'low' | 'medium' | 'high' | 'critical';
  readonly alert?: boolean;
}

/** Whose calls are counted together. */
export type LimitScope = 'organization' | 'team' | 'project' | 'user' | 'key' | 'model';
export const limitScopes: readonly LimitScope[] = ['organization', 'team', 'project', 'user', 'key', 'model'];

export const limitWindows = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;
export type LimitWindow = keyof typeof limitWindows;

/** How many of the calls a rule matches: exactly one of the three units, over a window unless it counts calls at once. */
export interface LimitWish {
  readonly requests?: number | string;
  readonly tokens?: number | string;
  readonly concurrent?: number | string;
  readonly per: LimitScope;
  readonly window?: LimitWindow;
}

/** How often a failed call is tried again; without `when`, whatever the failure. */
export interface RetryWish {
  readonly when?: readonly string[];
  readonly max: number | string;
}

export interface Action {
  readonly decision: Effect | 'dryrun';
  /** May hold `${fact}`. Shown to the caller, so no fact that is a text may stand in it. */
  readonly reason?: string;
  /** deny: HTTP status and error code instead of the usual. */
  readonly status?: number;
  readonly code?: string;
  /** allow: lower priorities are not considered any more. */
  readonly final?: boolean;
  readonly substitute_model?: string;
  /** A number of tokens; or what the tightest budget affords where the worst case does not fit, refused below a minimum. */
  readonly cap_max_tokens?: number | string | { readonly affordable_tokens_min: number | string };
  readonly redact?: RedactWish;
  readonly set?: { readonly [path: string]: Json };
  readonly remove?: readonly string[];
  readonly add_tags?: readonly string[];
  /** Where the call may go, in this order: `provider` or `provider/model`. */
  readonly route_to?: readonly string[];
  /** Stands before whatever the caller tells the model as its operator. */
  readonly prepend_system?: string;
  readonly retry?: RetryWish;
  /** throttle: how many calls, and how long one may wait for room. */
  readonly limit?: LimitWish;
  readonly queue_ms?: number | string;
  /** approve: who may approve, and how long the approval can be given and used. */
  readonly role?: string;
  readonly ttl_seconds?: number | string;
  /** Notes of the author (severity, category ...), kept and not interpreted. */
  readonly metadata?: { readonly [key: string]: Json };
  /** dryrun: the action that is only recorded. */
  readonly action?: Action;
}

/** A module of WebAssembly that says whether a rule matches: `docs/wasm.md`. */
export interface WasmWish {
  /** A path beside the policy's file. */
  readonly module: string;
  /** The facts it is given, and no others. */
  readonly inputs: readonly string[];
  /** Default 10. */
  readonly deadline_ms?: number;
  /** Of the module's bytes; another module is refused. */
  readonly sha256?: string;
  /** Somebody vouches for it: it runs in the thread that decides, where nothing can interrupt it. */
  readonly trusted?: boolean;
  /** What it said of the same inputs is used again for so long. */
  readonly cache?: { readonly ttl_seconds: number; readonly shared?: boolean };
}

export interface Rule {
  readonly id: string;
  readonly name?: string;
  readonly description?: string;
  readonly enabled?: boolean;
  readonly on?: Phase;
  readonly stream?: StreamMode;
  /** Without one, and without `when`, the rule always matches. */
  readonly condition?: Condition;
  /** A CEL expression, instead of a condition. */
  readonly when?: string;
  /** A module, instead of a condition. */
  readonly wasm?: WasmWish;
  readonly action: Action;
  readonly audit?: AuditWish;
  readonly tags?: readonly string[];
  /** Names of counters that a match counts in. */
  readonly metrics?: readonly string[];
  /** Parameters of this rule alone; they stand before the policy's. */
  readonly with?: { readonly [name: string]: Json };
}

/** Another policy, by its id or `namespace/id`, of a version in a range (`^1.2.0`, `>=1 <3`, `1.2.3`). */
export interface PolicyRef {
  readonly policy: string;
  readonly version?: string;
}

/** The rules of another policy, in force as part of this one, at its priority and `priority_offset`. */
export interface Inclusion extends PolicyRef {
  readonly priority_offset?: number;
  /** A CEL expression on facts of the request: the rules stand where it is true. */
  readonly when?: string;
}

/** What has to be true besides, for the rules of a policy that another one includes. */
export interface Surrounding {
  readonly when?: string;
  readonly applies_to?: { readonly [fact: string]: Json };
  readonly params: { readonly [name: string]: Json };
}

export interface Metadata {
  readonly id: string;
  readonly name?: string;
  readonly version: string;
  readonly namespace: string;
  readonly priority: number;
  readonly tags?: readonly string[];
  readonly owner?: string;
  readonly description?: string;
  readonly change_summary?: string;
  readonly created_at?: string;
  readonly updated_at?: string;
  readonly created_by?: string;
}

/** Where a policy was read from; no part of its content. */
export interface PolicySource {
  readonly file: string;
  /** Path below the policies' directory without its extension (`security/prompt-injection-basic`). */
  readonly path: string;
  readonly line: number;
}

/** A policy in canonical form, validated and frozen. Its keys are those of the documents. */
export interface Policy {
  readonly metadata: Metadata;
  readonly status: Status;
  readonly on_error?: OnError;
  readonly applies_to?: { readonly [fact: string]: Json };
  readonly params?: { readonly [name: string]: Json };
  /** Its rules and settings are this policy's, but for what this one says. Without rules until it is resolved. */
  readonly extends?: PolicyRef;
  readonly include?: readonly Inclusion[];
  /** Only of a policy that came to be by `include`. */
  readonly within?: readonly Surrounding[];
  readonly rules: readonly Rule[];
  readonly tests?: string | readonly string[];
  readonly source?: PolicySource;
}
