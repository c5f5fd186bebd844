import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Problem } from './problem.ts';
import type { Loaded } from './read-document.ts';

export interface WatchOptions<S = unknown> {
  /** What is in force already. Without it the first load is applied as well. */
  readonly initial?: Loaded<S>;
  /** How long files must be quiet before they are read: an editor or a roll-out writes several. Default 200. */
  readonly quiet_ms?: number;
  /** How often the files are looked at where the system's own notice fails; also the longest a change goes unseen. Default 2000. */
  readonly poll_ms?: number;
  /** Signals that ask for a reload. Default SIGHUP. */
  readonly signals?: readonly NodeJS.Signals[];
}

export type Reloaded = 'applied' | 'refused' | 'unchanged';

export interface ConfigWatch {
  /** Reads everything again now. */
  reload(): Promise<Reloaded>;
  close(): Promise<void>;
}

/** What is watched may change with what is read; after this many times it is left to the next look. */
const roundsMax = 3;

/**
 * Keeps the configuration in force equal to the files. A change is loaded and validated whole; then `apply` swaps it in,
 * in one step, or throws and changes nothing (policies that do not compile). What is refused is told to `onRefused`
 * once, and the last good configuration stays. Loads never overlap.
 */
export function watchConfig<S extends { readonly file: string }>(
  load: () => Promise<Loaded<S>>,
  apply: (settings: S) => void | Promise<void>,
  onRefused: (problems: readonly Problem[]) => void,
  { initial, quiet_ms = 200, poll_ms = 2000, signals = ['SIGHUP'] }: WatchOptions<S> = {},
): ConfigWatch {
  let seen = initial?.fingerprint;
  let watched = initial?.watched ?? [];
  let state: string | undefined;
  let closed = false;
  let running: Promise<unknown> = Promise.resolve();
  let quiet: NodeJS.Timeout | undefined;
  let restless_since = 0;
  const notice = watchers(() => later());

  /** The state is taken before the files are read: what changes meanwhile is seen as a change afterwards. */
  const loadSettled = async (): Promise<Loaded<S>> => {
    for (let round = 1; ; round += 1) {
      const before = await stateOf(watched);
      const loaded = await load();
      if (closed) return loaded;
      const same = loaded.watched.join('\n') === watched.join('\n');
      watched = loaded.watched;
      notice.follow(watched);
      state = same ? before : undefined;
      if (same || round === roundsMax) return loaded;
    }
  };
  const reloadNow = async (forced: boolean): Promise<Reloaded> => {
    if (closed) return 'unchanged';
    if (!forced && state !== undefined && state === (await stateOf(watched))) return 'unchanged';
    const loaded = await loadSettled();
    if (closed) return 'unchanged';
    if (loaded.fingerprint === seen && !forced) return 'unchanged';
    seen = loaded.fingerprint;
    const problems = loaded.settings === undefined ? loaded.problems : await applied(apply, loaded.settings);
    if (problems.length === 0) return 'applied';
    onRefused(problems);
    return 'refused';
  };
  const reload = (forced: boolean): Promise<Reloaded> => {
    const next = running.then(() => reloadNow(forced));
    running = next.catch(() => undefined);
    return next;
  };
  const inBackground = (forced: boolean) => {
    reload(forced).catch((error: unknown) => {
      onRefused([{ file: 'configuration', message: `cannot be loaded: ${String(error)}` }]);
    });
  };
  const later = () => {
    if (closed) return;
    const now = performance.now();
    if (quiet === undefined) restless_since = now;
    // A directory where something is always written to must not keep a change from being seen.
    else if (now - restless_since > 10 * quiet_ms) return;
    clearTimeout(quiet);
    quiet = setTimeout(() => {
      quiet = undefined;
      inBackground(false);
    }, quiet_ms).unref();
  };
  const poll = setInterval(async () => {
    if (quiet === undefined && state !== (await stateOf(watched))) later();
  }, poll_ms).unref();
  const onSignal = () => inBackground(true);
  for (const signal of signals) process.on(signal, onSignal);

  notice.follow(watched);
  inBackground(false);
  return {
    reload: () => reload(true),
    async close() {
      closed = true;
      clearTimeout(quiet);
      clearInterval(poll);
      for (const signal of signals) process.off(signal, onSignal);
      notice.close();
      await running;
    },
  };
}

async function applied<S extends { readonly file: string }>(
  apply: (settings: S) => void | Promise<void>,
  settings: S,
): Promise<readonly Problem[]> {
  try {
    await apply(settings);
    return [];
  } catch (error) {
    const own = (error as { problems?: unknown }).problems;
    if (Array.isArray(own) && own.length > 0) return own as readonly Problem[];
    return [{ file: settings.file, message: error instanceof Error ? error.message : String(error) }];
  }
}

/**
 * The system's notices for the directories around what is watched: an editor that puts a new file in the old one's place
 * is seen by its directory, not by the file.
 */
function watchers(changed: () => void): { follow(paths: readonly string[]): void; close(): void } {
  let open = new Map<string, FSWatcher>();
  return {
    follow(paths) {
      const wanted = new Set(paths.flatMap((path) => [path, dirname(path)]));
      const next = new Map<string, FSWatcher>();
      for (const path of wanted) {
        const known = open.get(path);
        // A directory that was replaced has another identity: its old watch is blind, so each load opens them anew.
        known?.close();
        const watcher = watchDirectory(path, changed);
        if (watcher !== undefined) next.set(path, watcher);
      }
      for (const [path, watcher] of open) if (!wanted.has(path)) watcher.close();
      open = next;
    },
    close() {
      for (const watcher of open.values()) watcher.close();
      open.clear();
    },
  };
}

/** Out of watches, or nothing there yet: polling sees it all the same. */
function watchDirectory(path: string, changed: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, { persistent: false }, changed);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}

/** One line that changes when any of the paths does: what a file is, or which names a directory holds. */
async function stateOf(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    const entry = await stat(path).catch(() => undefined);
    hash.update(`${path} ${entry?.ino} ${entry?.mtimeMs} ${entry?.size}\n`);
    if (entry?.isDirectory()) {
      for (const name of (await readdir(path).catch(() => [])).sort()) hash.update(`${join(path, name)}\n`);
    }
  }
  return hash.digest('base64url');
}
