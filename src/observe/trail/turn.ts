import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { withFileLock } from '../../stores/index.ts';

const turns = new Map<string, Promise<unknown>>();

/** The directory is made where it is missing, at first or because somebody removed it. */
async function locked<T>(directory: string, step: () => Promise<T>): Promise<T> {
  const path = join(directory, 'write.lock');
  let begun = false;
  const once = (): Promise<T> => {
    begun = true;
    return step();
  };
  try {
    return await withFileLock(path, once);
  } catch (error) {
    if (begun || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(directory, { recursive: true, mode: 0o750 });
    return await withFileLock(path, step);
  }
}

/** Runs a step alone on a directory: one after another within the process, by a lock file between processes. */
export async function exclusively<T>(directory: string, step: () => Promise<T>): Promise<T> {
  const before = turns.get(directory) ?? Promise.resolve();
  const turn = before.then(() => locked(directory, step));
  turns.set(
    directory,
    turn.catch(() => {}),
  );
  return turn;
}

/** Resolves when the steps of this process on a directory are over. */
export async function turnsOver(directory: string): Promise<void> {
  await turns.get(directory);
}
