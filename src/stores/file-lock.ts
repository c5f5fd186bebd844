import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from './lock.ts';

/** Longer than an owner on another host may be silent that died. */
const patience_ms = 25_000;

/** Runs `action` while no other process does the same under this lock file. Rejects when it stays taken for 25 s. */
export async function withFileLock<T>(path: string, action: () => T | Promise<T>): Promise<T> {
  const until = performance.now() + patience_ms;
  let held = tryLock(path);
  for (; held === undefined; held = tryLock(path)) {
    if (performance.now() > until) throw new Error(`${path} is held by another process; remove it if there is none`);
    await sleep(5);
  }
  try {
    return await action();
  } finally {
    held.release();
  }
}
