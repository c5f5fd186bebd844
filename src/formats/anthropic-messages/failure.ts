import type { Failure } from '../../exchange/index.ts';
import { failureOf } from '../upstream.ts';

/** Anthropic's own names for its statuses. */
const typeOfStatus: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** `{"type": "error", "error": {type, message}}`, or the provider's own body where it speaks this format too. */
export function failureBody(failure: Failure, requestId: string): Buffer {
  const { upstreamBody, upstreamFormat } = failure.detail;
  if (upstreamBody !== undefined && upstreamFormat === 'anthropic-messages') return Buffer.from(upstreamBody);
  return Buffer.from(JSON.stringify(errorOf(failure, requestId)));
}

/** The error of a body or of a stream. `code` and the facts beside the message are ours; clients of the format skip them. */
export function errorOf(failure: Failure, requestId?: string): Readonly<Record<string, unknown>> {
  const { status } = failure;
  const { extra, param, upstreamCode } = failure.detail;
  return {
    type: 'error',
    error: {
      ...extra,
      type: typeOfStatus[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error'),
      message: failure.message,
      code: upstreamCode ?? failure.code,
      ...(param === undefined ? {} : { param }),
    },
    ...(requestId === undefined ? {} : { request_id: requestId }),
  };
}

export function upstreamFailure(status: number, headers: Readonly<Record<string, string>>, body: Buffer): Failure {
  return failureOf(status, headers, body, 'anthropic-messages');
}
