import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Secret } from '../exchange/index.ts';
import { writePrivateFile } from '../stores/index.ts';

/**
 * The secret kept in a file, made by `make` when there is none yet. Of several processes that start at once all get the
 * same one. Throws when the file is there and empty: a lost secret is not to be replaced in silence.
 */
export function ensureSecretFile(
  path: string,
  make: () => string,
): { readonly secret: Secret; readonly created: boolean } {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let created = false;
  let text = readOrNothing(path);
  if (text === undefined) {
    try {
      writePrivateFile(path, `${make()}\n`, { exclusive: true });
      created = true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    text = readOrNothing(path) ?? '';
  }
  const secret = new Secret(text.trim());
  if (secret.empty) throw new Error(`${path} is empty: restore it, or remove it to have a new secret made`);
  return { secret, created };
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * The secret under which keys are hashed: the configured one, or else `hash.secret` in the data directory, made on the
 * first start. All gateways that share keys share it. Throws for an empty one.
 */
export function ensureServerSecret(dataDirectory: string, configured?: Secret): Secret {
  if (configured === undefined) {
    return ensureSecretFile(join(dataDirectory, 'hash.secret'), () => randomBytes(32).toString('base64url')).secret;
  }
  if (configured.empty) throw new Error('auth.hash_secret is empty');
  return configured;
}
