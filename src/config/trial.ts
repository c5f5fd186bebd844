import { buildCatalog, buildProvider, type Provider, ProviderSettingsError } from '../providers/index.ts';
import type { Source } from './document.ts';
import type { Problem } from './problem.ts';
import type { ReadProvider } from './providers.ts';
import type { GatewayDocument } from './schema.ts';

/**
 * Builds the providers that are on and the catalog of their models, to see whether that can be done, and throws them
 * away again. What they refuse is told where it stands: rules of that room are not repeated here.
 */
export async function tryProviders(
  read: readonly ReadProvider[],
  models: GatewayDocument['models'],
  gateway: Source,
): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const built: Provider[] = [];
  const attempt = (build: () => void): void => {
    try {
      build();
    } catch (error) {
      if (!(error instanceof ProviderSettingsError)) throw error;
      const source = read.find(({ provider }) => provider.id === error.provider)?.source;
      const path = error.provider === undefined && error.path[0] !== 'models' ? ['models', ...error.path] : error.path;
      problems.push((source ?? gateway).problem(path, error.message));
    }
  };
  try {
    for (const { provider, on } of read) {
      if (!on) continue;
      attempt(() => {
        const one = buildProvider(provider, {});
        if (one !== undefined) built.push(one);
      });
    }
    const off = read.filter(({ on }) => !on).map(({ provider }) => provider.id);
    if (problems.length === 0) attempt(() => buildCatalog({ providers: built, models, off }));
  } finally {
    await Promise.all(built.map((provider) => provider.close()));
  }
  return problems;
}
