/** A key made at run time, as it is kept: its keyed hash, never the key. */
export interface StoredKey {
  /** Public id; stands in the key itself, in records and in logs. */
  readonly id: string;
  /** `hash:v1:...`: the keyed hash. Not a credential. */
  readonly hash: string;
  readonly organization: string;
  readonly team: string;
  readonly name?: string;
  readonly scopes: readonly string[];
  readonly may_assert: boolean;
  readonly models?: readonly string[];
  /** RFC 3339. */
  readonly created_at: string;
  readonly expires_at?: string;
  readonly revoked_at?: string;
  /** The key this one replaced. */
  readonly rotated_from?: string;
}

/** Where keys made at run time live. Every change is durable before its promise resolves, and in force at once. */
export interface KeyStore {
  /** All keys, revoked and expired ones included, oldest first. In memory: cheap. */
  list(): readonly StoredKey[];
  /** The key with this keyed hash. In memory: on the hot path. The same object as long as nothing about the key changed. */
  byHash(hash: string): StoredKey | undefined;
  /** Adds a key; rejects with `KeyStoreError` when its id or hash is known. */
  add(key: StoredKey): Promise<void>;
  /**
   * Ends a key at `at` (RFC 3339): now, or later where a rotation lets the old one live a while. An end only ever moves
   * forward in time towards now. Rejects with `KeyStoreError` for an unknown id.
   */
  revoke(id: string, at: string): Promise<StoredKey>;
  close(): Promise<void>;
}

/** A change of the keys that cannot be made; the message says why. */
export class KeyStoreError extends Error {
  override readonly name = 'KeyStoreError';
}
