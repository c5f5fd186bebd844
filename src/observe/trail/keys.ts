import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { lock, writePrivateFile } from '../../stores/index.ts';
import { publicKeyId } from './head.ts';

/** Keys of a data directory: they sign heads and turn texts into keyed hashes. Shared by all its spools. */
export interface TrailKeys {
  readonly dir: string;
  readonly signing: KeyObject;
  readonly signingId: string;
  /** Keyed hash of a text: the same text gives the same hash within this data directory, and nowhere else. */
  textHash(text: string): string;
}

/**
 * The file's content, made by `make` where there is none: whole or not at all, whatever happens meanwhile. Two processes
 * may start at once: the first one's stands.
 */
function readOrMake(file: string, make: () => string): string {
  const there = textOf(file);
  if (there) return there;
  if (there === '') return replaceEmpty(file, make);
  try {
    writePrivateFile(file, make(), { exclusive: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(file, 'utf8');
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

/** A version that made its files in two steps was stopped between them. */
function replaceEmpty(file: string, make: () => string): string {
  const held = lock(`${file}.lock`);
  try {
    if (textOf(file) === '') writePrivateFile(file, make());
  } finally {
    held.release();
  }
  return readFileSync(file, 'utf8');
}

/** An empty key hashes texts as anybody could; with another one nobody finds whom the old one filed. */
function newTextKey(dir: string, file: string): string {
  const filed = readdirSync(dir).some((name) => name.startsWith('subjects-') && statSync(join(dir, name)).size > 0);
  if (filed) throw new Error(`${file} is empty, and people are filed under it: put it back from a backup`);
  return randomBytes(32).toString('base64');
}

/** Opens `<dir>/keys`, making what is missing: `signing.pem` and `text.key` (0600), `signing.pub.pem` for auditors. */
export function openKeys(dataDir: string): TrailKeys {
  const dir = join(dataDir, 'keys');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const pem = readOrMake(join(dir, 'signing.pem'), () =>
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  );
  const signing = createPrivateKey(pem);
  const publicKey = createPublicKey(signing);
  const signingId = publicKeyId(publicKey);
  const published = join(dir, `signing-${signingId}.pub.pem`);
  if (!textOf(published)) {
    readOrMake(published, () => publicKey.export({ type: 'spki', format: 'pem' }).toString());
    chmodSync(published, 0o644);
  }
  const text_file = join(dir, 'text.key');
  const textKey = Buffer.from(
    readOrMake(text_file, () => newTextKey(dir, text_file)),
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
