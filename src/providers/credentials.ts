import type { Secret } from '../exchange/index.ts';
import { type ProviderEnvironment, secretFrom } from './environment.ts';
import type { ProviderSettings } from './settings.ts';
import { ProviderSettingsError } from './settings-error.ts';

/** How a provider is shown who we are. The secret is revealed for each call, never kept in the open. */
export interface Credentials {
  /** Lower-case names of the headers this sets. */
  readonly names: readonly string[];
  /** The query parameter this sets, where it sets one. */
  readonly parameter?: string;
  /** Adds name and value to a flat list. */
  addTo(headers: string[]): void;
  /** The path with a query parameter, where the key is sent in one. */
  inPath(path: string): string;
}

const nothing: Credentials = { names: [], addTo: () => {}, inPath: (path) => path };

export function credentials(settings: ProviderSettings, environment: ProviderEnvironment): Credentials {
  const { auth, id } = settings;
  if (auth === undefined || auth.type === 'none') return nothing;
  if (auth.type === 'sigv4' || auth.type === 'google') {
    throw new ProviderSettingsError(id, ['auth', 'type'], `auth.type ${auth.type} is not supported yet.`);
  }
  const secret = secretFrom(auth.key, environment, { provider: id, path: ['auth', 'key'] });
  if (secret.empty) {
    if (auth.optional) return nothing;
    throw new ProviderSettingsError(id, ['auth', 'key'], 'The key is empty.');
  }
  if (/[^\x21-\x7e]/.test(secret.reveal())) {
    throw new ProviderSettingsError(id, ['auth', 'key'], 'The key has a character that cannot stand in a header.');
  }
  if (auth.type === 'bearer') return inHeader('authorization', 'Bearer ', secret);
  if (auth.name === undefined) {
    throw new ProviderSettingsError(id, ['auth'], `auth.type ${auth.type} needs a name.`);
  }
  if (auth.type === 'header') return inHeader(auth.name.toLowerCase(), '', secret);
  return inQuery(auth.name, secret);
}

function inHeader(name: string, prefix: string, secret: Secret): Credentials {
  return {
    names: [name],
    addTo: (headers) => {
      headers.push(name, prefix + secret.reveal());
    },
    inPath: (path) => path,
  };
}

function inQuery(name: string, secret: Secret): Credentials {
  const start = `${encodeURIComponent(name)}=`;
  return {
    names: [],
    parameter: name,
    addTo: () => {},
    inPath: (path) => `${path}${path.includes('?') ? '&' : '?'}${start}${encodeURIComponent(secret.reveal())}`,
  };
}
