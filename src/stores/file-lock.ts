import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What is done under the lock takes milliseconds: one this old was left behind by a process that died. */
const stale_ms = 10_000;
const patience_ms = 15_000;

/** Runs `action` while no other process does the same under this lock file. Rejects when it stays taken for 15 s. */
export async function withFileLock<T>(path: string, action: () => T): Promise<T> {
  const owner = `${process.pid} ${randomBytes(8).toString('hex')}`;
  const until = Date.now() + patience_ms;
  while (!taken(path, owner)) {
    removeStale(path);
    if (Date.now() > until) throw new Error(`${path} is held by another process; remove it if there is none`);
    await sleep(20);
  }
  try {
    return action();
  } finally {
    if (ownerOf(path) === owner) unlinkSync(path);
  }
}

function taken(path: string, owner: string): boolean {
  try {
    writeFileSync(path, owner, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function removeStale(path: string): void {
  try {
    if (Date.now() - statSync(path).mtimeMs > stale_ms) unlinkSync(path);
  } catch {
    // Gone meanwhile: its owner was done.
  }
}

function ownerOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
