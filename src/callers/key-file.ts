import { type FSWatcher, mkdirSync, readFileSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { withFileLock, writePrivateFile } from '../stores/index.ts';
import { isWholeKeyedHash } from './key.ts';
import { type KeyStore, KeyStoreError, type StoredKey } from './key-store.ts';

export interface KeyStoreOptions {
  /** How often the file is looked at where the system's own notice fails; 0 for never (one-off commands). */
  readonly poll_ms?: number;
  /** Told when the file changed into something that cannot be read; the keys last read stay in force. */
  readonly onProblem?: (error: Error) => void;
}

interface Read {
  readonly keys: readonly StoredKey[];
  /** Tells one state of the file from another. */
  readonly mark: string;
}

const nothing: Read = { keys: [], mark: 'absent' };

/**
 * The embedded key store: one JSON file (mode 0600), replaced whole and synced at each change. A change made by another
 * process (the command line beside a running gateway) is in force within `poll_ms` (default 1 s), mostly at once.
 * Throws when the file is there and is not a key file.
 */
export function openKeyStore(path: string, { poll_ms = 1000, onProblem }: KeyStoreOptions = {}): KeyStore {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let byHash = new Map<string, StoredKey>();
  let keys: readonly StoredKey[] = [];
  let mark = '';
  const install = (read: Read) => {
    keys = read.keys.map((key) => unchanged(byHash.get(key.hash), key));
    byHash = new Map(keys.map((key) => [key.hash, key]));
    mark = read.mark;
  };
  const look = () => {
    try {
      if (markOf(path) === mark) return;
      const read = readKeys(path);
      // A file that vanished takes no key away: whoever wants that revokes it.
      if (read.mark !== nothing.mark) install(read);
    } catch (error) {
      onProblem?.(error as Error);
    }
  };
  const change = (edit: (keys: readonly StoredKey[]) => readonly StoredKey[]): Promise<void> =>
    withFileLock(`${path}.lock`, () => {
      const next = edit(readKeys(path).keys);
      writePrivateFile(path, `${JSON.stringify({ version: 1, keys: next }, null, 2)}\n`);
      install({ keys: next, mark: markOf(path) });
    });

  install(readKeys(path));
  const stopLooking = poll_ms > 0 ? lookOften(path, poll_ms, look) : () => undefined;
  return {
    list: () => keys,
    byHash: (hash) => byHash.get(hash),
    add: (key) =>
      change((known) => {
        if (known.some(({ id }) => id === key.id)) throw new KeyStoreError(`there is a key '${key.id}' already`);
        if (known.some(({ hash }) => hash === key.hash)) throw new KeyStoreError('there is this key already');
        return [...known, key];
      }),
    async revoke(id, at) {
      await change((known) => {
        if (!known.some((key) => key.id === id)) throw new KeyStoreError(`there is no key '${id}'`);
        return known.map((key) => (key.id === id ? { ...key, revoked_at: earlier(key.revoked_at, at) } : key));
      });
      const ended = keys.find((key) => key.id === id);
      if (ended === undefined) throw new KeyStoreError(`the key '${id}' is gone`);
      return ended;
    },
    async close() {
      stopLooking();
    },
  };
}

/** The object known before where the record says the same: what was built from it stays good. */
function unchanged(before: StoredKey | undefined, now: StoredKey): StoredKey {
  return before !== undefined && JSON.stringify(before) === JSON.stringify(now) ? before : Object.freeze(now);
}

function earlier(one: string | undefined, other: string): string {
  return one !== undefined && Date.parse(one) <= Date.parse(other) ? one : other;
}

/**
 * Looks at intervals, and at once where the system tells that the file was replaced. The file is watched, not its
 * directory: the journals beside it are written for every call, and each write would wake the event loop.
 */
function lookOften(path: string, poll_ms: number, look: () => void): () => void {
  let watcher: FSWatcher | undefined;
  const stop = () => {
    watcher?.close();
    watcher = undefined;
  };
  const follow = () => {
    stop();
    try {
      watcher = watch(path, { persistent: false }, changed);
      watcher.on('error', stop);
    } catch {
      // Not there yet, or out of watches: looking every so often is what remains, and the promise is kept by it alone.
    }
  };
  // A watch is of what the name stood for: the next file gets one first, so that no change falls between.
  const changed = () => {
    follow();
    look();
  };
  const timer = setInterval(() => {
    if (watcher === undefined) follow();
    look();
  }, poll_ms);
  timer.unref();
  follow();
  return () => {
    clearInterval(timer);
    stop();
  };
}

function markOf(path: string): string {
  const entry = statSync(path, { throwIfNoEntry: false });
  return entry === undefined ? nothing.mark : `${entry.ino} ${entry.mtimeMs} ${entry.size}`;
}

function readKeys(path: string): Read {
  const mark = markOf(path);
  if (mark === nothing.mark) return nothing;
  const document: unknown = parsed(readFileSync(path, 'utf8'));
  const keys = typeof document === 'object' && document !== null && 'keys' in document ? document.keys : undefined;
  if (!Array.isArray(keys) || !keys.every(isStoredKey)) throw new Error(`${path} is not a key file`);
  return { keys, mark };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isStoredKey(value: unknown): value is StoredKey {
  const key = value as Partial<StoredKey> | null;
  return (
    typeof key === 'object' &&
    key !== null &&
    [key.id, key.organization, key.team, key.created_at].every((text) => typeof text === 'string' && text !== '') &&
    typeof key.hash === 'string' &&
    isWholeKeyedHash(key.hash) &&
    typeof key.may_assert === 'boolean' &&
    Array.isArray(key.scopes) &&
    [key.expires_at, key.revoked_at].every((time) => time === undefined || typeof time === 'string')
  );
}
