import { Secret } from '../exchange/index.ts';
import type { Settings } from './settings.ts';

/** Headers of a provider that may hold a credential, by their names. */
const credentialHeader = /auth|key|token|secret|cookie/i;

/** The settings in force as plain JSON: secrets are `[secret]`, policies their paths. */
export function printable(settings: Settings): Record<string, unknown> {
  const { policyFiles, ...rest } = settings;
  const plain = JSON.parse(JSON.stringify({ ...rest, policyFiles: policyFiles.map(({ path }) => path) })) as {
    providers: { headers: Record<string, string> }[];
  };
  for (const provider of plain.providers) {
    for (const name of Object.keys(provider.headers)) {
      if (credentialHeader.test(name)) provider.headers[name] = String(new Secret(''));
    }
  }
  return plain as unknown as Record<string, unknown>;
}
