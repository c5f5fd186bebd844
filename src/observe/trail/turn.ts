import { mkdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const turns = new Map<string, Promise<unknown>>();

async function takeLock(path: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = Number(await readFile(path, 'utf8').catch(() => '0'));
    // Without a number its maker died before it wrote one, unless it is only just being made.
    const unnamed =
      owner === 0 && Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now()) > 5000;
    if (owner === process.pid || unnamed || (owner > 0 && gone(owner))) {
      await rm(path, { force: true });
    } else if (tries > 200) {
      throw new Error(`${path} is held by process ${owner}`);
    } else {
      await new Promise((next) => setTimeout(next, 5 + tries));
    }
  }
}

function gone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** The directory is made where it is missing, at first or because somebody removed it. */
async function makeAndLock(lock: string): Promise<void> {
  try {
    await takeLock(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(dirname(lock), { recursive: true, mode: 0o750 });
    await takeLock(lock);
  }
}

/** Runs a step alone on a directory: one after another within the process, by a lock file between processes. */
export async function exclusively<T>(directory: string, step: () => Promise<T>): Promise<T> {
  const before = turns.get(directory) ?? Promise.resolve();
  const turn = before.then(async () => {
    const lock = join(directory, 'write.lock');
    await makeAndLock(lock);
    try {
      return await step();
    } finally {
      await unlink(lock).catch(() => {});
    }
  });
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
