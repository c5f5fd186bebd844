import type { Settings } from '../config.ts';
import type { Secret } from '../exchange/index.ts';

/** The admin keys in force: those of the configuration and those a start made. */
export function adminKeysOf(
  { admin }: Settings,
  { adminKeys = [] }: { readonly adminKeys?: readonly Secret[] },
): readonly Secret[] {
  return [...admin.keys, ...adminKeys].filter((key) => !key.empty);
}
