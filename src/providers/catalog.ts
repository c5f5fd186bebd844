import { Failure } from '../exchange/index.ts';
import { isPattern, matchesPattern } from './model-names.ts';
import { rotated, weightedOrder } from './order.ts';
import { priceBookVersion } from './price-book.ts';
import type { Candidate, Provider, ProviderModel } from './provider.ts';
import type { ModelsSettings } from './settings.ts';
import { ProviderSettingsError } from './settings-error.ts';

/** A name clients may use, for `/v1/models`. */
export interface ModelInfo {
  readonly id: string;
  /** The provider of its first candidate. */
  readonly provider: string;
  /** Whether it is an entry of `models` and not a provider's own name. */
  readonly alias: boolean;
  readonly contextTokens?: number;
  readonly outputTokensMax?: number;
}

/** Which providers and models stand behind a name. Immutable but for the turn of `round_robin`. */
export interface Catalog {
  /**
   * Candidates of a name in the order to try, empty where nobody knows it. `random` (0 to 1) draws where the strategy is
   * weighted. An entry of `models` comes first, then a provider's own name, then patterns. Throws `model_not_found` where
   * several providers' patterns fit: `provider/name` says which.
   */
  resolve(model: string, random: number): readonly Candidate[];
  /** Candidates a name, or `provider/name`, may lead to, in no order and without taking a turn; empty where nobody knows it, or several may. */
  standing(model: string): readonly Candidate[];
  /** Every name but patterns, sorted. */
  list(): readonly ModelInfo[];
  /** A provider's own model, where a policy names both. */
  candidateFor(providerId: string, model: string): Candidate | undefined;
  readonly providers: readonly Provider[];
  readonly priceBookVersion: string;
}

export interface CatalogParts {
  /** Enabled ones. */
  readonly providers: readonly Provider[];
  /** The section `models`. */
  readonly models: ModelsSettings;
  /** Ids of providers that are known but off. Where given, an entry that names neither these nor an enabled one is an error. */
  readonly off?: readonly string[];
}

interface Entry {
  readonly strategy: ModelsSettings[string]['strategy'];
  readonly candidates: readonly { readonly value: Candidate; readonly weight: number }[];
  turn: number;
}

/**
 * Joins providers and the section `models`. Candidates of a provider that is off are left out. Throws
 * ProviderSettingsError: two providers share an id, or a model's name that no entry of `models` decides; an entry names a
 * model its provider does not have, or a provider nobody knows.
 */
export function buildCatalog({ providers, models, off }: CatalogParts): Catalog {
  const byId = new Map<string, Provider>();
  for (const provider of providers) {
    if (byId.has(provider.id))
      throw new ProviderSettingsError(provider.id, ['id'], `Two providers are called ${provider.id}.`);
    byId.set(provider.id, provider);
  }
  const exact = new Map<string, Map<string, Candidate>>();
  const owners = new Map<string, Candidate[]>();
  for (const provider of providers) {
    const own = new Map<string, Candidate>();
    for (const model of provider.models) {
      if (isPattern(model.name)) continue;
      const candidate = candidateOf(provider, model, model.providerName ?? model.name);
      own.set(model.name, candidate);
      owners.set(model.name, [...(owners.get(model.name) ?? []), candidate]);
    }
    // The provider's own word for it serves as well, where no other of its models is called that.
    for (const candidate of [...own.values()]) if (!own.has(candidate.model)) own.set(candidate.model, candidate);
    exact.set(provider.id, own);
  }

  const candidateFor = (providerId: string, model: string): Candidate | undefined => {
    const provider = byId.get(providerId);
    if (provider === undefined) return undefined;
    const known = exact.get(providerId)?.get(model);
    if (known !== undefined) return known;
    const pattern = bestPattern(provider, model);
    return pattern === undefined ? undefined : candidateOf(provider, pattern, model);
  };

  const entries = new Map<string, Entry>();
  for (const [name, settings] of Object.entries(models)) {
    const candidates = settings.candidates.flatMap(({ provider, model, weight }, index) => {
      const path = ['models', name, 'candidates', index];
      if (!byId.has(provider)) {
        if (off === undefined || off.includes(provider)) return [];
        throw new ProviderSettingsError(undefined, path, `There is no provider ${provider}.`);
      }
      const value = candidateFor(provider, model);
      if (value === undefined) {
        throw new ProviderSettingsError(undefined, path, `Provider ${provider} has no model ${model}.`);
      }
      return [{ value, weight }];
    });
    entries.set(name, { strategy: settings.strategy, candidates, turn: 0 });
  }
  for (const [name, shared] of owners) {
    if (shared.length > 1 && !entries.has(name)) {
      const ids = shared.map((candidate) => candidate.provider.id).join(' and ');
      throw new ProviderSettingsError(
        shared[1]?.provider.id,
        ['models', name],
        `Providers ${ids} both have a model ${name}: an entry under models must choose.`,
      );
    }
  }

  return {
    resolve: (model, random) => {
      const entry = entries.get(model);
      if (entry !== undefined) return inOrder(entry, random);
      const own = owners.get(model);
      return own ?? byPattern(providers, byId, model);
    },
    standing: (model) => {
      const entry = entries.get(model);
      if (entry !== undefined) return entry.candidates.map(({ value }) => value);
      const own = owners.get(model);
      if (own !== undefined) return own;
      const slash = model.indexOf('/');
      const named = slash > 0 ? candidateFor(model.slice(0, slash), model.slice(slash + 1)) : undefined;
      if (named !== undefined) return [named];
      try {
        return byPattern(providers, byId, model);
      } catch (thrown) {
        if (thrown instanceof Failure) return [];
        throw thrown;
      }
    },
    list: () => listed(entries, owners),
    candidateFor,
    providers,
    priceBookVersion: priceBookVersion(providers),
  };
}

function candidateOf(
  provider: Provider,
  { name: _, providerName: __, modalities: ___, ...known }: ProviderModel,
  model: string,
): Candidate {
  return { provider, model, ...known };
}

/** The pattern that says most: the one with the most letters of its own. */
function bestPattern(provider: Provider, model: string): ProviderModel | undefined {
  let best: ProviderModel | undefined;
  for (const known of provider.models) {
    if (!isPattern(known.name) || !matchesPattern(known.name, model)) continue;
    if (best === undefined || known.name.length > best.name.length) best = known;
  }
  return best;
}

function inOrder(entry: Entry, random: number): readonly Candidate[] {
  switch (entry.strategy) {
    case 'fallback':
      return entry.candidates.map(({ value }) => value);
    case 'weighted':
      return weightedOrder(entry.candidates, random);
    case 'round_robin': {
      const turn = entry.turn;
      entry.turn = (turn + 1) % Math.max(1, entry.candidates.length);
      return rotated(entry.candidates, turn).map(({ value }) => value);
    }
  }
}

function byPattern(providers: readonly Provider[], byId: ReadonlyMap<string, Provider>, model: string): Candidate[] {
  const slash = model.indexOf('/');
  const chosen = slash > 0 ? byId.get(model.slice(0, slash)) : undefined;
  if (chosen !== undefined) {
    const rest = model.slice(slash + 1);
    const pattern = rest === '' ? undefined : bestPattern(chosen, rest);
    if (pattern !== undefined) return [candidateOf(chosen, pattern, rest)];
  }
  const fitting: Candidate[] = [];
  for (const provider of providers) {
    const pattern = bestPattern(provider, model);
    if (pattern !== undefined) fitting.push(candidateOf(provider, pattern, model));
  }
  if (fitting.length > 1) {
    // Choosing for the caller could send words meant for a machine of the house to somebody else's.
    const names = fitting.map((candidate) => `${candidate.provider.id}/${model}`).join(' or ');
    throw new Failure('model_not_found', `Several providers may have model ${model}: ask for ${names}.`, {
      param: 'model',
    });
  }
  return fitting;
}

function listed(entries: ReadonlyMap<string, Entry>, owners: ReadonlyMap<string, readonly Candidate[]>): ModelInfo[] {
  const infos: ModelInfo[] = [];
  for (const [id, entry] of entries) {
    const first = entry.candidates[0]?.value;
    if (first !== undefined) infos.push(infoOf(id, first, true));
  }
  for (const [id, [first]] of owners) {
    if (first !== undefined && !entries.has(id)) infos.push(infoOf(id, first, false));
  }
  return infos.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function infoOf(id: string, candidate: Candidate, alias: boolean): ModelInfo {
  return {
    id,
    provider: candidate.provider.id,
    alias,
    ...(candidate.contextTokens === undefined ? undefined : { contextTokens: candidate.contextTokens }),
    ...(candidate.outputTokensMax === undefined ? undefined : { outputTokensMax: candidate.outputTokensMax }),
  };
}
