import type { Failure } from '../../exchange/index.ts';
import { failureOf } from '../upstream.ts';

/** `{"error": {message, type, param, code}}`, or the provider's own body where it speaks this format too. */
export function failureBody(failure: Failure, _requestId: string): Buffer {
  const { upstreamBody, upstreamFormat } = failure.detail;
  if (upstreamBody !== undefined && upstreamFormat === 'openai-chat') return Buffer.from(upstreamBody);
  return Buffer.from(JSON.stringify(errorOf(failure)));
}

/** The error object of a body or of a message in a stream. Facts stand beside the message, never in its place. */
export function errorOf(failure: Failure): { readonly error: Readonly<Record<string, unknown>> } {
  const { extra, param, upstreamCode } = failure.detail;
  return {
    error: {
      ...extra,
      message: failure.message,
      type: failure.type,
      param: param ?? null,
      code: upstreamCode ?? failure.code,
    },
  };
}

export function upstreamFailure(status: number, headers: Readonly<Record<string, string>>, body: Buffer): Failure {
  return failureOf(status, headers, body, 'openai-chat');
}
