import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { Failure, type Format, failures } from '../../exchange/index.ts';

/** An id for a request that has none of its own. */
export function ownRequestId(): string {
  return `ex_${randomUUID().replaceAll('-', '')}`;
}

/** The id the client gave, or one of ours. An odd one is replaced, not refused. */
export function requestIdOf({ headers }: FastifyRequest): string {
  const asked = headers['x-request-id'];
  return typeof asked === 'string' && /^[\x21-\x7e]{1,128}$/.test(asked) ? asked : ownRequestId();
}

/** What Fastify or Node threw before a route's own code ran, as a failure of the closed table. */
export function listenerFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  const status = (thrown as { statusCode?: unknown }).statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new Failure('invalid_request', thrown instanceof Error ? thrown.message : 'The request cannot be read.', {
      status,
    });
  }
  return new Failure('internal_error', 'The gateway could not finish this call.', { cause: thrown });
}

/** An address nothing is served at. What came behind the path is not repeated: a key may stand there. */
export function notServed(method: string, url: string): Failure {
  const [path = ''] = url.split('?');
  return new Failure('not_supported', `${method} ${path} is not served here.`);
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
