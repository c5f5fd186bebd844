import { Failure } from '../exchange/index.ts';
import { formats } from '../formats/index.ts';
import { credentials } from './credentials.ts';
import { demoProvider } from './demo/provider.ts';
import { expand, type ProviderEnvironment } from './environment.ts';
import { HttpProvider } from './http-provider.ts';
import { isPattern } from './model-names.ts';
import { modelPrice } from './price-book.ts';
import type { Provider, ProviderModel, Quirks } from './provider.ts';
import type { ModelSettings, ProviderSettings } from './settings.ts';
import { ProviderSettingsError } from './settings-error.ts';

export type { ProviderEnvironment };

/** Azure's stable version of the chat API (Microsoft, Azure OpenAI REST API reference, 2026). */
const azureApiVersion = '2024-10-21';

/**
 * A provider from its validated settings; undefined where `enabled_if` says no. `${NAME}` left in the settings is read from
 * `environment`; a key a loader has made a Secret of is taken as it is. Throws ProviderSettingsError with a path into the
 * settings: a format or auth that is not supported yet, no or a strange `base_url`, an empty key, half a price.
 */
export function buildProvider(settings: ProviderSettings, environment: ProviderEnvironment): Provider | undefined {
  const { id } = settings;
  const format = formatOf(settings);
  const models = Object.entries(settings.models).map(([name, model]) => providerModel(settings, name, model));
  if (models.length === 0) throw new ProviderSettingsError(id, ['models'], 'A provider needs at least one model.');
  if (settings.health !== undefined) {
    throw new ProviderSettingsError(id, ['health'], 'Active health checks are not supported yet.');
  }
  if (!enabled(settings, environment)) return undefined;
  const common = { id, format, models, quirks: quirksOf(settings), region: settings.region };

  if (settings.format === 'demo') {
    for (const key of ['base_url', 'auth', 'api_version'] as const) {
      if (settings[key] !== undefined) throw new ProviderSettingsError(id, [key], `A demo provider has no ${key}.`);
    }
    return demoProvider(common);
  }
  const azure = settings.format === 'azure-openai';
  if (settings.api_version !== undefined && !azure) {
    throw new ProviderSettingsError(id, ['api_version'], 'Only azure-openai has an api_version.');
  }
  const { origin, basePath } = baseOf(settings, environment);
  const version = settings.api_version ?? azureApiVersion;
  return new HttpProvider({
    ...common,
    origin,
    basePath,
    requestPath: azure
      ? (path, model) => `${basePath}/openai/deployments/${segment(model)}${path}?api-version=${version}`
      : (path) => basePath + path,
    credentials: credentials(settings, environment),
    headers: ownHeaders(settings, environment),
    transport: settings.connections,
  });
}

function formatOf({ id, format }: ProviderSettings): Provider['format'] {
  switch (format) {
    case 'openai':
    case 'azure-openai':
    case 'demo':
      return formats['openai-chat'];
    case 'anthropic':
      return formats['anthropic-messages'];
    default:
      throw new ProviderSettingsError(id, ['format'], `Format ${format} is not supported yet.`);
  }
}

function enabled({ id, enabled_if }: ProviderSettings, environment: ProviderEnvironment): boolean {
  if (enabled_if === undefined) return true;
  if (typeof enabled_if === 'boolean') return enabled_if;
  const value = expand(enabled_if, environment, { provider: id, path: ['enabled_if'] });
  return !/^\s*(false|0|no|off)?\s*$/i.test(value);
}

function baseOf(settings: ProviderSettings, environment: ProviderEnvironment): { origin: string; basePath: string } {
  const at = { provider: settings.id, path: ['base_url'] };
  const wrong = (message: string) => new ProviderSettingsError(at.provider, at.path, message);
  if (settings.base_url === undefined) throw wrong('A provider needs a base_url.');
  const text = expand(settings.base_url, environment, at);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw wrong('base_url is not an http or https address.');
  }
  if (url.username !== '' || url.password !== '') throw wrong('Credentials belong in auth, not in base_url.');
  if (url.search !== '' || url.hash !== '') throw wrong('base_url ends before the ? of a query.');
  return { origin: url.origin, basePath: url.pathname.replace(/\/+$/, '') };
}

/** A name of a model as one segment of a path. Dots alone would climb. */
function segment(model: string): string {
  if (/^\.*$/.test(model)) throw new Failure('model_not_found', `Model ${model} is no name of a deployment.`);
  return encodeURIComponent(model);
}

function ownHeaders(settings: ProviderSettings, environment: ProviderEnvironment): [string, string][] {
  return Object.entries(settings.headers).map(([name, value]) => {
    const path = ['headers', name];
    const expanded = expand(value, environment, { provider: settings.id, path });
    if (/[^\t\x20-\x7e\x80-\xff]/.test(expanded)) {
      throw new ProviderSettingsError(settings.id, path, 'The value has a character that cannot stand in a header.');
    }
    return [name.toLowerCase(), expanded];
  });
}

function providerModel(provider: ProviderSettings, name: string, settings: ModelSettings): ProviderModel {
  const { id, region, discount_percent } = provider;
  const price = modelPrice(id, settings, ['models', name], {
    ...(region === undefined ? undefined : { region }),
    ...(discount_percent === undefined ? undefined : { discount_percent }),
  });
  if (settings.name !== undefined && isPattern(name)) {
    throw new ProviderSettingsError(id, ['models', name, 'name'], 'A pattern stands for many names.');
  }
  return {
    name,
    ...(settings.name === undefined ? undefined : { providerName: settings.name }),
    ...(price === undefined ? undefined : { price }),
    ...(settings.context_tokens === undefined ? undefined : { contextTokens: settings.context_tokens }),
    ...(settings.output_tokens_max === undefined ? undefined : { outputTokensMax: settings.output_tokens_max }),
    ...(settings.hosted_calls_max === undefined ? undefined : { hostedCallsMax: settings.hosted_calls_max }),
    ...(settings.hosted_input_tokens_max === undefined
      ? undefined
      : { hostedInputTokensMax: settings.hosted_input_tokens_max }),
    ...(settings.reasoning === undefined ? undefined : { reasoning: settings.reasoning }),
    ...(settings.tokenizer === undefined || settings.tokenizer === 'none'
      ? undefined
      : { tokenizer: settings.tokenizer }),
    ...(settings.image_tokens === undefined ? undefined : { imageTokens: settings.image_tokens }),
    ...(settings.modalities === undefined ? undefined : { modalities: settings.modalities }),
  };
}

/** What bounds a reply, in all formats: a call holds what it may cost under these. */
const boundFields: readonly string[] = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'];

function quirksOf({ id, quirks }: ProviderSettings): Quirks {
  for (const [index, field] of quirks.drop_fields.entries()) {
    if (!boundFields.includes(field)) continue;
    const message = `Without ${field} nothing bounds what a reply costs. A provider that calls it otherwise needs rename_fields.`;
    throw new ProviderSettingsError(id, ['quirks', 'drop_fields', index], message);
  }
  return {
    dropFields: quirks.drop_fields,
    renameFields: quirks.rename_fields,
    streamUsage: quirks.stream_usage,
  };
}
