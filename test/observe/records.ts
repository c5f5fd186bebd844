import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export { intent, record } from './plain.ts';

/** A directory of its own that is gone after the test. */
export function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'observe-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Waits until the condition holds; fails after the time. */
export async function until(holds: () => boolean | Promise<boolean>, ms = 40_000): Promise<void> {
  for (const end = Date.now() + ms; !(await holds()); ) {
    if (Date.now() > end) throw new Error('It did not happen in time');
    await new Promise((next) => setTimeout(next, 20));
  }
}
