import { Failure } from '../exchange/index.ts';
import type { Headers } from './identity.ts';

/** Longer than any token an issuer makes, shorter than what would be worth hashing. */
const credentialLengthMax = 16_384;
/** Visible ASCII: what a header may carry without two readers reading it differently. */
const visible = /^[\x21-\x7e]+$/;
const usual = 'Bearer ';

/**
 * The key or token of a request: `authorization: Bearer`, `x-api-key` or `x-goog-api-key`. Two that differ are refused,
 * for nobody could say whose call it is. Throws `invalid_api_key`.
 */
export function credentialOf(headers: Headers): string {
  const authorization = headers.authorization;
  const apiKey = headers['x-api-key'];
  const googKey = headers['x-goog-api-key'];
  let credential = authorization === undefined ? undefined : bearer(authorization);
  if (apiKey !== undefined) credential = agreed(credential, single(apiKey));
  if (googKey !== undefined) credential = agreed(credential, single(googKey));
  if (credential === undefined) throw new Failure('invalid_api_key', 'No API key was sent.');
  if (credential.length > credentialLengthMax || !visible.test(credential)) throw refused();
  return credential;
}

/** What every credential that opens nothing is told: unknown, revoked and expired are not told apart. */
export function refused(cause?: unknown): Failure {
  return new Failure('invalid_api_key', 'The API key is not valid.', cause === undefined ? {} : { cause });
}

function bearer(header: string | string[]): string {
  const text = single(header);
  // As nearly everyone spells it, there is nothing to take apart.
  const rest = text.startsWith(usual) ? text.slice(usual.length) : '';
  if (visible.test(rest)) return rest;
  const match = /^bearer +(\S+) *$/i.exec(text);
  if (match?.[1] === undefined) throw refused();
  return match[1];
}

function single(header: string | string[]): string {
  if (typeof header === 'string') return header;
  const [only, second] = header;
  if (only === undefined || second !== undefined) throw refused();
  return only;
}

function agreed(first: string | undefined, second: string): string {
  if (first !== undefined && first !== second) {
    throw new Failure('invalid_api_key', 'Two different API keys were sent; send one.');
  }
  return second;
}
