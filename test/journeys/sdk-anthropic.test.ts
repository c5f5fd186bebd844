import Anthropic from '@anthropic-ai/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { all, anthropicModel, type ClientHouse, providers, startClients } from '../support/clients.ts';
import { teamKey } from '../support/gateway.ts';

let house: ClientHouse;
beforeAll(async () => {
  house = await startClients();
});
afterEach(() => house.check());
afterAll(() => house.close());

const user = { role: 'user', content: 'Hi' } as const;
const text = 'Grüße, 你好 and 👋🏽 from afar.\n\nBye.';
const usage = { input: 20, output: 7, cacheRead: 5, cacheWrite: 3 };
const told = { input_tokens: 12, output_tokens: 7, cache_read_input_tokens: 5, cache_creation_input_tokens: 3 };
const image = 'iVBORw0KGgo=';

describe.each(providers)("Anthropic's client before a provider of the $format format", ({ format, model }) => {
  const ask = { model, max_tokens: 100, messages: [user] };

  test('reads a plain reply: text, usage, reason, ids', async () => {
    house.says({ text, usage });
    const message = await house.anthropic.messages.create(ask);
    expect(message).toMatchObject({
      type: 'message',
      role: 'assistant',
      model,
      stop_reason: 'end_turn',
      stop_sequence: null,
    });
    expect(message.content).toEqual([{ type: 'text', text }]);
    expect(message.usage).toMatchObject(told);
    expect(message.id).toBe(format === 'openai' ? 'chatcmpl-fake-0123456789' : 'msg_fake-0123456789');
    expect(house.calls[0]?.headers.get('x-request-id')).toMatch(/^ex_[0-9a-f]{32}$/);
  });

  test('reads a stream event by event', async () => {
    house.says({ text, usage, pings: true });
    const events = await all(await house.anthropic.messages.create({ ...ask, stream: true }));
    const deltas = events.filter((event) => event.type === 'content_block_delta');
    expect(deltas.map(({ delta }) => (delta.type === 'text_delta' ? delta.text : '')).join('')).toBe(text);
    expect(deltas.length).toBeGreaterThan(3);
    expect(events[0]?.type).toBe('message_start');
    const last = events.find((event) => event.type === 'message_delta');
    expect(last?.delta.stop_reason).toBe('end_turn');
    expect(last?.usage).toMatchObject(told);
    expect(events.at(-1)?.type).toBe('message_stop');
    expect(house.ending()).toBe('end');
    // This format always tells usage, so a provider with a switch for it is asked.
    if (format === 'openai') expect(house.sent().stream_options).toEqual({ include_usage: true });
  });

  test('puts a message together with its stream helper', async () => {
    house.says({ text, usage, delta_characters: 2 });
    const stream = house.anthropic.messages.stream(ask);
    let heard = '';
    stream.on('text', (delta) => {
      heard += delta;
    });
    const message = await stream.finalMessage();
    expect(heard).toBe(text);
    expect(await stream.finalText()).toBe(text);
    expect(message).toMatchObject({ model, stop_reason: 'end_turn', content: [{ type: 'text', text }] });
    expect(message.usage).toMatchObject(told);
  });

  test('is heard in every role', async () => {
    house.says({});
    await house.anthropic.messages.create({
      ...ask,
      system: [
        { type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } },
        { type: 'text', text: 'Be kind.' },
      ],
      messages: [
        user,
        { role: 'assistant', content: 'Hello.' },
        { role: 'user', content: [{ type: 'text', text: 'And?' }] },
      ],
    });
    const sent = house.sent();
    if (format === 'anthropic') {
      expect(sent.system).toMatchObject([{ cache_control: { type: 'ephemeral' } }, { text: 'Be kind.' }]);
      expect(sent.messages[2]).toEqual({ role: 'user', content: [{ type: 'text', text: 'And?' }] });
    } else {
      expect(sent.messages).toEqual([
        {
          role: 'system',
          content: [
            { type: 'text', text: 'Be brief.' },
            { type: 'text', text: 'Be kind.' },
          ],
        },
        user,
        { role: 'assistant', content: 'Hello.' },
        { role: 'user', content: 'And?' },
      ]);
      expect(sent.max_completion_tokens).toBe(100);
      expect(house.calls[0]?.headers.get('x-llm-warning')).toContain('cache_control');
    }
    await house.anthropic.messages.create({ ...ask, system: 'Be brief.' });
    if (format === 'anthropic') expect(house.sent().system).toBe('Be brief.');
    else expect(house.sent().messages[0]).toEqual({ role: 'system', content: 'Be brief.' });
  });

  test('shows images', async () => {
    house.says({ text: 'A cat.' });
    const content: Anthropic.ContentBlockParam[] = [
      { type: 'text', text: 'What is this?' },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: image } },
      { type: 'image', source: { type: 'url', url: 'https://example.com/cat.jpg' } },
    ];
    const message = await house.anthropic.messages.create({ ...ask, messages: [{ role: 'user', content }] });
    expect(message.content).toEqual([{ type: 'text', text: 'A cat.' }]);
    expect(house.sent().messages[0]?.content).toEqual(
      format === 'anthropic'
        ? content
        : [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${image}` } },
            { type: 'image_url', image_url: { url: 'https://example.com/cat.jpg' } },
          ],
    );
  });

  test.each([
    { words: { openai: 'stop', anthropic: 'end_turn' }, reason: 'end_turn' },
    { words: { openai: 'length', anthropic: 'max_tokens' }, reason: 'max_tokens' },
    { words: { openai: 'content_filter', anthropic: 'refusal' }, reason: 'refusal' },
  ])('learns that the reply ended by $reason', async ({ words, reason }) => {
    house.says({ text, finish: words[format] });
    const stopping = { ...ask, stop_sequences: ['END'] };
    expect((await house.anthropic.messages.create(stopping)).stop_reason).toBe(reason);
    expect((await house.anthropic.messages.stream(stopping).finalMessage()).stop_reason).toBe(reason);
    expect(house.sent()).toMatchObject(format === 'anthropic' ? { stop_sequences: ['END'] } : { stop: ['END'] });
  });

  test('gets a refusal of the model with its words', async () => {
    house.says({ refusal: 'I will not do that.', delta_characters: 4 });
    const content = [{ type: 'text', text: 'I will not do that.' }];
    expect(await house.anthropic.messages.create(ask)).toMatchObject({ stop_reason: 'refusal', content });
    expect(await house.anthropic.messages.stream(ask).finalMessage()).toMatchObject({
      stop_reason: 'refusal',
      content,
    });
  });
});

test.each(providers)(
  'the beta of the client works, and its betas reach a provider that knows them ($format)',
  async ({ format, model }) => {
    house.says({ text, usage });
    const ask = { model, max_tokens: 100, messages: [user], betas: ['context-1m-2025-08-07'] };
    expect((await house.anthropic.beta.messages.create(ask)).content).toMatchObject([{ type: 'text', text }]);
    const streamed = await house.anthropic.beta.messages.stream(ask).finalMessage();
    expect(streamed.content).toMatchObject([{ type: 'text', text }]);
    const headers = house.provider.requests.at(-1)?.headers;
    expect(headers?.['anthropic-beta']).toBe(format === 'anthropic' ? 'context-1m-2025-08-07' : undefined);
  },
);

test('a key may come as a bearer token', async () => {
  house.says({ text });
  const client = new Anthropic({ baseURL: house.gateway.origin, authToken: teamKey, apiKey: null });
  const message = await client.messages.create({ model: anthropicModel, max_tokens: 100, messages: [user] });
  expect(message.content).toEqual([{ type: 'text', text }]);
  expect(house.provider.requests[0]?.headers['x-api-key']).toBe('upstream-secret-key');
});

test("words of Anthropic's own for an end reach its client as they are", async () => {
  for (const finish of ['pause_turn', 'stop_sequence', 'model_context_window_exceeded']) {
    house.says({ text, finish });
    const ask = { model: anthropicModel, max_tokens: 100, messages: [user] };
    expect((await house.anthropic.messages.create(ask)).stop_reason).toBe(finish);
    expect((await house.anthropic.messages.stream(ask).finalMessage()).stop_reason).toBe(finish);
  }
});
