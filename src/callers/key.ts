import { hash, randomInt } from 'node:crypto';
import { Secret } from '../exchange/index.ts';
import type { StoredKey } from './key-store.ts';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const hashPrefix = 'hash:v1:';
const hashPattern = /^hash:v1:[A-Za-z0-9_-]{43}$/;

/**
 * A new key: `<prefix>_<public id>_<secret>` with 256 random bits. `lpk` opens the data listener, `lpa` the admin one.
 */
export function randomKey(prefix: 'lpk' | 'lpa'): { readonly id: string; readonly key: string } {
  const id = randomLetters(12);
  return { id, key: `${prefix}_${id}_${randomLetters(43)}` };
}

/** `count` random letters and digits; each is drawn evenly. */
function randomLetters(count: number): string {
  let letters = '';
  for (let drawn = 0; drawn < count; drawn += 1) letters += alphabet[randomInt(alphabet.length)];
  return letters;
}

/** Keyed hashes under one server secret: `hash:v1:...`. One HMAC-SHA256 a call. */
export type KeyHash = (key: string) => string;

/** Hashes of keys that are remembered. */
const remembered_max = 1000;

/**
 * The keyed hash by which keys are found and stored: `HMAC-SHA256(secret, key)`. Looking a key up by it takes no longer
 * for a near miss than for a far one, since without the secret nobody can steer the digest. Throws for an empty secret.
 *
 * Of keys it saw lately only the inner of the HMAC's two digests is taken: that one is keyed as well, so nobody can steer
 * it either, and what is remembered under it is the hash, never the key.
 */
export function keyHash(serverSecret: Secret): KeyHash {
  const { inner, outer } = hmacSha256(serverSecret);
  const remembered = new Map<string, string>();
  return (key) => {
    const within = inner(key);
    const known = remembered.get(within);
    if (known !== undefined) return known;
    const whole = hashPrefix + outer(within);
    if (remembered.size >= remembered_max) remembered.clear();
    remembered.set(within, whole);
    return whole;
  };
}

const block_bytes = 64;
const digest_bytes = 32;

/** The two digests of an HMAC: the inner one of a text, and the outer one of that, base64url. */
interface Hmac {
  readonly inner: (text: string) => string;
  readonly outer: (within: string) => string;
}

/**
 * HMAC-SHA256 (RFC 2104) under one secret. Its two digests are taken one by one: an `Hmac` object a call cost more than
 * both (7 us against 3), and every call of the data listener takes one.
 */
function hmacSha256(serverSecret: Secret): Hmac {
  if (serverSecret.empty) throw new RangeError('the secret of the keyed hashes is empty');
  const secret = Buffer.from(serverSecret.reveal(), 'utf8');
  const short = secret.length > block_bytes ? Buffer.from(hash('sha256', secret, 'hex'), 'hex') : secret;
  const padded = (pad: number, room: number): Buffer => {
    const bytes = Buffer.alloc(block_bytes + room);
    for (let i = 0; i < block_bytes; i += 1) bytes[i] = pad ^ (short[i] ?? 0);
    return bytes;
  };
  let room = padded(0x36, 1024);
  // Most keys are as long as the one before.
  let filled = room;
  const outer = padded(0x5c, digest_bytes);
  return {
    inner: (text) => {
      if (room.length < block_bytes + 3 * text.length) {
        room = padded(0x36, 3 * text.length);
        filled = room;
      }
      const end = block_bytes + room.write(text, block_bytes, 'utf8');
      if (filled.length !== end) filled = room.subarray(0, end);
      const digest = hash('sha256', filled, 'binary');
      room.fill(0, block_bytes, end);
      return digest;
    },
    outer: (within) => {
      outer.write(within, block_bytes, 'latin1');
      return hash('sha256', outer, 'base64url');
    },
  };
}

/** `keyHash` for one key. */
export function hashKey(key: string, serverSecret: Secret): string {
  const { inner, outer } = hmacSha256(serverSecret);
  return hashPrefix + outer(inner(key));
}

/** Whether a text is meant as a keyed hash. It is never a credential. */
export function isKeyedHash(text: string): boolean {
  return text.startsWith(hashPrefix);
}

/** Whether a text is a whole keyed hash. */
export function isWholeKeyedHash(text: string): boolean {
  return hashPattern.test(text);
}

/**
 * The public id of a configured key that was given none: the one inside a key of ours, else made from its keyed hash,
 * one way, so that neither the key nor the hash shows.
 */
export function publicId(key: string | undefined, keyedHash: string): string {
  const own = key === undefined ? undefined : /^lpk_([A-Za-z0-9]{12})_[A-Za-z0-9]{43}$/.exec(key)?.[1];
  return own ?? `key-${hash('sha256', `public id of ${keyedHash}`, 'hex').slice(0, 12)}`;
}

/** Who a new key is for. */
export interface NewKey {
  readonly organization: string;
  readonly team: string;
  readonly name?: string;
  /** Default: `policy:evaluate`. */
  readonly scopes?: readonly string[];
  readonly may_assert?: boolean;
  readonly models?: readonly string[];
  /** RFC 3339. */
  readonly expires_at?: string;
  readonly rotated_from?: string;
}

export interface CreatedKey {
  /** The key itself. It exists here alone: show it once and keep it nowhere. */
  readonly key: Secret;
  /** What is kept. */
  readonly stored: StoredKey;
}

/**
 * Makes a key: `lpk_<public id>_<43 random letters>` (256 bits). `at_ms` is the time it is made, Unix ms.
 */
export function createKey(wanted: NewKey, serverSecret: Secret, at_ms: number): CreatedKey {
  const { id, key } = randomKey('lpk');
  return {
    key: new Secret(key),
    stored: {
      id,
      hash: hashKey(key, serverSecret),
      organization: wanted.organization,
      team: wanted.team,
      ...(wanted.name === undefined ? {} : { name: wanted.name }),
      scopes: wanted.scopes ?? ['policy:evaluate'],
      may_assert: wanted.may_assert ?? false,
      ...(wanted.models === undefined ? {} : { models: wanted.models }),
      created_at: new Date(at_ms).toISOString(),
      ...(wanted.expires_at === undefined ? {} : { expires_at: wanted.expires_at }),
      ...(wanted.rotated_from === undefined ? {} : { rotated_from: wanted.rotated_from }),
    },
  };
}
