import type Anthropic from '@anthropic-ai/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { all, anthropicModel, type ClientHouse, openaiModel, providers, startClients } from '../support/clients.ts';

let house: ClientHouse;
beforeAll(async () => {
  house = await startClients();
});
afterEach(() => house.check());
afterAll(() => house.close());

const question: Anthropic.MessageParam = { role: 'user', content: 'How warm is it in Oslo and Lima?' };
const schema = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] };
const tools: Anthropic.Tool[] = [
  { name: 'weather', description: 'Tells the weather', input_schema: schema },
  { name: 'clock', input_schema: { type: 'object' } },
];
const oslo = { id: 'call_oslo', name: 'weather', arguments: '{"city": "Oslo", "note":"\\u00e5 \\"1.0\\" 😀"}' };
const lima = { id: 'call_lima', name: 'weather', arguments: '{"city":"Lima"}' };
const clock = { id: 'call_clock', name: 'clock', arguments: '{}' };

const block = ({ id, name, arguments: json }: typeof oslo) => ({ type: 'tool_use', id, name, input: JSON.parse(json) });
const callsOf = (message: Anthropic.Message) =>
  message.content.flatMap((one) =>
    one.type === 'tool_use' ? [{ type: one.type, id: one.id, name: one.name, input: one.input }] : [],
  );

describe.each(providers)(
  "Anthropic's client with tools before a provider of the $format format",
  ({ format, model }) => {
    const ask = { model, max_tokens: 200, messages: [question], tools };

    test('gets one call, plain and streamed', async () => {
      house.says({ tools: [oslo], delta_characters: 3 });
      const forced = { ...ask, tool_choice: { type: 'any' } } as const;
      const plain = await house.anthropic.messages.create(forced);
      expect(plain.stop_reason).toBe('tool_use');
      expect(callsOf(plain)).toEqual([block(oslo)]);
      expect(plain.content).toHaveLength(1);
      const streamed = await house.anthropic.messages.stream(forced).finalMessage();
      expect(streamed.stop_reason).toBe('tool_use');
      expect(callsOf(streamed)).toEqual([block(oslo)]);
      if (format === 'openai') expect(house.sent().tool_choice).toBe('required');
    });

    test('gets several calls, one of them without input, after a text', async () => {
      const said = [oslo, clock, lima];
      house.says({ text: 'Let me look.', tools: said, delta_characters: 4 });
      for (const message of [
        await house.anthropic.messages.create(ask),
        await house.anthropic.messages.stream(ask).finalMessage(),
      ]) {
        expect(message.content[0]).toMatchObject({ type: 'text', text: 'Let me look.' });
        expect(callsOf(message)).toEqual(said.map(block));
      }
    });

    test('gets a call without any fragment of input as an empty object', async () => {
      house.says({ tools: [{ ...clock, arguments: '' }] });
      expect(callsOf(await house.anthropic.messages.create(ask))).toEqual([block(clock)]);
      expect(callsOf(await house.anthropic.messages.stream(ask).finalMessage())).toEqual([block(clock)]);
    });

    test('sees the fragments of an input as they come', async () => {
      house.says({ tools: [oslo], delta_characters: 3 });
      const events = await all(await house.anthropic.messages.create({ ...ask, stream: true }));
      const fragments = events.flatMap((event) =>
        event.type === 'content_block_delta' && event.delta.type === 'input_json_delta'
          ? [event.delta.partial_json]
          : [],
      );
      expect(fragments.length).toBeGreaterThan(5);
      expect(fragments.join('')).toBe(oslo.arguments);
    });

    test('brings the results back', async () => {
      house.says({ text: 'Cold and warm.' });
      const messages: Anthropic.MessageParam[] = [
        question,
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'Let me look.' },
            { type: 'tool_use', id: 'call_oslo', name: 'weather', input: JSON.parse(oslo.arguments) },
            { type: 'tool_use', id: 'call_lima', name: 'weather', input: { city: 'Lima' } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'call_oslo', content: '-3 °C' },
            { type: 'tool_result', tool_use_id: 'call_lima', content: [{ type: 'text', text: '24 °C' }] },
            { type: 'text', text: 'Well?' },
          ],
        },
      ];
      await house.anthropic.messages.create({ ...ask, messages, tool_choice: { type: 'tool', name: 'weather' } });
      const sent = house.sent();
      if (format === 'anthropic') {
        expect(sent.messages).toEqual(messages);
        return;
      }
      expect(sent.messages).toEqual([
        question,
        {
          role: 'assistant',
          content: 'Let me look.',
          tool_calls: [
            {
              id: 'call_oslo',
              type: 'function',
              function: { name: 'weather', arguments: JSON.stringify(JSON.parse(oslo.arguments)) },
            },
            { id: 'call_lima', type: 'function', function: { name: 'weather', arguments: '{"city":"Lima"}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'call_oslo', content: '-3 °C' },
        { role: 'tool', tool_call_id: 'call_lima', content: '24 °C' },
        { role: 'user', content: 'Well?' },
      ]);
      expect(sent.tool_choice).toEqual({ type: 'function', function: { name: 'weather' } });
      expect(sent.tools).toEqual([
        { type: 'function', function: { name: 'weather', description: 'Tells the weather', parameters: schema } },
        { type: 'function', function: { name: 'clock', parameters: { type: 'object' } } },
      ]);
    });

    test('reads thinking before the text, plain and streamed', async () => {
      house.says({ reasoning: 'First, think hard.', signature: 'c2lnbmF0dXJl', text: 'Done.', delta_characters: 5 });
      const thinking = { ...ask, max_tokens: 4000, thinking: { type: 'enabled', budget_tokens: 2000 } } as const;
      const signature = format === 'anthropic' ? 'c2lnbmF0dXJl' : '';
      const content = [
        { type: 'thinking', thinking: 'First, think hard.', signature },
        { type: 'text', text: 'Done.' },
      ];
      expect(await house.anthropic.messages.create(thinking)).toMatchObject({ content });
      expect(await house.anthropic.messages.stream(thinking).finalMessage()).toMatchObject({ content });
      if (format === 'anthropic') expect(house.sent().thinking).toEqual({ type: 'enabled', budget_tokens: 2000 });
      else expect(house.sent().reasoning_effort).toBe('low');
    });
  },
);

test('signed thinking goes back to its provider with its signature, streamed or not', async () => {
  house.says({ reasoning: 'Think.', signature: 'c2lnbmF0dXJl', tools: [oslo] });
  const thinking = { type: 'enabled', budget_tokens: 2000 } as const;
  const ask = { model: anthropicModel, max_tokens: 4000, messages: [question], tools, thinking };
  const first = await house.anthropic.messages.stream(ask).finalMessage();
  const results = { type: 'tool_result', tool_use_id: 'call_oslo', content: '-3 °C', is_error: false } as const;
  await house.anthropic.messages.create({
    ...ask,
    messages: [question, { role: 'assistant', content: first.content }, { role: 'user', content: [results] }],
  });
  expect(house.sent().messages[1]?.content).toMatchObject([
    { type: 'thinking', thinking: 'Think.', signature: 'c2lnbmF0dXJl' },
    block(oslo),
  ]);
});

test('thinking goes back to a provider of the other format as its reasoning', async () => {
  house.says({});
  const content: Anthropic.ContentBlockParam[] = [
    { type: 'thinking', thinking: 'Think.', signature: '' },
    { type: 'text', text: 'Done.' },
  ];
  const messages = [question, { role: 'assistant' as const, content }, { role: 'user' as const, content: 'And?' }];
  await house.anthropic.messages.create({ model: openaiModel, max_tokens: 100, messages });
  expect(house.sent().messages[1]).toEqual({ role: 'assistant', content: 'Done.', reasoning_content: 'Think.' });
});
