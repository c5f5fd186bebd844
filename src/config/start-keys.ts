import { join } from 'node:path';
import { ensureSecretFile, randomKey } from '../callers/index.ts';
import type { Secret } from '../exchange/index.ts';

export interface StartKeys {
  readonly teamKey: Secret;
  readonly adminKey: Secret;
  /** Whether one of them was made just now. */
  readonly created: boolean;
  /** Where they are kept, for telling people. */
  readonly teamKeyFile: string;
  readonly adminKeyFile: string;
}

/**
 * The keys a first start needs: one for the team `default`, one for the admin listener, each in a file of the data
 * directory that only its owner may read. Made once (256 bits), the same ever after.
 */
export function ensureStartKeys(dataDirectory: string): StartKeys {
  const teamKeyFile = join(dataDirectory, 'team.key');
  const adminKeyFile = join(dataDirectory, 'admin.key');
  const team = ensureSecretFile(teamKeyFile, () => randomKey('lpk').key);
  const admin = ensureSecretFile(adminKeyFile, () => randomKey('lpa').key);
  return {
    teamKey: team.secret,
    adminKey: admin.secret,
    created: team.created || admin.created,
    teamKeyFile,
    adminKeyFile,
  };
}
