import { type AIMessageChunk, HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { all, type ClientHouse, providers, startClients } from '../support/clients.ts';
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
const lima = { id: 'call_lima', name: 'weather', arguments: '{"city":"Lima"}' };
const prompt = [new SystemMessage('Be kind.'), new HumanMessage('How warm is it?')];

const weather = tool(() => 'cold', {
  name: 'weather',
  description: 'Tells the weather',
  schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
});

describe.each(providers)('ChatOpenAI before a provider of the $format format', ({ model }) => {
  const chat = (fields: object = {}) =>
    new ChatOpenAI({
      model,
      apiKey: teamKey,
      maxRetries: 0,
      configuration: { baseURL: house.gateway.baseUrl, fetch: house.fetch },
      ...fields,
    });

  test('invokes', async () => {
    house.says({ text, usage });
    const message = await chat().invoke(prompt);
    expect(message.text).toBe(text);
    expect(message.usage_metadata).toMatchObject({
      input_tokens: 20,
      output_tokens: 7,
      total_tokens: 27,
      input_token_details: { cache_read: 5 },
    });
    expect(message.response_metadata.finish_reason).toBe('stop');
  });

  test('streams', async () => {
    house.says({ text, usage, delta_characters: 3, pings: true });
    const chunks = await all(await chat().stream(prompt));
    const whole = chunks.reduce((sum: AIMessageChunk | undefined, chunk) => sum?.concat(chunk) ?? chunk, undefined);
    expect(chunks.map((chunk) => chunk.text).join('')).toBe(text);
    expect(chunks.length).toBeGreaterThan(5);
    expect(whole?.usage_metadata).toMatchObject({ input_tokens: 20, output_tokens: 7 });
    expect(house.ending()).toBe('end');
  });

  test('streams without usage where it is told not to ask for it', async () => {
    house.says({ text, usage });
    const chunks = await all(await chat({ streamUsage: false }).stream(prompt));
    expect(chunks.map((chunk) => chunk.text).join('')).toBe(text);
    expect(chunks.every((chunk) => chunk.usage_metadata === undefined)).toBe(true);
  });

  test('binds tools, gets calls whole or in fragments, and brings the results back', async () => {
    house.says({ tools: [oslo, lima], delta_characters: 3 });
    const bound = chat().bindTools([weather]);
    const expected = [
      { id: 'call_oslo', name: 'weather', args: { city: 'Oslo' } },
      { id: 'call_lima', name: 'weather', args: { city: 'Lima' } },
    ];
    const message = await bound.invoke(prompt);
    expect(message.tool_calls).toMatchObject(expected);
    const chunks = await all(await bound.stream(prompt));
    const whole = chunks.reduce((sum: AIMessageChunk | undefined, chunk) => sum?.concat(chunk) ?? chunk, undefined);
    expect(whole?.tool_calls).toMatchObject(expected);

    house.says({ text: 'It is cold.' });
    const results = (message.tool_calls ?? []).map(
      ({ id = '', args }) => new ToolMessage({ tool_call_id: id, content: `cold in ${args.city}` }),
    );
    const last = await bound.invoke([...prompt, message, ...results]);
    expect(last.text).toBe('It is cold.');
    const sent = JSON.stringify(house.sent().messages);
    for (const word of ['call_oslo', 'call_lima', 'cold in Oslo', 'cold in Lima']) expect(sent).toContain(word);
  });

  test('throws what breaks a stream', async () => {
    house.says({ text, die: 'middle' });
    await expect(chat().stream(prompt).then(all)).rejects.toThrow('broke off');
    house.says({ status: 529, error: { message: 'Overloaded, sorry.', type: 'overloaded_error' } });
    await expect(chat().invoke(prompt)).rejects.toThrow('Overloaded, sorry.');
  });
});
