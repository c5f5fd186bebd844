import { join } from 'node:path';
import {
  type CreatedKey,
  createKey,
  ensureServerSecret,
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

/** The keys of the data directory. A running gateway looks at the same file and needs not be asked. */
export function keyPort(settings: Settings): KeyPort {
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
    list: () => opened((store) => store.list().map(row)),
    async create(wish, { keep }) {
      const created = createKey(wanted(wish, settings), secret(), Date.now());
      if (keep) await opened((store) => store.add(created.stored));
      return newRow(created);
    },
    revoke: (id) => opened(async (store) => row(await store.revoke(id, new Date().toISOString()))),
    rotate: (id, grace_seconds) =>
      opened(async (store) => {
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
      }),
  };
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
