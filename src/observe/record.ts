import type { FailureCode, FormatName, Usage } from '../exchange/index.ts';

/** How an exchange ended. `lost`: its process went away between the call and its record. */
export type Ending =
  | 'complete'
  | 'denied'
  | 'failed'
  | 'aborted'
  | 'cut'
  | 'ended_by_rail'
  | 'ended_by_ceiling'
  | 'lost';

/**
 * Who asked. `user`, `email` and `ip` are personal: they are stored sealed for their subject, so that erasing the
 * subject's key erases them. All fields are optional: a call refused at `identify` is recorded as well.
 */
export interface RecordCaller {
  readonly organization?: string | undefined;
  readonly team?: string | undefined;
  readonly project?: string | undefined;
  /** Public id of the key; never the secret nor its hash. */
  readonly key?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly email?: string | undefined;
  readonly ip?: string | undefined;
}

/** One try of a candidate. */
export interface RecordAttempt {
  readonly provider: string;
  readonly model: string;
  /** HTTP status the provider gave, where it gave one. */
  readonly status?: number | undefined;
  readonly failure?: FailureCode | undefined;
  readonly ms: number;
  /** Nano-dollars that a try without a reply may be billed for, estimated; part of the exchange's cost. */
  readonly cost_nusd?: number | undefined;
}

/** What was found and where; never the value. */
export interface RecordFinding {
  readonly type: string;
  /** Address of the text: a path in the request (`messages.0.content`) or a lane of the reply (`choice 0 content`). */
  readonly place: string;
  /** UTF-16 offsets in that text. */
  readonly start: number;
  readonly end: number;
  readonly score: number;
  readonly view: string;
}

/** What one rail said. */
export interface RecordRail {
  readonly rail: string;
  readonly on: 'request' | 'response';
  readonly outcome: 'findings' | 'clear' | 'unable';
  /** Why it was unable. */
  readonly reason?: string | undefined;
  readonly findings: readonly RecordFinding[];
}

/** A decision in short; the whole one can be replayed from the facts and the program. */
export interface DecisionSummary {
  readonly decision: string;
  readonly policy?: string | undefined;
  readonly version?: string | undefined;
  readonly rules: readonly string[];
  readonly reasons: readonly string[];
  readonly obligations: readonly string[];
  /** What shadow rules would have decided: `deny (policy/rule)`; `not asked (policy/rule)` where their module was not. */
  readonly shadowed: readonly string[];
  readonly unable: readonly string[];
  readonly warnings: readonly string[];
  /** The approval the call asked for, or passed with. */
  readonly approval?: string | undefined;
  /** What a rule asked of the record: how grave, and whether somebody is to be told. */
  readonly severity?: string | undefined;
  readonly alert?: boolean | undefined;
  /** Modules had a say, and what they said was known from before. */
  readonly cached?: boolean | undefined;
}

/** Milliseconds. */
export interface RecordTimings {
  readonly total: number;
  readonly upstream?: number | undefined;
  readonly first_token?: number | undefined;
  /** What the gateway added. */
  readonly overhead?: number | undefined;
}

/** Texts a policy asked to keep, redacted as it said. */
export interface RecordContent {
  readonly form: 'redacted';
  readonly request?: string | undefined;
  readonly reply?: string | undefined;
}

/**
 * What is known before the first upstream call: enough for a record of the exchange should the process end before it.
 */
export interface Intent {
  /** The exchange's id, our own. */
  readonly exchange: string;
  readonly request_id: string;
  /** Unix ms at which the exchange was accepted. */
  readonly time_ms: number;
  readonly route: string;
  readonly format?: FormatName | undefined;
  readonly caller: RecordCaller;
  readonly model_asked?: string | undefined;
  readonly model_used?: string | undefined;
  readonly provider?: string | undefined;
  readonly region?: string | undefined;
  readonly streamed: boolean;
  /** Nano-dollars held for the exchange. */
  readonly held_nusd: number;
  /** Id of the policy program. */
  readonly program?: string | undefined;
  /** Version of the price book. */
  readonly prices?: string | undefined;
  /** The call goes through without being read (passthrough). */
  readonly uninspected?: boolean | undefined;
  /** Of a call that goes through unread: what it was, as far as that is known. */
  readonly passed?: RecordPassed | undefined;
}

/** What went through unread, where, and how much of it. */
export interface RecordPassed {
  readonly method: string;
  /** Below the provider's address, without its query. */
  readonly path: string;
  readonly bytes_in?: number | undefined;
  readonly bytes_out?: number | undefined;
}

/**
 * A budget passed a percent it warns at. Its limit (the one in force), what is spent and what is held stand under names that
 * end in the unit, as in all reports of budgets: `limit_usd` (dollars), `limit_tokens`, `limit_requests`.
 */
export interface RecordAlert {
  readonly scope: string;
  readonly id: string;
  readonly window: string;
  readonly unit: 'usd' | 'tokens' | 'requests';
  readonly percent: number;
  readonly [amount: `${'limit' | 'spent' | 'held'}_${string}`]: number;
  readonly resets_at?: string | undefined;
}

/** What an administrator changed: `budget.override` of `budget:team:research:day`, `key.create` of a key's id. */
export interface RecordChange {
  readonly action:
    | 'key.create'
    | 'key.revoke'
    | 'key.rotate'
    | 'budget.override'
    | 'budget.override.clear'
    | 'budget.reset'
    | 'budget.repair'
    | 'policy.publish'
    | 'policy.rollback'
    | 'policy.unload'
    | 'approval.approve'
    | 'approval.reject';
  /** Who: which admin key, by its keyed hash's first letters, never the key; or whose key may approve, a person without name. */
  readonly by: string;
  readonly target: string;
  /** What stood and what stands, where that can be said. */
  readonly before?: Readonly<Record<string, unknown>> | undefined;
  readonly after?: Readonly<Record<string, unknown>> | undefined;
}

/** The audit entry of an exchange, or of what else is kept as evidence. Amounts are nano-dollars. */
export interface AuditRecord extends Intent {
  /** Of no exchange: a change by an administrator, an alert, or an evaluation that was asked for. Left out: an exchange. */
  readonly kind?: 'admin' | 'alert' | 'decision' | undefined;
  readonly change?: RecordChange | undefined;
  readonly alert?: RecordAlert | undefined;
  readonly attempts: readonly RecordAttempt[];
  /** Bytes of the request that rails read. */
  readonly scanned_in_bytes: number;
  /** Bytes of the reply that rails read. */
  readonly scanned_out_bytes: number;
  readonly rails: readonly RecordRail[];
  /** Facts the decision read. Texts become keyed hashes and personal facts are sealed when the record is written. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly decision: {
    readonly request?: DecisionSummary | undefined;
    readonly response?: DecisionSummary | undefined;
    /** Of rules on `settle`: they see what it cost, and only tell. */
    readonly settle?: DecisionSummary | undefined;
  };
  readonly usage?: Usage | undefined;
  readonly cost_nusd: number;
  /** Counted by us, not told by the provider. */
  readonly cost_estimated: boolean;
  readonly ending: Ending;
  /** The limit that ended a reply at its ceiling, or lowered its `max_tokens`, in words. */
  readonly limited_by?: string | undefined;
  readonly failure?: { readonly code: FailureCode; readonly status: number } | undefined;
  readonly timings: RecordTimings;
  readonly uninspected: boolean;
  readonly content?: RecordContent | undefined;
  /** Set by the trail: parts were left out because the record was too large or the disk full. */
  readonly trimmed?: boolean | undefined;
}

/**
 * The record of an exchange whose process went away. Its hold counts as its cost, estimated: that is what the ledger
 * settles for it.
 */
export function lostRecord(intent: Intent, now_ms: number): AuditRecord {
  return {
    ...intent,
    attempts: [],
    scanned_in_bytes: 0,
    scanned_out_bytes: 0,
    rails: [],
    facts: {},
    decision: {},
    cost_nusd: intent.held_nusd,
    cost_estimated: true,
    ending: 'lost',
    timings: { total: Math.max(0, now_ms - intent.time_ms) },
    uninspected: intent.uninspected ?? false,
  };
}
