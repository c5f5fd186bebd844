import {
  appendFileSync,
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { lock, writePrivateFile } from '../../stores/index.ts';

/** A subject's key, as it lies in a key file. */
export interface Entry {
  /** Keyed hash of the subject's name. */
  readonly of: string;
  readonly id: string;
  readonly key: string;
}

export function readEntries(file: string): Entry[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return entriesOf(text);
}

function entriesOf(text: string): Entry[] {
  const entries: Entry[] = [];
  for (const line of text.split('\n')) {
    try {
      const entry = JSON.parse(line) as Entry | null;
      if (typeof entry?.of === 'string' && typeof entry.id === 'string' && typeof entry.key === 'string')
        entries.push(entry);
    } catch {
      // A torn last line: its key was never used, since a key is on disk before its first use.
    }
  }
  return entries;
}

/** Another one takes as long as its file is large. */
const erase_tries_max = 2000;
const erase_pause_ms = 5;

/**
 * Takes a subject's entry out of a key file, on disk when it returns; whether there was one. Throws where another process
 * is at it for long: of two that write it anew at once the later one would bring back whom the other took out.
 */
export function eraseIn(file: string, of: string): boolean {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return false;
  const held = patiently(() => lock(`${file}.lock`));
  const old = openSync(file, 'r');
  try {
    removeDrafts(file);
    const entries = entriesOf(wholeOf(old));
    const kept = entries.filter((entry) => entry.of !== of);
    if (kept.length === entries.length) return false;
    writePrivateFile(file, textOf(kept));
    // Whoever writes about people goes on: what was filed in the old file since then is taken along.
    const ids = new Set(entries.map(({ id }) => id));
    const since = entriesOf(wholeOf(old)).filter((entry) => entry.of !== of && !ids.has(entry.id));
    if (since.length > 0) appendFileSync(file, `\n${textOf(since)}`, { flush: true });
    return true;
  } finally {
    closeSync(old);
    held.release();
  }
}

/** What one who was killed here wrote beside the file and never put in its place: keys, of whoever was not erased then. */
function removeDrafts(file: string): void {
  const draft = `${basename(file)}.`;
  for (const name of readdirSync(dirname(file))) {
    if (name.startsWith(draft) && /^\d+\.[0-9a-f]+$/.test(name.slice(draft.length))) rmSync(join(dirname(file), name));
  }
}

function patiently<T>(step: () => T): T {
  for (let tries = 1; ; tries += 1) {
    try {
      return step();
    } catch (error) {
      if (tries === erase_tries_max) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, erase_pause_ms);
    }
  }
}

function wholeOf(fd: number): string {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0));
}

function textOf(entries: readonly Entry[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
}
