import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publicKeyId } from './head.ts';

/** Keys of a data directory: they sign heads and turn texts into keyed hashes. Shared by all its spools. */
export interface TrailKeys {
  readonly dir: string;
  readonly signing: KeyObject;
  readonly signingId: string;
  /** Keyed hash of a text: the same text gives the same hash within this data directory, and nowhere else. */
  textHash(text: string): string;
}

/** The file's content, made by `make` where there is none. Two processes may start at once: the first one's stands. */
function readOrMake(file: string, mode: number, make: () => string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    try {
      writeFileSync(file, make(), { mode, flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    return readFileSync(file, 'utf8');
  }
}

/** Opens `<dir>/keys`, making what is missing: `signing.pem` and `text.key` (0600), `signing.pub.pem` for auditors. */
export function openKeys(dataDir: string): TrailKeys {
  const dir = join(dataDir, 'keys');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const pem = readOrMake(join(dir, 'signing.pem'), 0o600, () =>
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  );
  const signing = createPrivateKey(pem);
  const publicKey = createPublicKey(signing);
  const signingId = publicKeyId(publicKey);
  readOrMake(join(dir, `signing-${signingId}.pub.pem`), 0o644, () =>
    publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  );
  const textKey = Buffer.from(
    readOrMake(join(dir, 'text.key'), 0o600, () => randomBytes(32).toString('base64')),
    'base64',
  );
  return {
    dir,
    signing,
    signingId,
    textHash: (text) => createHmac('sha256', textKey).update(text).digest('hex'),
  };
}

/** The public keys of a data directory, by id: a changed signing key leaves its old public half for old heads. */
export function readPublicKeys(dataDir: string): Map<string, KeyObject> {
  const dir = join(dataDir, 'keys');
  const keys = new Map<string, KeyObject>();
  for (const name of readdirSync(dir)) {
    if (!name.endsWith('.pub.pem')) continue;
    const key = createPublicKey(readFileSync(join(dir, name), 'utf8'));
    keys.set(publicKeyId(key), key);
  }
  return keys;
}
