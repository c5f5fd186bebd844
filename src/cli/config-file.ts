import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadOptions } from '../config.ts';

/** Where this program's own files (configuration, providers, policies) are: above `src` or `dist`. */
const own = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * Where to load the configuration from: the file that was asked for, or the default one of the working directory, or
 * the shipped one, which finds the shipped providers and policies. Data is written below the working directory.
 */
export function configLocation(
  file: string | undefined,
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
  defaultFile: 'config/gateway.yaml' | 'config/pdp.yaml' = 'config/gateway.yaml',
): LoadOptions {
  if (file !== undefined) return { file, env, cwd };
  if (existsSync(resolve(cwd, defaultFile))) return { file: defaultFile, env, cwd };
  return { file: resolve(own, defaultFile), env, cwd, base: own };
}
