import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { buildCatalog, buildProvider, type Provider, price } from '../../src/providers/index.ts';
import { settingsFromYaml } from './load.ts';

const directory = new URL('../../providers/', import.meta.url);
const files = readdirSync(directory).filter((name) => name.endsWith('.yaml'));
const text = (file: string) => readFileSync(new URL(file, directory), 'utf8');
const now_ms = Date.parse('2026-11-21T00:00:00Z');

/** Every variable the files name, set to something. */
function everything(): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const file of files) {
    for (const [, name] of text(file).matchAll(/\$\{([A-Z_]+)/g)) {
      environment[name!] = /URL|ENDPOINT/.test(name!) ? 'http://127.0.0.1:1/v1' : 'a-key';
    }
  }
  return environment;
}

function build(environment: Record<string, string>): Provider[] {
  return files.flatMap((file) => buildProvider(settingsFromYaml(text(file)), environment) ?? []);
}

describe('the providers in the box', () => {
  test('cover the vendors they promise', () => {
    expect(files.map((file) => file.replace('.yaml', '')).sort()).toEqual(
      'anthropic azure-openai deepseek demo fireworks groq mistral ollama openai openai-compatible openrouter together vllm xai'.split(
        ' ',
      ),
    );
  });

  test.each(files)('%s names its schema in its first line, and its id is its name', (file) => {
    expect(text(file)).toMatch(/^# yaml-language-server: \$schema=\.\.\/config\/provider\.schema\.json\n/);
    expect(settingsFromYaml(text(file)).id).toBe(file.replace('.yaml', ''));
  });

  test('are off but for the demo where no key is set', () => {
    expect(build({}).map((provider) => provider.id)).toEqual(['demo']);
  });

  test('are all on, and share no name, where every key is set', () => {
    const providers = build(everything());
    expect(providers.map((provider) => provider.id).sort()).toHaveLength(files.length);
    const catalog = buildCatalog({ providers, models: {} });
    expect(catalog.list().length).toBeGreaterThan(100);
    expect(catalog.resolve('gpt-4o-mini', 0)[0]?.provider.id).toBe('openai');
    expect(catalog.resolve('azure/gpt-4o', 0)[0]).toMatchObject({ model: 'gpt-4o', provider: { id: 'azure-openai' } });
    expect(catalog.resolve('vllm/meta-llama/Llama-3.1-8B-Instruct', 0)[0]).toMatchObject({
      model: 'meta-llama/Llama-3.1-8B-Instruct',
      provider: { id: 'vllm' },
    });
  });

  test('have a price for every model they name, and for the free ones it is zero', () => {
    for (const provider of build(everything())) {
      for (const model of provider.models) {
        if (model.name.includes('*')) continue;
        const cost = price(model.price!, { input: 1_000_000, output: 1_000_000 }, now_ms);
        expect(cost, `${provider.id} ${model.name}`).toBeGreaterThan(0);
      }
    }
    const [ollama] = build({ OLLAMA_BASE_URL: 'http://127.0.0.1:1/v1' }).filter(({ id }) => id === 'ollama');
    expect(price(ollama!.models[0]!.price!, { input: 1_000_000, output: 9 }, now_ms)).toBe(0);
  });

  test('let no client name other models beside the one that is judged', () => {
    const body = {
      model: 'z-ai/glm-5',
      models: ['anthropic/claude-sonnet-4.6'],
      route: 'fallback',
      preset: 'dear',
      plugins: [{ id: 'web' }],
      messages: [{ role: 'user', content: 'Hi' }],
    };
    const [provider] = build(everything()).filter(({ id }) => id === 'openrouter');
    const { format, quirks } = provider!;
    const view = format.read(Buffer.from(JSON.stringify(body)));
    const edits = { model: 'z-ai/glm-5', texts: [], set: {}, remove: [], askUsage: false };
    const sent = format.encodeRequest(view, { ...edits, ...quirks });
    expect(JSON.parse(sent.body.toString())).toEqual({ model: body.model, messages: body.messages });
    expect(sent.warnings).toHaveLength(4);
  });

  test.each(['"default"', '[{"model":"claude-opus-5"}]'])('nor one to fall back to: %s', (fallbacks) => {
    const [provider] = build(everything()).filter(({ id }) => id === 'anthropic');
    const { format, quirks } = provider!;
    const rest = '"model":"claude-haiku-4-5","max_tokens":5,"messages":[{"role":"user","content":"fall"}]}';
    const edits = { model: 'claude-haiku-4-5', texts: [], set: {}, remove: [], askUsage: false };
    for (const name of ['fallbacks', 'f\\u0061llbacks']) {
      const view = format.read(Buffer.from(`{"${name}":${fallbacks},${rest}`));
      const sent = format.encodeRequest(view, { ...edits, ...quirks });
      expect(sent.body.toString()).toBe(`{${rest}`);
      expect(sent.warnings).toEqual(['fallbacks: not supported by this provider, left out']);
    }
    const plain = format.encodeRequest(format.read(Buffer.from(`{${rest}`)), { ...edits, ...quirks });
    expect([plain.body.toString(), plain.warnings]).toEqual([`{${rest}`, []]);
  });

  test('cost what the price lists say', () => {
    const providers = build(everything());
    const cost = (id: string, name: string, usage: Parameters<typeof price>[1]) => {
      const model = providers.find((provider) => provider.id === id)?.models.find((known) => known.name === name);
      return price(model!.price!, usage, now_ms)! / 1e9;
    };
    expect(cost('openai', 'gpt-4o-mini', { input: 1_000_000, output: 0 })).toBe(0.15);
    expect(cost('openai', 'gpt-4o-mini', { input: 1_000_000, output: 0, cacheRead: 1_000_000 })).toBe(0.075);
    expect(cost('anthropic', 'claude-sonnet-4-5', { input: 100_000, output: 1_000 })).toBe(0.315);
    expect(cost('anthropic', 'claude-sonnet-4-5', { input: 300_000, output: 1_000 })).toBe(1.8225);
    expect(cost('anthropic', 'claude-opus-5', { input: 1_000_000, output: 0, serviceTier: 'fast' })).toBe(10);
    expect(cost('openai', 'gpt-5.4', { input: 300_000, output: 1_000 })).toBe(1.5225);
    expect(cost('openai', 'gpt-4o', { input: 1_000_000, output: 0, serviceTier: 'priority' })).toBe(4.25);
  });
});
