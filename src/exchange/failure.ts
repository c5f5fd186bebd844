/** Whose doing a failure is: it decides who is paged and what a dashboard counts. */
export type Fault = 'caller' | 'policy' | 'budget' | 'provider' | 'gateway';

interface FailureKind {
  /** HTTP status, unless the provider's own or a rule's is given. */
  readonly status: number;
  /** Whether the same call may succeed later; false sets `x-should-retry: false`. */
  readonly retryable: boolean;
  readonly fault: Fault;
  /** OpenAI's `error.type`; the other formats map from the status. */
  readonly type: string;
}

/** The closed table of what can go wrong (CONTRACT.md, Failures). Formats render it, nobody adds to it elsewhere. */
export const failures = {
  invalid_api_key: { status: 401, retryable: false, fault: 'caller', type: 'invalid_request_error' },
  invalid_request: { status: 400, retryable: false, fault: 'caller', type: 'invalid_request_error' },
  request_too_large: { status: 413, retryable: false, fault: 'caller', type: 'invalid_request_error' },
  model_not_found: { status: 404, retryable: false, fault: 'caller', type: 'invalid_request_error' },
  policy_denied: { status: 403, retryable: false, fault: 'policy', type: 'policy_error' },
  approval_required: { status: 403, retryable: false, fault: 'policy', type: 'policy_error' },
  content_blocked: { status: 400, retryable: false, fault: 'policy', type: 'policy_error' },
  rate_limit_exceeded: { status: 429, retryable: true, fault: 'budget', type: 'rate_limit_error' },
  insufficient_quota: { status: 429, retryable: false, fault: 'budget', type: 'insufficient_quota' },
  price_unknown: { status: 403, retryable: false, fault: 'budget', type: 'policy_error' },
  no_healthy_provider: { status: 503, retryable: true, fault: 'provider', type: 'server_error' },
  upstream_error: { status: 502, retryable: true, fault: 'provider', type: 'upstream_error' },
  upstream_auth: { status: 502, retryable: false, fault: 'gateway', type: 'server_error' },
  upstream_unreachable: { status: 502, retryable: true, fault: 'provider', type: 'server_error' },
  upstream_timeout: { status: 504, retryable: true, fault: 'provider', type: 'server_error' },
  state_unavailable: { status: 503, retryable: true, fault: 'gateway', type: 'server_error' },
  audit_unavailable: { status: 503, retryable: true, fault: 'gateway', type: 'server_error' },
  not_supported: { status: 404, retryable: false, fault: 'caller', type: 'invalid_request_error' },
  internal_error: { status: 500, retryable: true, fault: 'gateway', type: 'server_error' },
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof failures;

export interface FailureDetail {
  /** Overrides the table's status: the provider's own, or a rule's. */
  readonly status?: number;
  /** Overrides the table's retryability, where the provider said so. */
  readonly retryable?: boolean;
  /** Dotted path of the request field at fault. */
  readonly param?: string;
  /** Whole seconds, rounded up; becomes `retry-after`. */
  readonly retryAfterSeconds?: number;
  /** Machine-readable facts shown beside the message: policy, rule, scope, limit, spent, held, reset ... */
  readonly extra?: Readonly<Record<string, string | number | boolean | null>>;
  /** The provider's own error body, bytes untouched, given back where both sides speak the same format. */
  readonly upstreamBody?: Uint8Array;
  /** The format `upstreamBody` is written in. */
  readonly upstreamFormat?: string;
  /** The provider's own error code or type, where it gave one. */
  readonly upstreamCode?: string;
  /** The provider may have worked on the request before it refused: it may bill that. */
  readonly worked?: boolean;
  /** A reply came, perhaps all of it, and nobody can read it: what it cost stands there. */
  readonly unread?: boolean;
  readonly cause?: unknown;
}

/** Something that went wrong, told in the words of the closed table. `message` is shown to the caller: nothing secret in it. */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly detail: FailureDetail;

  constructor(code: FailureCode, message: string, detail: FailureDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'Failure';
    this.code = code;
    this.detail = detail;
  }

  get status(): number {
    return this.detail.status ?? failures[this.code].status;
  }

  get retryable(): boolean {
    return this.detail.retryable ?? failures[this.code].retryable;
  }

  get fault(): Fault {
    return failures[this.code].fault;
  }

  /** OpenAI's `error.type` for this code. */
  get type(): string {
    return failures[this.code].type;
  }
}

/** Any thrown value as a Failure; what is not one becomes `internal_error` with nothing of it in the message. */
export function asFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  return new Failure('internal_error', 'The gateway could not finish this call.', { cause: thrown });
}
