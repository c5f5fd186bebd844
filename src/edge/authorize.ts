/** Whether a request may ask. */
export type Authorize = (request: Request) => boolean | Promise<boolean>;

/**
 * Lets through who shows a key (`authorization: Bearer`, or `x-api-key`) whose SHA-256 is among these, in hex, compared in
 * constant time. A stored hash is no credential. Throws `TypeError` for a hash that is none.
 */
export function authorizeByKeys(hashes: readonly string[]): Authorize {
  if (hashes.length === 0) throw new TypeError('no key may ask: give at least one hash of a key');
  const known = hashes.map((hash) => {
    if (!/^[0-9a-f]{64}$/.test(hash)) throw new TypeError(`'${hash.slice(0, 8)}…' is no SHA-256 in lower-case hex`);
    return hash;
  });
  return async (request) => {
    const key = keyOf(request.headers);
    if (key === '') return false;
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key));
    const shown = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
    let found = false;
    for (const hash of known) if (same(hash, shown)) found = true;
    return found;
  };
}

function keyOf(headers: Headers): string {
  const bearer = /^bearer\s+(\S+)$/i.exec(headers.get('authorization') ?? '');
  return bearer?.[1] ?? headers.get('x-api-key') ?? '';
}

function same(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
