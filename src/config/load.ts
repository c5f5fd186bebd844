import { resolve } from 'node:path';
import { checkDocument, checkProviders } from './checks.ts';
import { basePath, type Reading, type TextFile } from './files.ts';
import { environmentOverrides } from './overrides.ts';
import { loadPolicies } from './policies.ts';
import { type LoadedProviders, loadProviders } from './providers.ts';
import { type Loaded, type LoadOptions, loadSettings, type Outcome, readDocument } from './read-document.ts';
import { withFilesBelow } from './redis-place.ts';
import { type GatewayDocument, gatewaySchema } from './schema.ts';
import type { Settings } from './settings.ts';
import { tryProviders } from './trial.ts';
import { deepFreeze } from './walk.ts';

export type LoadedConfig = Loaded<Settings>;

/** Reads and validates the gateway's configuration with everything it names. Never rejects for what is in files: see `problems`. */
export function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  return loadSettings(options, read);
}

async function read(path: string, reading: Reading): Promise<Outcome<Settings>> {
  const overrides = environmentOverrides(reading.env);
  const found = await readDocument<GatewayDocument>(path, reading, gatewaySchema, overrides);
  if ('problems' in found) return found;
  const { document, source, placed } = found;
  const providers = await loadProviders(document.providers, reading, source);
  const policies = await loadPolicies(document.policies, reading, source);
  const problems = [...placed(checkDocument(document)), ...providers.problems, ...policies.problems];
  if (providers.problems.length === 0) {
    const mentions = placed(checkProviders(document, providers));
    problems.push(...mentions);
    if (mentions.length === 0) problems.push(...(await tryProviders(providers.read, document.models, source)));
  }
  return problems.length > 0
    ? { problems }
    : { problems, settings: settingsOf(document, providers, policies.files, path, reading) };
}

function settingsOf(
  document: GatewayDocument,
  loaded: LoadedProviders,
  policyFiles: readonly TextFile[],
  file: string,
  { cwd, base }: Reading,
): Settings {
  const on = new Set(loaded.providers.map(({ id }) => id));
  const models = Object.entries(document.models)
    .map(
      ([name, model]) =>
        [name, { ...model, candidates: model.candidates.filter(({ provider }) => on.has(provider)) }] as const,
    )
    .filter(([, model]) => model.candidates.length > 0);
  return deepFreeze({
    ...document,
    file,
    state: { ...withFilesBelow(base, document.state), path: resolve(cwd, document.state.path) },
    audit: {
      ...document.audit,
      sinks: document.audit.sinks.map((sink) =>
        sink.path === undefined ? sink : { ...sink, path: resolve(cwd, sink.path) },
      ),
    },
    models: Object.fromEntries(models),
    passthrough: document.passthrough.filter(({ provider }) => on.has(provider)),
    providers: loaded.providers,
    providersOff: loaded.off,
    policyDirectory: basePath(document.policies.path, { base }),
    modelNames: {
      entries: Object.keys(document.models),
      providers: Object.fromEntries(loaded.read.map(({ provider: { id, models } }) => [id, namesOf(models)])),
    },
    policyFiles,
  });
}

/** Each with the provider's own word for it beside it, where that is another. */
function namesOf(
  models: LoadedProviders['read'][number]['provider']['models'],
): Settings['modelNames']['providers'][string] {
  return Object.entries(models).map(([name, { name: own }]) => ({ name, ...(own === undefined ? {} : { own }) }));
}
