import { Failure, type FailureDetail, type FormatName } from '../exchange/index.ts';
import { isObject, unambiguous } from './json/index.ts';

/**
 * Statuses of a call whose time was over while somebody worked on it: the provider's own 408 (Azure bills it: "HTTP error
 * response code and billing status", manage costs, 2026), the 504 and 524 of who stands before it.
 */
const outOfTime = new Set([408, 504, 524]);
/** Found in the prompt once it was read, or in the reply (Azure, content filtering, 2026: "there will be a charge"). */
const filteredCode = 'content_filter';

/** What a provider says of its own error, as far as its format lets it. */
export interface Told {
  readonly message?: string;
  readonly code?: string;
  /** HTTP status named in the body: in a stream it is the only one. */
  readonly status?: number;
}

/** Kinds of error by the names providers use for them in streams, where no status line tells. */
const statusOfCode: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  tokens: 429,
  requests: 429,
  api_error: 500,
  server_error: 500,
  internal_server_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

/** What the `error` of a provider's body says: an object with a message, or the message itself. */
export function told(body: unknown): Told {
  if (!isObject(body)) return {};
  const inner = body.error;
  if (typeof inner === 'string') return { message: inner, ...codeOf(body) };
  const error = isObject(inner) ? inner : body;
  const message = error.message ?? error.detail;
  return { ...(typeof message === 'string' && message !== '' ? { message } : {}), ...codeOf(error) };
}

function codeOf(error: Readonly<Record<string, unknown>>): Pick<Told, 'code' | 'status'> {
  const { code, type, status } = error;
  const number = [code, status].find((one) => typeof one === 'number' && one >= 400 && one <= 599);
  const name = [code, type].find((one) => typeof one === 'string' && one !== '') as string | undefined;
  const byName = [code, type].map((one) => (typeof one === 'string' ? statusOfCode[one] : undefined)).find(Boolean);
  const found = (number as number | undefined) ?? byName;
  return { ...(name === undefined ? {} : { code: name }), ...(found === undefined ? {} : { status: found }) };
}

/** Members that stand beside an error and hold no text of the model. */
const besideError = new Set(['error', 'type', 'request_id', 'id', 'object', 'created', 'model', 'provider', 'status']);

/**
 * An error inside a reply whose status line said 200. Its document goes on as it is only where it says nothing else: what
 * a reply said before it broke has not been looked at.
 */
export function errorInReply(value: unknown, data: Buffer, format: FormatName): Failure {
  const { message, code, status } = told(value);
  const alone = isObject(value) && Object.keys(value).every((key) => besideError.has(key));
  return build(
    status ?? 502,
    { ...(message === undefined ? {} : { message }), ...(code === undefined ? {} : { code }) },
    alone ? data : undefined,
    format,
    {},
  );
}

/**
 * A provider's error reply as a failure: its own status, message, code and Retry-After. 401 and 403 are about our own
 * credentials: they become `upstream_auth`, and nothing of the provider's message goes on.
 */
export function failureOf(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
  format: FormatName,
): Failure {
  const read = unambiguous(body);
  const retryAfter = retryAfterSeconds(headers);
  const should = headers['x-should-retry'];
  const detail: FailureDetail = {
    ...(retryAfter === undefined ? {} : { retryAfterSeconds: retryAfter }),
    ...(should === 'true' || should === 'false' ? { retryable: should === 'true' } : {}),
  };
  // Below 400 it is no error of the call but an answer nobody can use (a redirect, say).
  return build(
    status < 400 ? 502 : status,
    told(read.ok ? read.value : undefined),
    read.ok ? body : undefined,
    format,
    detail,
  );
}

function build(
  status: number,
  { message, code }: Told,
  body: Buffer | undefined,
  format: FormatName,
  detail: FailureDetail,
): Failure {
  if (status === 401 || status === 403) {
    return new Failure('upstream_auth', "The provider refused the gateway's credentials.", {
      cause: `status ${status}`,
    });
  }
  const temporary = status === 408 || status === 409 || status === 429 || status >= 500;
  return new Failure('upstream_error', message ?? `The provider answered with status ${status}.`, {
    status,
    // A spent account stays spent, whatever the status says.
    retryable: temporary && code !== 'insufficient_quota' && code !== 'billing_error',
    ...(code === undefined ? {} : { upstreamCode: code }),
    ...(outOfTime.has(status) || code === filteredCode ? { worked: true } : {}),
    ...(body === undefined ? {} : { upstreamBody: body, upstreamFormat: format }),
    ...detail,
  });
}

/**
 * The provider's own document of an error in the middle of a stream, where it may go on as it is: written in the client's
 * format, as its clients know errors, on one line. Undefined where the error must be told anew.
 */
export function ownDocument({ detail }: Failure, format: FormatName): string | undefined {
  const { upstreamBody, upstreamFormat } = detail;
  if (upstreamBody === undefined || upstreamFormat !== format) return undefined;
  const bytes = Buffer.from(upstreamBody);
  const read = unambiguous(bytes);
  const body = read.ok ? read.value : undefined;
  if (!isObject(body) || !isObject(body.error) || typeof body.error.message !== 'string') return undefined;
  if (format === 'anthropic-messages' && body.type !== 'error') return undefined;
  const text = bytes.toString('utf8');
  return /[\r\n]/.test(text) ? undefined : text;
}

/** Whole seconds until a retry, rounded up: `retry-after-ms`, or `retry-after` in seconds or as an HTTP date. */
function retryAfterSeconds(headers: Readonly<Record<string, string>>): number | undefined {
  const ms = number(headers['retry-after-ms']);
  if (ms !== undefined) return Math.ceil(ms / 1000);
  const text = headers['retry-after'];
  const seconds = number(text);
  if (seconds !== undefined) return Math.ceil(seconds);
  const at = text === undefined ? Number.NaN : Date.parse(text);
  if (Number.isNaN(at)) return undefined;
  // The provider's clock, where it told the time, so that ours may be wrong.
  const now = Date.parse(headers.date ?? '');
  return Math.max(0, Math.ceil((at - (Number.isNaN(now) ? Date.now() : now)) / 1000));
}

function number(text: string | undefined): number | undefined {
  if (text === undefined || !/^\s*\d+(?:\.\d+)?\s*$/.test(text)) return undefined;
  return Number(text);
}
