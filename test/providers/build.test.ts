import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../src/exchange/index.ts';
import { buildProvider, ProviderSettingsError } from '../../src/providers/index.ts';
import { provider, settingsFrom } from './load.ts';

const base = { id: 'here', format: 'openai', base_url: 'https://api.example.com/v1', models: { m: {} } };
/** A reference to the environment, `:-` and all. */
const from = (name: string) => `\${${name}}`;
const build = (value: object, environment: Record<string, string> = {}) =>
  buildProvider(settingsFrom({ ...base, ...value }), environment);

describe('settings of a provider', () => {
  test('know no other keys', () => {
    expect(() => settingsFrom({ ...base, base_uri: 'x' })).toThrow(/additional properties/);
    expect(() => settingsFrom({ ...base, quirks: { drop: [] } })).toThrow(/additional properties/);
    expect(() => settingsFrom({ ...base, models: { m: { input_usd: 1 } } })).toThrow(/additional properties/);
  });

  test.each(['gemini', 'bedrock', 'cohere'])('refuse the format %s, which is not supported yet', (format) => {
    expect(() => build({ format })).toThrow(/not supported yet/);
  });

  test.each(['sigv4', 'google'])('refuse auth %s, which is not supported yet', (type) => {
    expect(() => build({ auth: { type } })).toThrow(/not supported yet/);
  });

  test('refuse what would be accepted and not done', () => {
    expect(() => build({ health: { path: '/models' } })).toThrow(/not supported yet/);
    expect(() => build({ api_version: '2024-10-21' })).toThrow(/Only azure-openai/);
    expect(() => build({ format: 'demo' })).toThrow(/no base_url/);
    expect(() => build({ quirks: { drop_fields: ['user', 'max_tokens'] } })).toThrow(
      /nothing bounds what a reply costs/,
    );
  });

  test.each([
    ['ftp://example.com', /not an http/],
    ['file:///etc/passwd', /not an http/],
    ['example.com/v1', /not an http/],
    ['https://user:pass@example.com', /Credentials/],
    ['https://example.com/v1?x=1', /query/],
    ['', /not an http/],
  ])('refuse the base_url %s', (base_url, reason) => {
    expect(() => build({ base_url })).toThrow(reason);
  });

  test('say where they are wrong', () => {
    try {
      build({ models: { m: { input_usd_per_mtok: 1 } } });
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(ProviderSettingsError);
      expect(thrown).toMatchObject({ provider: 'here', path: ['models', 'm'] });
    }
  });

  test('refuse prices that cannot be exact or that fall as a call grows', () => {
    const priced = (extra: object) =>
      build({ models: { m: { input_usd_per_mtok: 2, output_usd_per_mtok: 4, ...extra } } });
    expect(() => priced({ cached_input_usd_per_mtok: 0.0000001 })).toThrow(/six decimals/);
    expect(() => priced({ long_context: { above_tokens: 10, input_usd_per_mtok: 1 } })).toThrow(/cannot be cheaper/);
    expect(() => priced({ valid_from: '2026-02-31x' })).toThrow();
    expect(() =>
      priced({
        valid_from: '2026-01-01',
        other_prices: [{ valid_from: '2026-01-01', input_usd_per_mtok: 1, output_usd_per_mtok: 1 }],
      }),
    ).toThrow(/same day/);
  });

  test('an empty enabled_if turns a provider off, without asking for its key', () => {
    const settings = { enabled_if: from('KEY:-'), auth: { type: 'bearer', key: from('KEY') } };
    expect(build(settings)).toBeUndefined();
    expect(build(settings, { KEY: '' })).toBeUndefined();
    expect(build(settings, { KEY: 'k' })?.id).toBe('here');
    expect(build({ enabled_if: 'false' })).toBeUndefined();
    expect(build({ enabled_if: false })).toBeUndefined();
  });

  test('a missing or empty key of a provider that is on is an error', () => {
    expect(() => build({ auth: { type: 'bearer', key: from('KEY') } })).toThrow(/has no KEY/);
    expect(() => build({ auth: { type: 'bearer', key: from('KEY:-') } })).toThrow(/empty/);
    expect(build({ auth: { type: 'bearer', key: from('KEY:-'), optional: true } })?.id).toBe('here');
  });

  test('a key a loader resolved is not expanded again', () => {
    const settings = settingsFrom({ ...base, auth: { type: 'bearer', key: 'x' } });
    const resolved = { ...settings, auth: { ...settings.auth!, key: new Secret(`literal-${from('HOME')}`) } };
    expect(buildProvider(resolved, {})?.id).toBe('here');
  });

  test('the key cannot be read from a provider', () => {
    const built = build({ auth: { type: 'bearer', key: from('KEY') } }, { KEY: 'sk-very-secret' })!;
    expect(inspect(built, { depth: 20, showHidden: true })).not.toContain('very-secret');
    expect(JSON.stringify(built)).not.toContain('very-secret');
  });

  test('Azure has deployments in its paths', () => {
    const azure = provider({
      format: 'azure-openai',
      base_url: 'https://r.openai.azure.com/',
      api_version: '2025-01-01',
    });
    const path = (model: string) => azure.requestPath({ path: '/chat/completions' }, { model });
    expect(path('gpt-4o')).toBe('/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01');
    expect(path('a/b?c')).toBe('/openai/deployments/a%2Fb%3Fc/chat/completions?api-version=2025-01-01');
    expect(() => path('..')).toThrow(/no name of a deployment/);
  });

  test('a path below the base stays there', async () => {
    const here = provider({});
    expect(here.requestPath({ path: '/chat/completions' }, { model: 'm' })).toBe('/v1/chat/completions');
    const times = { connect_timeout_ms: 50, first_byte_timeout_ms: 50, total_timeout_ms: 50 };
    for (const path of [
      '//evil.example/v1',
      'http://evil.example',
      '/v1/../admin',
      '/v1/%2e%2e/admin',
      '/a b',
      '/v1#x',
      '',
    ]) {
      await expect(here.send({ path, headers: {}, ...times }), path).rejects.toMatchObject({ code: 'internal_error' });
    }
    await here.close();
  });
});
