import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { asFailure, type Failure, type FailureCode } from '../../exchange/index.ts';
import { asPolicyFailure } from '../decision/refusals.ts';

/** What each failure is called in gRPC. */
const codes = {
  invalid_api_key: status.UNAUTHENTICATED,
  invalid_request: status.INVALID_ARGUMENT,
  request_too_large: status.RESOURCE_EXHAUSTED,
  model_not_found: status.NOT_FOUND,
  policy_denied: status.PERMISSION_DENIED,
  approval_required: status.PERMISSION_DENIED,
  content_blocked: status.PERMISSION_DENIED,
  rate_limit_exceeded: status.RESOURCE_EXHAUSTED,
  insufficient_quota: status.RESOURCE_EXHAUSTED,
  price_unknown: status.FAILED_PRECONDITION,
  no_healthy_provider: status.UNAVAILABLE,
  upstream_error: status.UNAVAILABLE,
  upstream_auth: status.INTERNAL,
  upstream_unreachable: status.UNAVAILABLE,
  upstream_timeout: status.DEADLINE_EXCEEDED,
  state_unavailable: status.UNAVAILABLE,
  audit_unavailable: status.UNAVAILABLE,
  not_supported: status.UNIMPLEMENTED,
  internal_error: status.INTERNAL,
} as const satisfies Record<FailureCode, status>;

/** What HTTP says by a status of its own. */
const byStatus: Readonly<Record<number, status>> = { 404: status.NOT_FOUND, 409: status.FAILED_PRECONDITION };

/** Anything thrown as a failure; a policy that does not compile is the caller's, and its problems are told. */
export function failureOf(thrown: unknown): Failure {
  return asFailure(asPolicyFailure(thrown));
}

/** A failure as gRPC ends a call with it: its code in words of ours stands in the trailing metadata. */
export function serviceError(failure: Failure, requestId: string): Partial<ServiceError> {
  const metadata = new Metadata();
  const { param, retryAfterSeconds } = failure.detail;
  metadata.set('x-request-id', requestId);
  metadata.set('x-llm-code', failure.code);
  if (param !== undefined && /^[\x20-\x7e]+$/.test(param)) metadata.set('x-llm-param', param);
  if (retryAfterSeconds !== undefined) metadata.set('retry-after', String(retryAfterSeconds));
  if (!failure.retryable) metadata.set('x-should-retry', 'false');
  const own = failure.code === 'invalid_request' ? byStatus[failure.status] : undefined;
  return { code: own ?? codes[failure.code], details: failure.message, metadata };
}

/** A failure as a message of a stream that goes on; the same words as REST has in `error`. */
export function errorMessage(failure: Failure): Readonly<Record<string, unknown>> {
  const { param } = failure.detail;
  return {
    message: failure.message,
    type: failure.type,
    ...(param === undefined ? {} : { param }),
    code: failure.code,
  };
}
