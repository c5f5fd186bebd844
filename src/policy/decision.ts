import type { AuditWish, Effect, Json, LimitScope } from './policy.ts';

/** What to take out of texts, and what stands there instead. `rails` entries are `pii` or `pii/card`. */
export interface Redaction {
  readonly rails: readonly string[];
  /** RE2 syntax. */
  readonly patterns: readonly string[];
  readonly literals: readonly string[];
  /** Placeholder with `${type}` in it. */
  readonly with: string;
  readonly rule: string;
}

/** A limit on the calls a rule matches, counted apart from every other limit. `window_ms` is 0 for `concurrent`. */
export interface Throttle {
  readonly unit: 'requests' | 'tokens' | 'concurrent';
  readonly limit: number;
  readonly per: LimitScope;
  readonly window_ms: number;
  /** How long a call may wait for room before it is refused; 0 does not wait. */
  readonly queue_ms: number;
  readonly rule: string;
}

/** Something the gateway must do, and the rule (`policy/rule`) that asks for it. */
export type Obligation =
  | { readonly type: 'substitute_model'; readonly model: string; readonly rule: string }
  | { readonly type: 'cap_max_tokens'; readonly tokens: number; readonly rule: string }
  | {
      readonly type: 'cap_max_tokens';
      readonly affordable: true;
      /** Fewer than this are not worth the call: it is refused. */
      readonly tokens_min: number;
      readonly rule: string;
    }
  | ({ readonly type: 'redact' } & Redaction)
  | { readonly type: 'set'; readonly set: { readonly [path: string]: Json }; readonly rule: string }
  | { readonly type: 'remove'; readonly remove: readonly string[]; readonly rule: string }
  | { readonly type: 'add_tags'; readonly tags: readonly string[]; readonly rule: string }
  | { readonly type: 'route_to'; readonly candidates: readonly string[]; readonly rule: string }
  | { readonly type: 'prepend_system'; readonly text: string; readonly rule: string }
  | { readonly type: 'retry'; readonly when: readonly string[]; readonly max: number; readonly rule: string }
  | ({ readonly type: 'throttle' } & Throttle)
  | { readonly type: 'approve'; readonly role: string; readonly ttl_seconds: number; readonly rule: string };

/**
 * All obligations merged: caps and retries take the smallest, redactions and texts for the model unite, every limit
 * counts, of two values the higher rule's stands.
 */
export interface Modifications {
  readonly substituteModel?: string;
  readonly capMaxTokens?: number;
  /** The limit may be lowered to what the budgets afford, down to this many tokens. Absent: it may not. */
  readonly affordableTokensMin?: number;
  readonly redact: readonly Redaction[];
  readonly set: { readonly [path: string]: Json };
  readonly remove: readonly string[];
  readonly addTags: readonly string[];
  /** Candidates in the order they are tried, and no others: `provider` or `provider/model`. */
  readonly routeTo?: readonly string[];
  readonly prependSystem?: string;
  /** Most retries after a failure of this code. */
  readonly retries?: { readonly [code: string]: number };
  readonly throttles?: readonly Throttle[];
}

/** What a shadow or dryrun rule would have done. `unable` where it could not be decided. */
export interface Shadowed {
  readonly rule: string;
  readonly decision: Effect;
  readonly reason: string;
  readonly unable: boolean;
}

/** A fact that left a rule undecided, and why. */
export interface Doubt {
  readonly rule: string;
  readonly fact: string;
  readonly reason: string;
}

export interface Decision {
  readonly decision: Effect;
  readonly allowed: boolean;
  /** For the caller; of the first determining rule. */
  readonly reason: string;
  /** Of the first determining rule; absent where the default decided. */
  readonly policyId?: string;
  readonly policyVersion?: string;
  /** The determining rule's own HTTP status and error code. */
  readonly status?: number;
  readonly code?: string;
  readonly matchedPolicies: readonly string[];
  /** `policy/rule`, in order of evaluation; enforced rules only. */
  readonly matchedRules: readonly string[];
  /** The rules the headline comes from. */
  readonly determining: readonly string[];
  /** Rules with an obligation another rule took precedence over. */
  readonly overridden: readonly string[];
  readonly shadowed: readonly Shadowed[];
  readonly obligations: readonly Obligation[];
  readonly modifications: Modifications;
  /** Facts of the wrong type. */
  readonly errors: readonly Doubt[];
  /** Facts that could not be computed. */
  readonly unable: readonly Doubt[];
  /** Texts for the caller of `warn` rules, and of undecided rules under `on_error: warn`. */
  readonly warnings: readonly string[];
  /** Tags of all matched rules, for the record. */
  readonly tags: readonly string[];
  /** The determining deny read a rail's finding: the answer is `content_blocked`, not `policy_denied`. */
  readonly blockedByRail: boolean;
  readonly audit?: AuditWish;
  /** Counters that the matched rules (`policy/rule`) count in; absent where there are none. */
  readonly metrics?: { readonly [rule: string]: readonly string[] };
}
