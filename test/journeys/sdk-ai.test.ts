import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, jsonSchema, type LanguageModel, stepCountIs, streamText, tool } from 'ai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { all, type ClientHouse, providers, startClients } from '../support/clients.ts';
import type { FakeReply } from '../support/fake-provider.ts';
import { teamKey } from '../support/gateway.ts';

let house: ClientHouse;
beforeAll(async () => {
  house = await startClients();
});
afterEach(() => house.check());
afterAll(() => house.close());

const text = 'Grüße, 你好 and 👋🏽 from afar.';
const usage = { input: 20, output: 7, cacheRead: 5 };
const oslo = { id: 'call_oslo', name: 'weather', arguments: '{"city":"Oslo"}' };

const clients = [
  {
    client: '@ai-sdk/openai',
    model: (name: string): LanguageModel =>
      createOpenAI({ baseURL: house.gateway.baseUrl, apiKey: teamKey, fetch: house.fetch }).chat(name),
  },
  {
    client: '@ai-sdk/openai-compatible',
    model: (name: string): LanguageModel =>
      createOpenAICompatible({
        name: 'gateway',
        baseURL: house.gateway.baseUrl,
        apiKey: teamKey,
        includeUsage: true,
        fetch: house.fetch,
      })(name),
  },
];
const journeys = clients.flatMap(({ client, model }) =>
  providers.map(({ format, model: name }) => ({ client, format, model: () => model(name) })),
);

describe.each(journeys)('ai with $client before a provider of the $format format', ({ client, model }) => {
  test('generates a text with its usage', async () => {
    house.says({ text, usage });
    const result = await generateText({ model: model(), system: 'Be kind.', prompt: 'Hi', maxOutputTokens: 50 });
    expect(result.text).toBe(text);
    expect(result.finishReason).toBe('stop');
    expect(result.usage).toMatchObject({ inputTokens: 20, outputTokens: 7, totalTokens: 27 });
    expect(result.usage.inputTokenDetails.cacheReadTokens).toBe(5);
    expect(result.warnings ?? []).toEqual([]);
  });

  test('streams a text with its usage', async () => {
    house.says({ text, usage, delta_characters: 3, pings: true });
    const result = streamText({ model: model(), prompt: 'Hi' });
    const deltas = await all(result.textStream);
    expect(deltas.join('')).toBe(text);
    expect(deltas.length).toBeGreaterThan(5);
    expect(await result.finishReason).toBe('stop');
    expect(await result.usage).toMatchObject({ inputTokens: 20, outputTokens: 7 });
    expect(house.ending()).toBe('end');
  });

  test.each(['generate', 'stream'] as const)('calls a tool and goes on with its result (%s)', async (how) => {
    house.says({});
    const turns: FakeReply[] = [{ tools: [oslo], delta_characters: 3 }, { text: 'It is cold.' }];
    house.provider.reply = () => turns.shift() ?? { status: 500 };
    const asked: unknown[] = [];
    const weather = tool({
      description: 'Tells the weather',
      inputSchema: jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } } }),
      execute: (input) => {
        asked.push(input);
        return { celsius: -3 };
      },
    });
    const ask = { model: model(), prompt: 'How warm is it in Oslo?', tools: { weather }, stopWhen: stepCountIs(3) };
    const result = how === 'generate' ? await generateText(ask) : streamText(ask);
    expect(await result.text).toBe('It is cold.');
    expect(asked).toEqual([{ city: 'Oslo' }]);
    expect(await result.steps).toHaveLength(2);
    expect(house.provider.requests).toHaveLength(2);
    expect(JSON.stringify(house.sent().messages)).toContain('celsius');
    expect(JSON.stringify(house.sent().messages)).toContain('call_oslo');
  });

  if (client === '@ai-sdk/openai-compatible') {
    test('reads reasoning beside the text', async () => {
      house.says({ reasoning: 'Think hard.', text: 'Done.', delta_characters: 4 });
      const plain = await generateText({ model: model(), prompt: 'Hi' });
      expect(plain).toMatchObject({ reasoningText: 'Think hard.', text: 'Done.' });
      const streamed = streamText({ model: model(), prompt: 'Hi' });
      expect(await streamed.reasoningText).toBe('Think hard.');
      expect(await streamed.text).toBe('Done.');
    });
  }

  test('tells an error of the provider, before and in the middle of a stream', async () => {
    const error = { message: 'Slow down.', type: 'rate_limit_error' };
    house.says({ status: 429, error, retryAfter: 3 });
    const thrown = await generateText({ model: model(), prompt: 'Hi', maxRetries: 0 }).catch((one: unknown) => one);
    expect(APICallError.isInstance(thrown) && [thrown.statusCode, thrown.message, thrown.isRetryable]).toEqual([
      429,
      'Slow down.',
      true,
    ]);
    house.says({ text, middleError: { message: 'Overloaded, sorry.', type: 'overloaded_error' } });
    const result = streamText({ model: model(), prompt: 'Hi', onError: () => {} });
    const parts = await all(result.fullStream);
    const told = parts.flatMap((part) =>
      part.type === 'error' ? [JSON.stringify(part.error) + String(part.error)] : [],
    );
    expect(told.join()).toContain('Overloaded, sorry.');
    const finish = parts.find((part) => part.type === 'finish-step');
    expect(finish === undefined || finish.finishReason === 'error').toBe(true);
  });
});
