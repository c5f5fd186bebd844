import { Failure, type Format, failures } from '../../exchange/index.ts';

/** What Fastify or Node threw before a route's own code ran, as a failure of the closed table. */
export function listenerFailure(thrown: unknown, body_bytes_max: number): Failure {
  if (thrown instanceof Failure) return thrown;
  const code = (thrown as { code?: unknown }).code;
  const status = (thrown as { statusCode?: unknown }).statusCode;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new Failure('request_too_large', `The request body has more than ${body_bytes_max} bytes.`, {
      extra: { body_bytes_max },
    });
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new Failure('invalid_request', thrown instanceof Error ? thrown.message : 'The request cannot be read.', {
      status,
    });
  }
  return new Failure('internal_error', 'The gateway could not finish this call.', { cause: thrown });
}

/** A failure as headers and body in a format. */
export function rendered(
  failure: Failure,
  format: Format,
  requestId: string,
): { status: number; headers: Record<string, string>; body: Buffer } {
  const headers: Record<string, string> = {
    'content-type': 'application/json; charset=utf-8',
    'x-request-id': requestId,
  };
  if (!failure.retryable) headers['x-should-retry'] = 'false';
  const after = failure.detail.retryAfterSeconds;
  if (after !== undefined) headers['retry-after'] = String(after);
  if (failures[failure.code].fault === 'policy') headers['x-llm-decision'] = 'deny';
  return { status: failure.status, headers, body: format.failureBody(failure, requestId) };
}
