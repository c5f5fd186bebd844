import { join } from 'node:path';
import {
  type CreatedKey,
  createKey,
  ensureServerSecret,
  hashKey,
  type KeyStore,
  KeyStoreError,
  type NewKey,
  openKeyStore,
  type StoredKey,
  scopeNames,
} from '../callers/index.ts';
import type { Settings } from '../config.ts';
import { CannotRun, UsageError } from '../surfaces/cli/command.ts';
import type { KeyPort, KeyRow, KeyWish, NewKeyRow } from '../surfaces/cli/ports.ts';
import { adminClient } from './admin-client.ts';

/**
 * Keys through the running gateway, which records who changed what; where none answers, those of the data directory
 * themselves: a gateway looks at the same file.
 */
export function keyPort(settings: Settings): KeyPort {
  const admin = adminClient(settings);
  const path = (id: string) => `/admin/v1/keys/${encodeURIComponent(id)}`;
  const secret = () => ensureServerSecret(settings.state.path, settings.auth.hash_secret);
  const opened = async <T>(use: (store: KeyStore) => Promise<T> | T): Promise<T> => {
    const store = openKeyStore(join(settings.state.path, 'keys.json'), { poll_ms: 0 });
    try {
      return await use(store);
    } catch (error) {
      throw error instanceof KeyStoreError ? new CannotRun(error.message) : error;
    } finally {
      await store.close();
    }
  };
  return {
    async list() {
      const answer = await admin.get('/admin/v1/keys');
      if (answer !== undefined) return (answer as { keys: readonly KeyRow[] }).keys;
      return opened((store) => store.list().map(row));
    },
    async create(wish, { keep }) {
      const answer = keep ? await admin.post('/admin/v1/keys', asked(wanted(wish, settings))) : undefined;
      if (answer !== undefined) return told(answer, secret());
      const created = createKey(wanted(wish, settings), secret(), Date.now());
      if (keep) await opened((store) => store.add(created.stored));
      return newRow(created);
    },
    async revoke(id) {
      const answer = await admin.delete(path(id));
      if (answer !== undefined) return answer as KeyRow;
      return opened(async (store) => row(await store.revoke(id, new Date().toISOString())));
    },
    async rotate(id, grace_seconds) {
      const answer = await admin.post(`${path(id)}/rotate`, { grace_seconds });
      if (answer !== undefined) return told(answer, secret());
      return opened(async (store) => {
        const old = store.list().find((key) => key.id === id);
        if (old === undefined) throw new CannotRun(`there is no key '${id}'`);
        if (old.revoked_at !== undefined) throw new CannotRun(`the key '${id}' was revoked: make a new one`);
        if (old.expires_at !== undefined && Date.parse(old.expires_at) <= Date.now()) {
          throw new CannotRun(`the key '${id}' has expired: make a new one`);
        }
        const created = createKey({ ...old, rotated_from: id }, secret(), Date.now());
        await store.add(created.stored);
        await store.revoke(id, new Date(Date.now() + grace_seconds * 1000).toISOString());
        return newRow(created);
      });
    },
  };
}

/** What the admin listener takes; the rest of a key it makes itself. */
function asked({ organization, team, name, models, scopes, may_assert, expires_at }: NewKey) {
  return { organization, team, name, models, scopes, may_assert, expires_at };
}

function told(answer: unknown, secret: Parameters<typeof hashKey>[1]): NewKeyRow {
  const made = answer as KeyRow & { readonly key: string };
  return { ...made, hash: hashKey(made.key, secret) };
}

function wanted(wish: KeyWish, { organizations }: Settings): NewKey {
  const owners = organizations.filter(
    ({ id, teams }) => (wish.organization ?? id) === id && teams.some((team) => team.id === wish.team),
  );
  const [owner, second] = owners;
  if (owner === undefined) throw new CannotRun(`there is no team '${wish.team}' in the configuration`);
  if (second !== undefined)
    throw new UsageError(`several organizations have a team '${wish.team}': give --organization`);
  const unknown = wish.scopes?.find((scope) => !scopeNames.some((name) => name === scope));
  if (unknown !== undefined) throw new UsageError(`there is no scope '${unknown}': ${scopeNames.join(', ')}`);
  return { ...wish, organization: owner.id };
}

function row({ hash: _hash, ...key }: StoredKey): KeyRow {
  return key;
}

function newRow({ key, stored }: CreatedKey): NewKeyRow {
  return { ...stored, key: key.reveal() };
}
