import { Ajv } from 'ajv';
import { parse } from 'yaml';
import {
  buildProvider,
  type ModelsSettings,
  modelsSchema,
  type Provider,
  type ProviderEnvironment,
  type ProviderSettings,
  providerSchema,
} from '../../src/providers/index.ts';

const ajv = new Ajv({ allErrors: true, useDefaults: true, formats: { secret: true } });
const validProvider = ajv.compile<ProviderSettings>(providerSchema);
const validModels = ajv.compile<{ models: ModelsSettings }>({ type: 'object', properties: { models: modelsSchema } });

/** Settings as the configuration hands them on: validated, defaults filled in. Throws what is wrong. */
export function settingsFrom(value: unknown): ProviderSettings {
  const settings = structuredClone(value);
  if (!validProvider(settings)) throw new Error(ajv.errorsText(validProvider.errors));
  return settings;
}

export function settingsFromYaml(text: string): ProviderSettings {
  return settingsFrom(parse(text));
}

export function modelsFrom(value: unknown): ModelsSettings {
  const settings = { models: structuredClone(value) };
  if (!validModels(settings)) throw new Error(ajv.errorsText(validModels.errors));
  return settings.models;
}

export function provider(value: object, environment: ProviderEnvironment = {}): Provider {
  const built = buildProvider(
    settingsFrom({ id: 'here', format: 'openai', base_url: 'http://127.0.0.1:1/v1', models: { m: {} }, ...value }),
    environment,
  );
  if (built === undefined) throw new Error('The provider is off.');
  return built;
}
