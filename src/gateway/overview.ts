import { buildDirectory, type Directory, type KeyStore } from '../callers/index.ts';
import type { Settings } from '../config.ts';
import type { Secret } from '../exchange/index.ts';
import type { Program } from '../policy/index.ts';
import { buildCatalog, buildProvider, type Catalog, type Provider } from '../providers/index.ts';

/** What there is to know of a configuration in force without serving a call: its policies, its callers and its models. */
export interface Overview {
  readonly program: Program;
  readonly directory: Directory;
  readonly catalog: Pick<Catalog, 'list'>;
}

/**
 * The overview a process holds whose workers serve the calls. Providers are built to learn their models, and closed: nothing
 * of them stays. Rejects with `problems` what only shows when parts are put together.
 */
export async function openOverview(
  settings: Settings,
  keys: KeyStore,
  serverSecret: Secret,
  program: Program,
): Promise<Overview> {
  const directory = directoryOf(settings, keys, serverSecret);
  const catalog = catalogOf(settings);
  const models = catalog.list();
  await Promise.all(catalog.providers.map((provider) => provider.close()));
  return { program, directory, catalog: { list: () => models } };
}

/** The providers that are on, and the names of their models. */
export function catalogOf(settings: Settings): Catalog {
  const providers: Provider[] = [];
  for (const one of settings.providers) {
    const provider = buildProvider(one, {});
    if (provider !== undefined) providers.push(provider);
  }
  return buildCatalog({ providers, models: settings.models, off: settings.providersOff });
}

/** Who may call: the configured keys and those made at run time. */
export function directoryOf({ organizations, auth }: Settings, keys: KeyStore, serverSecret: Secret): Directory {
  return buildDirectory(organizations, auth, serverSecret, { store: keys });
}

/** The demo provider's model where it is on: it answers without an account. */
export function firstModel({ catalog }: Pick<Overview, 'catalog'>): string {
  const models = catalog.list();
  return (models.find(({ provider }) => provider === 'demo') ?? models[0])?.id ?? '';
}
