import type { IncomingHttpHeaders } from 'node:http';
import { HeaderList } from './header-list.ts';

/** RFC 9110, section 7.6.1, and what proxies add of their own. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'proxy-connection',
]);

/** What a client sends for us or about itself, never for the provider. */
const kept = new Set([
  // Credentials.
  'authorization',
  'x-api-key',
  'api-key',
  'cookie',
  // Account selectors go with the provider's key, not with the client's.
  'openai-organization',
  'openai-project',
  // Written anew for each hop: edits change the length, the encoding is ours, and digests of the old bytes would be wrong.
  'host',
  'content-length',
  'accept-encoding',
  'content-encoding',
  'expect',
  'digest',
  'content-digest',
  'content-md5',
  // Where the client is.
  'forwarded',
  'via',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
]);

const keptPrefixes = ['proxy-', 'x-llm-', 'x-forwarded-', 'x-auth-', 'x-amzn-oidc-', 'x-ms-token-', 'cf-access-'];
/** Credentials by other names. */
const keptSuffixes = ['-api-key', '-token', '-secret', '-authorization'];
const vendorPrefixes = ['anthropic-', 'openai-', 'x-goog-', 'x-stainless-'];

type Verdict = 'pass' | 'same format' | 'keep';

function judge(name: string): Verdict {
  if (hopByHop.has(name) || kept.has(name)) return 'keep';
  if (keptPrefixes.some((prefix) => name.startsWith(prefix))) return 'keep';
  if (keptSuffixes.some((suffix) => name.endsWith(suffix))) return 'keep';
  return vendorPrefixes.some((prefix) => name.startsWith(prefix)) ? 'same format' : 'pass';
}

/** Remembers what a function says of a name. Bounded, since names come from outside: what does not fit is judged again. */
function remembered<T extends string>(judge: (name: string) => T, namesMax = 500): (name: string) => T {
  const known = new Map<string, T>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const verdict = judge(name);
    if (known.size < namesMax) known.set(name, verdict);
    return verdict;
  };
}

const verdictFor = remembered(judge);

/**
 * A client's headers as they go to a provider, names in lower case: all but its credentials and account selectors,
 * hop-by-hop ones (with those `connection` names), where it comes from, and ours. A vendor's own headers (betas) pass only
 * where both sides speak the same format. `format` are the headers the format needs: a client's own value of one wins in
 * its own format, but for `content-type`.
 */
export function requestHeaders(
  client: IncomingHttpHeaders,
  sameFormat: boolean,
  format: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const named = client.connection === undefined ? undefined : listed(client.connection);
  const headers: Record<string, string> = {};
  for (const name in client) {
    const value = client[name];
    if (value === undefined) continue;
    const verdict = verdictFor(name);
    if (verdict === 'keep' || (verdict === 'same format' && !sameFormat)) continue;
    if (named?.has(name)) continue;
    headers[name] = typeof value === 'string' ? value : value.join(', ');
  }
  for (const name in format) {
    const value = format[name];
    if (value !== undefined && (name === 'content-type' || !sameFormat || headers[name] === undefined)) {
      headers[name] = value;
    }
  }
  return headers;
}

/** The headers that `connection` names; nearly always none. */
function listed(connection: string): Set<string> | undefined {
  if (connection === 'keep-alive' || connection === 'close') return undefined;
  return new Set(
    connection
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );
}

/** What a provider's reply says of our account, of its connection or origin, or of bytes that may have been edited. */
const notForClients = new Set([
  'set-cookie',
  'set-cookie2',
  'openai-organization',
  'openai-project',
  'anthropic-organization-id',
  'content-length',
  'content-encoding',
  'content-md5',
  'content-digest',
  'digest',
  'repr-digest',
  'etag',
  'accept-ranges',
  'content-range',
  'date',
  'location',
  'www-authenticate',
  'authentication-info',
  'alt-svc',
  'strict-transport-security',
  'clear-site-data',
  'report-to',
  'nel',
]);

/** Names that mean something of our own on our replies. */
const ours = new Set([
  'x-request-id',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  'x-accel-buffering',
  'cache-control',
]);

/** The name of a provider's header on our reply; '' where it is dropped. `name` in lower case. */
export function replyName(name: string): string {
  if (hopByHop.has(name) || notForClients.has(name)) return '';
  if (name.startsWith('proxy-') || name.startsWith('access-control-')) return '';
  if (name.startsWith('x-llm-upstream-')) return name;
  if (name.startsWith('x-llm-')) return `x-llm-upstream-${name.slice('x-llm-'.length)}`;
  if (ours.has(name) || name.startsWith('x-ratelimit-')) {
    return `x-llm-upstream-${name.startsWith('x-') ? name.slice(2) : name}`;
  }
  return name;
}

const replyNameFor = remembered(replyName);

/**
 * A provider's headers as they go to a client: without hop-by-hop ones, cookies, account details and what holds for the
 * provider's origin or exact bytes. A name that is ours becomes `x-llm-upstream-` and the name without its `x-` or
 * `x-llm-`: `x-request-id` arrives as `x-llm-upstream-request-id`.
 */
export function replyHeaderList(upstream: Readonly<Record<string, string>>): HeaderList {
  const named = upstream.connection === undefined ? undefined : listed(upstream.connection);
  const headers = new HeaderList();
  for (const name in upstream) {
    const value = upstream[name];
    if (value === undefined || named?.has(name)) continue;
    const ourName = replyNameFor(name);
    // Two of its names may become one of these; all others are as different as they came.
    if (ourName.startsWith('x-llm-upstream-')) headers.set(ourName, value);
    else if (ourName !== '') headers.add(ourName, value);
  }
  return headers;
}

/** The same by name. */
export function replyHeaders(upstream: Readonly<Record<string, string>>): Record<string, string | string[]> {
  return replyHeaderList(upstream).toObject();
}
