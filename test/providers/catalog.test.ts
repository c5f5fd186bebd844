import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildCatalog, type Provider } from '../../src/providers/index.ts';
import { modelsFrom, provider } from './load.ts';

const openai = provider({ id: 'openai', models: { 'gpt-4o': { context_tokens: 128_000 }, 'gpt-4o-mini': {} } });
const azure = provider({ id: 'azure', models: { 'gpt-4o': {} } });
const groq = provider({ id: 'groq', models: { 'llama-3.3-70b': {} } });
const ollama = provider({ id: 'ollama', models: { '*': {}, 'llama3*': { context_tokens: 8192 } } });
const router = provider({ id: 'router', models: { '*/*': {} } });

const catalog = (providers: Provider[], models: object = {}, off?: string[]) =>
  buildCatalog({ providers, models: modelsFrom(models), ...(off === undefined ? undefined : { off }) });
const names = (resolved: readonly { provider: Provider; model: string }[]) =>
  resolved.map((candidate) => `${candidate.provider.id} ${candidate.model}`);

describe('a name clients use', () => {
  test("may be a provider's own", () => {
    expect(catalog([openai, groq]).resolve('gpt-4o', 0)).toMatchObject([
      { provider: { id: 'openai' }, model: 'gpt-4o', contextTokens: 128_000 },
    ]);
  });

  test('nobody knows has no candidates', () => {
    expect(catalog([openai]).resolve('gpt-5', 0)).toEqual([]);
    expect(catalog([openai]).resolve('toString', 0)).toEqual([]);
    expect(catalog([openai]).resolve('', 0)).toEqual([]);
  });

  test('shared by two providers is an error at load until an entry chooses', () => {
    expect(() => catalog([openai, azure])).toThrow(/openai and azure both have a model gpt-4o/);
    const chosen = catalog([openai, azure], {
      'gpt-4o': {
        candidates: [
          { provider: 'azure', model: 'gpt-4o' },
          { provider: 'openai', model: 'gpt-4o' },
        ],
      },
    });
    expect(names(chosen.resolve('gpt-4o', 0))).toEqual(['azure gpt-4o', 'openai gpt-4o']);
  });

  test('two providers of one id are an error', () => {
    expect(() => catalog([openai, openai])).toThrow(/Two providers are called openai/);
  });

  test('of an entry may name only models that are there', () => {
    const entry = (candidates: object[]) => ({ fast: { candidates } });
    expect(() => catalog([openai], entry([{ provider: 'openai', model: 'gpt-9' }]))).toThrow(/no model gpt-9/);
    expect(() => catalog([openai], entry([{ provider: 'opnai', model: 'gpt-4o' }]), ['groq'])).toThrow(
      /no provider opnai/,
    );
  });

  test('of an entry leaves out providers that are off', () => {
    const models = {
      fast: {
        candidates: [
          { provider: 'groq', model: 'x' },
          { provider: 'openai', model: 'gpt-4o-mini' },
        ],
      },
      gone: { candidates: [{ provider: 'groq', model: 'x' }] },
    };
    const built = catalog([openai], models, ['groq']);
    expect(names(built.resolve('fast', 0))).toEqual(['openai gpt-4o-mini']);
    expect(built.resolve('gone', 0)).toEqual([]);
    expect(built.list().map((info) => info.id)).toEqual(['fast', 'gpt-4o', 'gpt-4o-mini']);
  });

  test('may be a deployment called otherwise', () => {
    const deployed = provider({ id: 'azure', models: { 'azure/gpt-4o': { name: 'prod-4o' } } });
    const built = catalog([deployed], { smart: { candidates: [{ provider: 'azure', model: 'prod-4o' }] } });
    expect(names(built.resolve('azure/gpt-4o', 0))).toEqual(['azure prod-4o']);
    expect(names(built.resolve('smart', 0))).toEqual(['azure prod-4o']);
    expect(built.candidateFor('azure', 'azure/gpt-4o')?.model).toBe('prod-4o');
  });
});

describe('a pattern', () => {
  test('stands for every name that fits, after every exact one', () => {
    const built = catalog([openai, ollama]);
    expect(names(built.resolve('gpt-4o', 0))).toEqual(['openai gpt-4o']);
    expect(built.resolve('llama3.2:3b', 0)).toMatchObject([
      { provider: { id: 'ollama' }, model: 'llama3.2:3b', contextTokens: 8192 },
    ]);
    expect(names(built.resolve('qwen', 0))).toEqual(['ollama qwen']);
  });

  test("that fits beside another provider's is not chosen silently", () => {
    const built = catalog([ollama, router]);
    expect(() => built.resolve('meta/llama', 0)).toThrow(/ollama\/meta\/llama or router\/meta\/llama/);
    expect(names(built.resolve('router/meta/llama', 0))).toEqual(['router meta/llama']);
    expect(names(built.resolve('ollama/meta/llama', 0))).toEqual(['ollama meta/llama']);
    expect(names(built.resolve('plain', 0))).toEqual(['ollama plain']);
  });

  test("a provider's id before a name reaches nothing it does not list", () => {
    expect(catalog([openai]).resolve('openai/gpt-4o', 0)).toEqual([]);
    expect(
      catalog([ollama])
        .resolve('ollama/', 0)
        .map((candidate) => candidate.model),
    ).toEqual(['ollama/']);
  });

  test('is not listed', () => {
    expect(
      catalog([openai, ollama])
        .list()
        .map((info) => info.id),
    ).toEqual(['gpt-4o', 'gpt-4o-mini']);
  });

  test('matches like the expression it stands for', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 }).filter((text) => text.includes('*'));
    fc.assert(
      fc.property(word, fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 8 }), (pattern, name) => {
        const built = catalog([provider({ id: 'p', models: { [pattern]: {} } })]);
        const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name);
        expect(built.resolve(name, 0).length === 1).toBe(expected);
      }),
    );
  });
});

describe('the order to try', () => {
  const both = (strategy: string, weights: [number, number]) =>
    catalog([openai, groq], {
      fast: {
        strategy,
        candidates: [
          { provider: 'openai', model: 'gpt-4o-mini', weight: weights[0] },
          { provider: 'groq', model: 'llama-3.3-70b', weight: weights[1] },
        ],
      },
    });

  test('of fallback is as written', () => {
    for (const random of [0, 0.5, 0.999]) {
      expect(names(both('fallback', [1, 9]).resolve('fast', random))).toEqual([
        'openai gpt-4o-mini',
        'groq llama-3.3-70b',
      ]);
    }
  });

  test('of weighted gives each its share, and everyone a turn', () => {
    const built = both('weighted', [80, 20]);
    let first = 0;
    for (let i = 0; i < 1000; i += 1) {
      const order = names(built.resolve('fast', (i + 0.5) / 1000));
      expect([...order].sort()).toEqual(['groq llama-3.3-70b', 'openai gpt-4o-mini']);
      if (order[0] === 'openai gpt-4o-mini') first += 1;
    }
    expect(first).toBe(800);
  });

  test('of weight 0 comes last', () => {
    for (const random of [0, 0.3, 1]) {
      expect(names(both('weighted', [0, 1]).resolve('fast', random))[0]).toBe('groq llama-3.3-70b');
    }
  });

  test('of weighted is one of all orders, each by its odds', () => {
    const three = catalog([openai, groq], {
      fast: {
        strategy: 'weighted',
        candidates: [
          { provider: 'openai', model: 'gpt-4o', weight: 5 },
          { provider: 'openai', model: 'gpt-4o-mini', weight: 3 },
          { provider: 'groq', model: 'llama-3.3-70b', weight: 2 },
        ],
      },
    });
    const seen = new Map<string, number>();
    const rounds = 20_000;
    for (let i = 0; i < rounds; i += 1) {
      const order = three
        .resolve('fast', (i + 0.5) / rounds)
        .map((candidate) => candidate.model)
        .join(' ');
      seen.set(order, (seen.get(order) ?? 0) + 1);
    }
    expect(seen.get('gpt-4o gpt-4o-mini llama-3.3-70b')! / rounds).toBeCloseTo(0.5 * (3 / 5), 2);
    expect(seen.get('gpt-4o llama-3.3-70b gpt-4o-mini')! / rounds).toBeCloseTo(0.5 * (2 / 5), 2);
    expect(seen.get('llama-3.3-70b gpt-4o-mini gpt-4o')! / rounds).toBeCloseTo(0.2 * (3 / 8), 2);
    expect(seen.size).toBe(6);
  });

  test('of round_robin begins with the next one each time', () => {
    const built = both('round_robin', [1, 1]);
    const firsts = [1, 2, 3, 4].map(() => built.resolve('fast', 0)[0]!.provider.id);
    expect(firsts).toEqual(['openai', 'groq', 'openai', 'groq']);
  });
});
