import type { Settings } from '../config.ts';
import type { Usage } from '../exchange/index.ts';
import { placeProblems } from '../gateway/policy-places.ts';
import { buildCatalog, buildProvider, type Catalog, price } from '../providers/index.ts';
import type { PolicyText } from '../surfaces/cli/policy-files.ts';
import type { InForce } from '../surfaces/cli/ports.ts';

/** Policies and prices as the configuration has them. Nothing is opened: prices are only read. */
export function inForce(settings: Settings): InForce {
  let catalog: Catalog | undefined;
  return {
    policies: textsOf(settings, false),
    library: textsOf(settings, true),
    directory: settings.policyDirectory,
    default: settings.policies.default,
    unknownPlaces: (program, texts) => placeProblems(settings, program, [...texts]),
    costWith(model, usage, at_ms) {
      if (typeof usage !== 'object' || usage === null) return undefined;
      catalog ??= catalogOf(settings);
      const [candidate] = resolved(catalog, model);
      return candidate?.price === undefined ? undefined : price(candidate.price, usage as Usage, at_ms);
    },
  };
}

function textsOf({ policyFiles }: Settings, library: boolean): readonly PolicyText[] {
  return policyFiles
    .filter((one) => (one.library === true) === library)
    .map(({ path, place, text }) => ({ file: path, path: place, text }));
}

function catalogOf(settings: Settings): Catalog {
  const providers = settings.providers.flatMap((one) => buildProvider(one, {}) ?? []);
  return buildCatalog({ providers, models: settings.models, off: settings.providersOff });
}

// A name that several providers' patterns fit has no one price.
function resolved(catalog: Catalog, model: string) {
  try {
    return catalog.resolve(model, 0);
  } catch {
    return [];
  }
}
