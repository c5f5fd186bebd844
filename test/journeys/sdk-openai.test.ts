import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { all, anthropicModel, type ClientHouse, openaiModel, providers, startClients } from '../support/clients.ts';
import { plainBody } from '../support/fake-provider-wire.ts';

let house: ClientHouse;
beforeAll(async () => {
  house = await startClients();
});
afterEach(() => house.check());
afterAll(() => house.close());

const user = { role: 'user', content: 'Hi' } as const;
const text = 'Grüße, 你好 and 👋🏽 from afar.\n\nBye.';
const usage = { input: 20, output: 7, cacheRead: 5, cacheWrite: 3 };
const told = { prompt_tokens: 20, completion_tokens: 7, total_tokens: 27 };
const image = 'iVBORw0KGgo=';

describe.each(providers)("OpenAI's client before a provider of the $format format", ({ format, model }) => {
  test('reads a plain reply: text, usage, reason, ids', async () => {
    house.says({ text, usage });
    const reply = await house.openai.chat.completions.create({ model, messages: [user] });
    expect(reply.choices).toHaveLength(1);
    expect(reply.choices[0]).toMatchObject({ index: 0, finish_reason: 'stop' });
    expect(reply.choices[0]?.message).toMatchObject({ role: 'assistant', content: text, refusal: null });
    expect(reply.usage).toMatchObject({
      ...told,
      prompt_tokens_details: { cached_tokens: 5, cache_write_tokens: 3 },
    });
    expect(reply.id).toBe(format === 'openai' ? 'chatcmpl-fake-0123456789' : 'msg_fake-0123456789');
    expect(reply.object).toBe('chat.completion');
    expect(reply.model).toBe(model);
    expect(reply.created).toBeGreaterThan(1_700_000_000);
    expect(reply._request_id).toMatch(/^ex_[0-9a-f]{32}$/);
  });

  test('reads a stream delta by delta; of usage nobody asked for it sees nothing', async () => {
    house.says({ text, usage, pings: true });
    const stream = await house.openai.chat.completions.create({ model, messages: [user], stream: true });
    const chunks = await all(stream);
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(text);
    expect(chunks.filter((chunk) => chunk.choices[0]?.delta.content).length).toBeGreaterThan(3);
    expect(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage)).toBe(true);
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
    expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant');
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop');
    expect(house.ending()).toBe('end');
  });

  test('finds usage in one last chunk where it asked', async () => {
    house.says({ text, usage });
    const stream = await house.openai.chat.completions.create({
      model,
      messages: [user],
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await all(stream);
    const last = chunks.pop();
    expect(last?.choices).toEqual([]);
    expect(last?.usage).toMatchObject(told);
    expect(chunks.every((chunk) => chunk.choices.length === 1 && chunk.usage === null)).toBe(true);
  });

  test('puts a reply together with its stream helper', async () => {
    house.says({ text, usage, delta_characters: 2 });
    const runner = house.openai.chat.completions.stream({
      model,
      messages: [user],
      stream_options: { include_usage: true },
    });
    let heard = '';
    runner.on('content', (delta) => {
      heard += delta;
    });
    const whole = await runner.finalChatCompletion();
    expect(heard).toBe(text);
    expect(await runner.finalContent()).toBe(text);
    expect((await runner.finalMessage()).content).toBe(text);
    expect(whole.choices[0]?.finish_reason).toBe('stop');
    expect(whole.usage).toMatchObject(told);
  });

  test('is heard in every role', async () => {
    house.says({});
    await house.openai.chat.completions.create({
      model,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'developer', content: [{ type: 'text', text: 'Be kind.' }] },
        user,
        { role: 'assistant', content: 'Hello.' },
        { role: 'user', content: 'And?' },
      ],
    });
    const sent = house.sent();
    if (format === 'openai') {
      expect(sent.messages.map(({ role }) => role)).toEqual(['system', 'developer', 'user', 'assistant', 'user']);
    } else {
      expect(sent.system).toEqual([
        { type: 'text', text: 'Be brief.' },
        { type: 'text', text: 'Be kind.' },
      ]);
      expect(sent.messages).toEqual([
        user,
        { role: 'assistant', content: 'Hello.' },
        { role: 'user', content: 'And?' },
      ]);
    }
  });

  test('shows images', async () => {
    house.says({ text: 'A cat.' });
    const content = [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${image}` } },
      { type: 'image_url', image_url: { url: 'https://example.com/cat.jpg', detail: 'low' } },
    ] as const;
    const reply = await house.openai.chat.completions.create({
      model,
      messages: [{ role: 'user', content: [...content] }],
    });
    expect(reply.choices[0]?.message.content).toBe('A cat.');
    expect(house.sent().messages[0]?.content).toEqual(
      format === 'openai'
        ? content
        : [
            { type: 'text', text: 'What is this?' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: image } },
            { type: 'image', source: { type: 'url', url: 'https://example.com/cat.jpg' } },
          ],
    );
  });

  test.each([
    { words: { openai: 'stop', anthropic: 'end_turn' }, reason: 'stop' },
    { words: { openai: 'stop', anthropic: 'stop_sequence' }, reason: 'stop' },
    { words: { openai: 'length', anthropic: 'max_tokens' }, reason: 'length' },
    { words: { openai: 'length', anthropic: 'model_context_window_exceeded' }, reason: 'length' },
    { words: { openai: 'content_filter', anthropic: 'refusal' }, reason: 'content_filter' },
  ])('learns that the reply ended by $reason ($words.anthropic)', async ({ words, reason }) => {
    house.says({ text, finish: words[format] });
    const ask = { model, messages: [user], max_completion_tokens: 50, stop: ['END'] };
    const plain = await house.openai.chat.completions.create(ask);
    expect(plain.choices[0]?.finish_reason).toBe(reason);
    const chunks = await all(await house.openai.chat.completions.create({ ...ask, stream: true }));
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe(reason);
    const sent = house.sent();
    if (format === 'openai') expect(sent).toMatchObject({ max_completion_tokens: 50, stop: ['END'] });
    else expect(sent).toMatchObject({ max_tokens: 50, stop_sequences: ['END'] });
  });
});

test.each(providers)('a reply by a JSON schema is asked for and parsed ($format)', async ({ format, model }) => {
  house.says({ text: '{"city":"Oslo","celsius":-3.5}', delta_characters: 3 });
  const schema = { type: 'object', properties: { celsius: { type: 'number' }, city: { type: 'string' } } };
  const ask = {
    model,
    messages: [user],
    response_format: { type: 'json_schema' as const, json_schema: { name: 'weather', strict: true, schema } },
  };
  const parsed = await house.openai.chat.completions.parse(ask);
  expect(parsed.choices[0]?.message.parsed).toEqual({ city: 'Oslo', celsius: -3.5 });
  const sent = house.sent();
  if (format === 'openai') expect(sent.response_format).toEqual(ask.response_format);
  else expect(sent.output_config).toEqual({ format: { type: 'json_schema', schema } });
});

test.each(providers)(
  'a provider that answers a stream in one piece is a stream all the same ($format)',
  async ({ model }) => {
    house.says({});
    house.provider.reply = ({ body, format }) => {
      const whole = plainBody(
        format,
        { text, usage },
        { model: body.model, choices: 1, usageAsked: true, inputTokens: 1 },
      );
      return { raw: { contentType: 'application/json', chunks: [JSON.stringify(whole)] } };
    };
    const runner = house.openai.chat.completions.stream({ model, messages: [user] });
    expect(await runner.finalContent()).toBe(text);
    expect(house.ending()).toBe('end');
  },
);

test.each(providers)('many streams at once keep apart ($format)', async ({ model }) => {
  house.says({});
  house.provider.reply = ({ body }) => ({ text: `You said: ${body.messages.at(-1)?.content}`, delta_characters: 4 });
  const heard = await Promise.all(
    Array.from({ length: 30 }, (_, number) => {
      const content = `number ${number} of ${'many '.repeat(number)}`;
      const runner = house.openai.chat.completions.stream({ model, messages: [{ role: 'user', content }] });
      return runner.finalContent().then((said) => [said, `You said: ${content}`]);
    }),
  );
  for (const [said, expected] of heard) expect(said).toBe(expected);
});

test('several choices arrive each whole and in their own place, plain and streamed', async () => {
  house.says({ text: ['One, two.', 'Three and four.'] });
  const ask = { model: openaiModel, messages: [user], n: 2 };
  const plain = await house.openai.chat.completions.create(ask);
  expect(plain.choices.map(({ index, message }) => [index, message.content])).toEqual([
    [0, 'One, two.'],
    [1, 'Three and four.'],
  ]);
  const runner = house.openai.chat.completions.stream(ask);
  const streamed = await runner.finalChatCompletion();
  expect(streamed.choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason])).toEqual([
    [0, 'One, two.', 'stop'],
    [1, 'Three and four.', 'stop'],
  ]);
  expect(house.sent().n).toBe(2);
});

test('a provider without the word for several choices gives one, and the reply says so', async () => {
  house.says({ text: 'Alone.' });
  const { data, response } = await house.openai.chat.completions
    .create({ model: anthropicModel, messages: [user], n: 2 })
    .withResponse();
  expect(data.choices.map(({ message }) => message.content)).toEqual(['Alone.']);
  expect(response.headers.get('x-llm-warning')).toContain('n: cannot be expressed');
});
