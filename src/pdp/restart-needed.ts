import type { PdpSettings } from '../config.ts';
import { changed, RestartNeeded } from '../gateway/restart-needed.ts';

/** Sections that are read when the daemon starts. */
const fixed = ['server', 'metrics', 'grpc', 'state', 'audit'] as const;

/** Throws `RestartNeeded` where the next settings differ from those in force in what cannot change while the daemon runs. */
export function mustRestartPdp(current: PdpSettings, next: PdpSettings): void {
  const keys: string[] = fixed.filter((section) => changed(current[section], next[section]));
  if (changed(current.auth.hash_secret, next.auth.hash_secret)) keys.push('auth.hash_secret');
  if (keys.length > 0)
    throw new RestartNeeded(
      keys.map((key) => ({
        file: next.file,
        key,
        message: `'${key}' cannot change while the daemon runs: restart it, or take the change back`,
      })),
    );
}
