import { existsSync, type FSWatcher, mkdirSync, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { contentHash } from '../policy/index.ts';
import { withFileLock, writePrivateFile } from '../stores/index.ts';
import { type Manifest, nothingShelved, readManifest } from './manifest.ts';

/** Where published policies lie: a manifest, and the text of every version. */
export interface Shelf {
  /** What is published now. @throws Error where it cannot be read. */
  read(): Manifest;
  /** The text with this hash. @throws Error where it is gone or was changed. */
  text(hash: string): string;
  /** Keeps a text; its hash. */
  keep(text: string): string;
  /** Replaces the manifest by what `change` makes of it, alone among all processes. What it throws changes nothing. */
  edit(change: (manifest: Manifest) => Manifest): Promise<Manifest>;
  /** Calls back when another process may have changed the manifest. Returns how to stop. */
  watch(look: () => void): () => void;
}

export interface PolicyFilesOptions {
  /** How often the manifest is looked at where the system's own notice fails. Default 1000. */
  readonly poll_ms?: number;
}

/**
 * Published policies as files of a directory: `manifest.json`, and one file under `texts/` for each text, named after its
 * hash. Texts are written and synced before the manifest that names them, and the manifest is replaced whole: a crash at
 * any moment leaves what was there before. Throws where the manifest is gone and its texts are not.
 */
export function openPolicyFiles(directory: string, { poll_ms = 1000 }: PolicyFilesOptions = {}): Shelf {
  const manifest = join(directory, 'manifest.json');
  const texts = join(directory, 'texts');
  mkdirSync(texts, { recursive: true, mode: 0o700 });
  const pathOf = (hash: string): string => join(texts, `${hash.slice('sha256:'.length)}.yaml`);
  const read = (): Manifest => {
    if (existsSync(manifest)) return readManifest(readFileSync(manifest, 'utf8'), manifest);
    // A crash may leave a text of the first publication behind; what was ever in force has a manifest beside it.
    if (existsSync(join(directory, 'published')))
      throw new Error(`${manifest} is gone, and policies were published here: restore it`);
    return nothingShelved;
  };
  return {
    read,
    text(hash) {
      const text = readFileSync(pathOf(hash), 'utf8');
      if (contentHash(text) !== hash) throw new Error(`${pathOf(hash)} was changed: restore it, or publish it again`);
      return text;
    },
    keep(text) {
      const hash = contentHash(text);
      if (!existsSync(pathOf(hash))) writePrivateFile(pathOf(hash), text);
      return hash;
    },
    edit: (change) =>
      withFileLock(join(directory, 'lock'), () => {
        const before = read();
        const next = change(before);
        if (next === before) return before;
        writePrivateFile(manifest, `${JSON.stringify(next, null, 1)}\n`);
        if (!readdirSync(directory).includes('published')) writePrivateFile(join(directory, 'published'), '');
        return next;
      }),
    watch(look) {
      let mark = markOf(manifest);
      const changed = () => {
        const now = markOf(manifest);
        if (now === mark) return;
        mark = now;
        look();
      };
      const timer = setInterval(changed, poll_ms).unref();
      const watcher = noticesOf(directory, changed);
      return () => {
        clearInterval(timer);
        watcher?.close();
      };
    },
  };
}

/** The system's own notice. Out of watches: looking every so often sees it all the same. */
function noticesOf(directory: string, changed: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, changed);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}

function markOf(path: string): string {
  const entry = statSync(path, { throwIfNoEntry: false });
  return entry === undefined ? 'absent' : `${entry.ino} ${entry.mtimeMs} ${entry.size}`;
}
