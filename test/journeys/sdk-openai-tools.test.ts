import type OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { all, anthropicModel, type ClientHouse, openaiModel, providers, startClients } from '../support/clients.ts';
import type { FakeReply } from '../support/fake-provider.ts';

let house: ClientHouse;
beforeAll(async () => {
  house = await startClients();
});
afterEach(() => house.check());
afterAll(() => house.close());

type Message = OpenAI.ChatCompletionMessageParam;

const question: Message = { role: 'user', content: 'How warm is it in Oslo and Lima, and what time is it?' };
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools: OpenAI.ChatCompletionTool[] = [
  { type: 'function', function: { name: 'weather', description: 'Tells the weather', parameters, strict: true } },
  { type: 'function', function: { name: 'clock' } },
];
const oslo = { id: 'call_oslo', name: 'weather', arguments: '{"city": "Oslo",  "note":"\\u00e5 \\"1.0\\" 😀"}' };
const lima = { id: 'call_lima', name: 'weather', arguments: '{"city":"Lima","big":12345678901234567890}' };
const clock = { id: 'call_clock', name: 'clock', arguments: '{}' };

const callsOf = (message: OpenAI.ChatCompletionMessage | undefined) =>
  message?.tool_calls?.map((call) => {
    if (call.type !== 'function') throw new Error(`a call of type ${call.type}`);
    return { id: call.id, name: call.function.name, arguments: call.function.arguments };
  });

describe.each(providers)("OpenAI's client with tools before a provider of the $format format", ({ format, model }) => {
  /** A provider that keeps no spelling of its own (a parsed input) gives the same value spelled as it likes. */
  const same = (told: typeof oslo) =>
    format === 'openai' ? told : { ...told, arguments: JSON.stringify(JSON.parse(told.arguments)) };

  test('gets one call, plain and streamed', async () => {
    house.says({ tools: [oslo], delta_characters: 3 });
    const ask = { model, messages: [question], tools, tool_choice: 'required' as const };
    const plain = await house.openai.chat.completions.create(ask);
    expect(plain.choices[0]?.finish_reason).toBe('tool_calls');
    expect(plain.choices[0]?.message.content).toBeNull();
    expect(callsOf(plain.choices[0]?.message)).toEqual([same(oslo)]);
    const streamed = await house.openai.chat.completions.stream(ask).finalChatCompletion();
    expect(streamed.choices[0]?.finish_reason).toBe('tool_calls');
    expect(callsOf(streamed.choices[0]?.message)).toEqual([oslo]);
  });

  test('gets several calls, one of them without input, after a text', async () => {
    const said = [oslo, clock, lima];
    house.says({ text: 'Let me look.', tools: said, delta_characters: 4 });
    const ask = { model, messages: [question], tools, parallel_tool_calls: true };
    const plain = await house.openai.chat.completions.create(ask);
    expect(plain.choices[0]?.message.content).toBe('Let me look.');
    expect(callsOf(plain.choices[0]?.message)).toEqual(said.map(same));
    const message = await house.openai.chat.completions.stream(ask).finalMessage();
    expect(message.content).toBe('Let me look.');
    expect(callsOf(message)).toEqual(said);
  });

  test('gets a call without any fragment of input as an empty object', async () => {
    house.says({ tools: [{ ...clock, arguments: format === 'openai' ? '{}' : '' }] });
    const ask = { model, messages: [question], tools };
    const plain = await house.openai.chat.completions.create(ask);
    expect(callsOf(plain.choices[0]?.message)).toEqual([clock]);
    const chunks = await all(await house.openai.chat.completions.create({ ...ask, stream: true }));
    const fragments = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
    expect(fragments[0]).toMatchObject({ index: 0, id: 'call_clock', type: 'function', function: { name: 'clock' } });
    expect(fragments.slice(1).every((one) => one.id === undefined && one.index === 0)).toBe(true);
    expect(fragments.map((one) => one.function?.arguments ?? '').join('')).toBe('{}');
  });

  test('brings the results back', async () => {
    house.says({ text: 'Cold and warm.' });
    await house.openai.chat.completions.create({
      model,
      tools,
      tool_choice: { type: 'function', function: { name: 'weather' } },
      messages: [
        question,
        {
          role: 'assistant',
          content: 'Let me look.',
          tool_calls: [oslo, lima].map(({ id, ...called }) => ({ id, type: 'function', function: called })),
        },
        { role: 'tool', tool_call_id: 'call_oslo', content: '-3 °C' },
        { role: 'tool', tool_call_id: 'call_lima', content: [{ type: 'text', text: '24 °C' }] },
        { role: 'user', content: 'Well?' },
      ],
    });
    const sent = house.sent();
    if (format === 'openai') {
      expect(sent.messages[1]?.tool_calls).toMatchObject([
        { function: { arguments: oslo.arguments } },
        { id: 'call_lima' },
      ]);
      expect(sent.messages[2]).toEqual({ role: 'tool', tool_call_id: 'call_oslo', content: '-3 °C' });
      return;
    }
    expect(sent.messages).toEqual([
      question,
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'Let me look.' },
          { type: 'tool_use', id: 'call_oslo', name: 'weather', input: JSON.parse(oslo.arguments) },
          { type: 'tool_use', id: 'call_lima', name: 'weather', input: JSON.parse(lima.arguments) },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'call_oslo', content: '-3 °C' },
          { type: 'tool_result', tool_use_id: 'call_lima', content: '24 °C' },
          { type: 'text', text: 'Well?' },
        ],
      },
    ]);
    // Numbers beyond 2^53 are not rounded on the way into another format.
    expect(house.provider.requests.at(-1)?.bytes.toString()).toContain('12345678901234567890');
    expect(sent.tool_choice).toEqual({ type: 'tool', name: 'weather' });
    expect(sent.tools).toEqual([
      { name: 'weather', description: 'Tells the weather', input_schema: parameters, strict: true },
      { name: 'clock', input_schema: { type: 'object', properties: {} } },
    ]);
  });

  test('goes round with its own runner until the model is done', async () => {
    house.says({});
    const turns: FakeReply[] = [{ tools: [oslo, clock], delta_characters: 6 }, { text: 'It is cold.' }];
    house.provider.reply = () => turns.shift() ?? { status: 500 };
    const heard: string[] = [];
    const runner = house.openai.chat.completions.runTools({
      model,
      stream: true,
      messages: [question],
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: '',
            parameters,
            function: (input: string) => void heard.push(input),
          },
        },
        {
          type: 'function',
          function: { name: 'clock', description: '', parameters: { type: 'object' }, function: () => '12:00' },
        },
      ],
    });
    expect(await runner.finalContent()).toBe('It is cold.');
    expect(heard).toEqual([oslo.arguments]);
    expect(house.provider.requests).toHaveLength(2);
  });

  test('reads reasoning beside the text', async () => {
    house.says({ reasoning: 'First, think hard.', text: 'Done.', delta_characters: 5 });
    const ask = { model, messages: [question] };
    const plain = await house.openai.chat.completions.create(ask);
    expect(plain.choices[0]?.message).toMatchObject({ content: 'Done.', reasoning_content: 'First, think hard.' });
    const chunks = await all(await house.openai.chat.completions.create({ ...ask, stream: true }));
    const deltas = chunks.map((chunk) => chunk.choices[0]?.delta as { content?: string; reasoning_content?: string });
    expect(deltas.map((delta) => delta.reasoning_content ?? '').join('')).toBe('First, think hard.');
    expect(deltas.map((delta) => delta.content ?? '').join('')).toBe('Done.');
  });
});

test('reasoning goes back to a provider that wants it, and not to one that would refuse it unsigned', async () => {
  const assistant = { role: 'assistant', content: 'Done.', reasoning_content: 'Think.' } as Message;
  const messages: Message[] = [question, assistant, { role: 'user', content: 'And?' }];
  house.says({});
  await house.openai.chat.completions.create({ model: openaiModel, messages });
  expect(house.sent().messages[1]).toEqual(assistant);
  const { response } = await house.openai.chat.completions.create({ model: anthropicModel, messages }).withResponse();
  expect(house.sent().messages[1]).toEqual({ role: 'assistant', content: [{ type: 'text', text: 'Done.' }] });
  expect(response.headers.get('x-llm-warning')).toContain('reasoning_content');
});

test('the effort asked for reaches both formats', async () => {
  house.says({});
  for (const model of [openaiModel, anthropicModel]) {
    await house.openai.chat.completions.create({ model, messages: [question], reasoning_effort: 'high' });
  }
  expect(house.provider.requests[0]?.body.reasoning_effort).toBe('high');
  expect(house.provider.requests[1]?.body.output_config).toEqual({ effort: 'high' });
});

test('a refusal of an OpenAI model is a refusal, plain and streamed', async () => {
  house.says({ refusal: 'I will not do that.', delta_characters: 4 });
  const ask = { model: openaiModel, messages: [question] };
  const plain = await house.openai.chat.completions.create(ask);
  expect(plain.choices[0]?.message).toMatchObject({ content: null, refusal: 'I will not do that.' });
  const message = await house.openai.chat.completions.stream(ask).finalMessage();
  expect(message.refusal).toBe('I will not do that.');
});

test('a refusal of an Anthropic model keeps its words and ends by the filter', async () => {
  house.says({ refusal: 'I will not do that.', delta_characters: 4 });
  const ask = { model: anthropicModel, messages: [question] };
  const plain = await house.openai.chat.completions.create(ask);
  const [choice] = plain.choices;
  expect(choice?.finish_reason).toBe('content_filter');
  expect(choice?.message.content).toBe('I will not do that.');
  const chunks = await all(await house.openai.chat.completions.create({ ...ask, stream: true }));
  expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('I will not do that.');
  expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('content_filter');
});
