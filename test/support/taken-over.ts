import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';

/**
 * What a process finds that stood still for half a minute: one on another machine has its lock. No timer of it was called
 * yet, as it goes on in the middle of what it did.
 */
export function takeOver(lock: string): void {
  const awake_ms = Date.now() + 30_000;
  writeFileSync(lock, JSON.stringify({ pid: 1, started: '1', host: 'another-machine', place: '12345678-12345678' }));
  utimesSync(lock, awake_ms / 1000, awake_ms / 1000);
  const { now } = Date;
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + 30_000);
  onTestFinished(() => clock.mockRestore());
}

/** All that lies below a directory. */
export function contents(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true }).map(String).sort();
  const files = names.filter((name) => statSync(join(directory, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(directory, name), 'latin1')]));
}
