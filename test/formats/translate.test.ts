import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChatRequest, EncodedRequest, RequestEdits } from '../../src/exchange/index.ts';
import { anthropicMessages, openaiChat } from '../../src/formats/index.ts';
import { edits } from './edits.ts';
import { thrown } from './thrown.ts';

const openai = (body: unknown) => openaiChat.read(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
const anthropic = (body: unknown) =>
  anthropicMessages.read(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));

function toAnthropic(body: unknown, more: Partial<RequestEdits> = {}) {
  return parsed(anthropicMessages.encodeRequest(openai(body), edits('claude', more)));
}

function toOpenai(body: unknown, more: Partial<RequestEdits> = {}) {
  return parsed(openaiChat.encodeRequest(anthropic(body), edits('gpt', more)));
}

function parsed({ body, warnings }: EncodedRequest) {
  return { text: body.toString(), body: JSON.parse(body.toString()), warnings };
}

describe('an OpenAI request for an Anthropic provider', () => {
  test('carries system, images, documents, tools, calls and results', () => {
    const { body, text, warnings } =
      toAnthropic(`{"model":"m","max_tokens":100,"stream":true,"user":"u1","stop":"END","top_p":0.5,
      "messages":[
        {"role":"system","content":"Be brief."},
        {"role":"developer","content":"And kind."},
        {"role":"user","content":[{"type":"text","text":"Look"},{"type":"image_url","image_url":{"url":"data:image/gif;base64,R0lG"}},
          {"type":"image_url","image_url":{"url":"https://a.example/i.png"}},{"type":"file","file":{"filename":"f.pdf","file_data":"data:application/pdf;base64,JVBE"}}]},
        {"role":"assistant","content":null,"tool_calls":[
          {"id":"c1","type":"function","function":{"name":"f","arguments":"{\\"id\\": 12345678901234567890, \\"n\\": 1.0}"}},
          {"id":"c2","type":"function","function":{"name":"g","arguments":""}}]},
        {"role":"tool","tool_call_id":"c1","content":"one"},
        {"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"two"}]},
        {"role":"user","content":"Thanks"}],
      "tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":{"type":"object","properties":{"x":{"maximum":1.0e5}}}}},{"type":"function","function":{"name":"g"}}],
      "tool_choice":"required","parallel_tool_calls":false}`);
    expect(body).toEqual({
      model: 'claude',
      max_tokens: 100,
      system: [
        { type: 'text', text: 'Be brief.' },
        { type: 'text', text: 'And kind.' },
      ],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look' },
            { type: 'image', source: { type: 'base64', media_type: 'image/gif', data: 'R0lG' } },
            { type: 'image', source: { type: 'url', url: 'https://a.example/i.png' } },
            {
              type: 'document',
              title: 'f.pdf',
              source: { type: 'base64', media_type: 'application/pdf', data: 'JVBE' },
            },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'tool_use', id: 'c1', name: 'f', input: { id: 12345678901234567000, n: 1 } },
            { type: 'tool_use', id: 'c2', name: 'g', input: {} },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'c1', content: 'one' },
            { type: 'tool_result', tool_use_id: 'c2', content: 'two' },
            { type: 'text', text: 'Thanks' },
          ],
        },
      ],
      tools: [
        {
          name: 'f',
          description: 'd',
          strict: true,
          input_schema: { type: 'object', properties: { x: { maximum: 100000 } } },
        },
        { name: 'g', input_schema: { type: 'object', properties: {} } },
      ],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
      top_p: 0.5,
      stop_sequences: ['END'],
      metadata: { user_id: 'u1' },
      stream: true,
    });
    expect(text).toContain('"input":{"id": 12345678901234567890, "n": 1.0}');
    expect(text).toContain('"maximum":1.0e5');
    expect(warnings).toEqual([]);
  });

  test('gets the limit the format demands: the edit, the client, or a default with a warning', () => {
    const base = { model: 'm', messages: [{ role: 'user', content: 'x' }] };
    expect(toAnthropic({ ...base, max_completion_tokens: 9 }, { maxOutputTokens: 5 }).body.max_tokens).toBe(5);
    expect(toAnthropic({ ...base, max_completion_tokens: 9 }).body.max_tokens).toBe(9);
    const filled = toAnthropic(base);
    expect(filled.body.max_tokens).toBe(4096);
    expect(filled.warnings).toEqual(['max_tokens: not given, set to 4096']);
  });

  test('names everything it leaves behind', () => {
    const { body, warnings } = toAnthropic({
      model: 'm',
      max_tokens: 5,
      n: 2,
      temperature: 1.5,
      seed: 1,
      logit_bias: {},
      frequency_penalty: 0,
      presence_penalty: 1,
      response_format: { type: 'json_object' },
      tool_choice: { type: 'function', function: { name: 'absent' } },
      tools: [{ type: 'custom', custom: { name: 'c' } }],
      messages: [
        { role: 'user', content: 'a', name: 'n' },
        { role: 'user', content: 'b', name: 'n' },
        { role: 'system', content: 'late' },
        { role: 'assistant', content: 'c', reasoning_content: 'r' },
      ],
    });
    expect(body.temperature).toBe(1);
    expect(body.system).toBe('late');
    expect(warnings.toSorted()).toEqual(
      [
        'messages[].name: cannot be expressed in Anthropic Messages, left out',
        'tools[].custom: cannot be expressed in Anthropic Messages, left out',
        'seed: cannot be expressed in Anthropic Messages, left out',
        'presence_penalty: cannot be expressed in Anthropic Messages, left out',
        'messages[2]: a system message amid others, moved to the front',
        'n: cannot be expressed in Anthropic Messages, one choice asked for',
        'reasoning_content: without a signature it cannot be sent back to Anthropic, left out',
        'tool_choice: there is no such tool, left out',
        'response_format: only a JSON schema can be expressed in Anthropic Messages, left out',
        'temperature: at most 1 here, lowered',
      ].toSorted(),
    );
  });

  test('refuses content the provider could not be shown', () => {
    const audio = {
      model: 'm',
      messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'A', format: 'wav' } }] }],
    };
    const file = { model: 'm', messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'f' } }] }] };
    for (const body of [audio, file]) {
      const failure = thrown(() => toAnthropic(body));
      expect([failure.code, failure.status]).toEqual(['not_supported', 400]);
    }
    expect(thrown(() => toAnthropic(file)).detail.param).toBe('messages[0].content[0]');
  });

  test('carries functions and their answers of the time before tools', () => {
    const { body } = toAnthropic({
      model: 'm',
      max_tokens: 5,
      functions: [{ name: 'f', parameters: { type: 'object' } }],
      function_call: { name: 'f' },
      messages: [
        { role: 'user', content: 'x' },
        { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{"a":1}' } },
        { role: 'function', name: 'f', content: 'r' },
      ],
    });
    expect(body.tools).toEqual([{ name: 'f', input_schema: { type: 'object' } }]);
    expect(body.tool_choice).toEqual({ type: 'tool', name: 'f' });
    expect(body.messages[1].content[0].id).toBe(body.messages[2].content[0].tool_use_id);
  });

  test('keeps arguments that are no object inside one', () => {
    const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{"cut": ' } };
    const { body } = toAnthropic({
      model: 'm',
      max_tokens: 5,
      messages: [{ role: 'assistant', content: null, tool_calls: [call] }],
    });
    expect(body.messages[0].content[0].input).toEqual({ arguments: '{"cut": ' });
  });

  test('starts from the edited request: redactions, set and removed fields', () => {
    const body = { model: 'm', max_tokens: 5, seed: 1, messages: [{ role: 'user', content: 'secret' }] };
    const view = openai(body);
    const texts = [{ passage: view.passages[0]!, text: '[x]' }];
    const sent = anthropicMessages.encodeRequest(
      view,
      edits('claude', { texts, set: { temperature: 0.5 }, remove: ['seed'] }),
    );
    expect(JSON.parse(sent.body.toString())).toEqual({
      model: 'claude',
      max_tokens: 5,
      messages: [{ role: 'user', content: '[x]' }],
      temperature: 0.5,
    });
    expect(sent.warnings).toEqual([]);
  });
});

describe('an Anthropic request for an OpenAI provider', () => {
  test('carries system, thinking, tools, calls and results, with what tools showed after them', () => {
    const { body, text, warnings } =
      toOpenai(`{"model":"m","max_tokens":100,"stream":true,"system":"Be brief.","metadata":{"user_id":"u1"},"stop_sequences":["END"],
      "thinking":{"type":"enabled","budget_tokens":2048},
      "messages":[
        {"role":"user","content":"Go"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"Hm","signature":"s"},{"type":"text","text":"I look."},{"type":"tool_use","id":"t1","name":"f","input":{"id": 12345678901234567890}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":[{"type":"text","text":"r"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},{"type":"text","text":"Well?"}]}],
      "tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}],
      "tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}}`);
    expect(body).toEqual({
      model: 'gpt',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Go' },
        {
          role: 'assistant',
          content: 'I look.',
          reasoning_content: 'Hm',
          tool_calls: [
            { id: 't1', type: 'function', function: { name: 'f', arguments: '{"id": 12345678901234567890}' } },
          ],
        },
        { role: 'tool', tool_call_id: 't1', content: 'r' },
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] },
        { role: 'user', content: 'Well?' },
      ],
      tools: [{ type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' } } }],
      tool_choice: { type: 'function', function: { name: 'f' } },
      parallel_tool_calls: false,
      max_completion_tokens: 100,
      stop: ['END'],
      user: 'u1',
      reasoning_effort: 'low',
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(text).toContain('{\\"id\\": 12345678901234567890}');
    expect(warnings).toEqual([
      'thinking.budget_tokens: sent as reasoning_effort low',
      'messages[3].is_error: cannot be expressed in OpenAI Chat, left out',
    ]);
  });

  test('names everything it leaves behind', () => {
    const { warnings } = toOpenai({
      model: 'm',
      max_tokens: 5,
      top_k: 3,
      container: 'c',
      system: [{ type: 'text', text: 's', cache_control: { type: 'ephemeral' } }],
      tools: [{ type: 'web_search_20250305', name: 'web_search' }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }] },
        {
          role: 'assistant',
          content: [
            { type: 'redacted_thinking', data: 'd' },
            { type: 'text', text: 'y' },
          ],
        },
      ],
    });
    expect(warnings.toSorted()).toEqual(
      [
        'top_k: cannot be expressed in OpenAI Chat, left out',
        'container: cannot be expressed in OpenAI Chat, left out',
        'system[].cache_control: cannot be expressed in OpenAI Chat, left out',
        'messages[].content[].cache_control: cannot be expressed in OpenAI Chat, left out',
        'messages[].content[].redacted_thinking: cannot be expressed in OpenAI Chat, left out',
        'tools[].web_search_20250305: cannot be expressed in OpenAI Chat, left out',
      ].toSorted(),
    );
  });

  test('refuses content the provider could not be shown', () => {
    const url = { type: 'document', source: { type: 'url', url: 'https://a.example/x.pdf' } };
    const file = { type: 'image', source: { type: 'file', file_id: 'f' } };
    for (const block of [url, file, { type: 'hologram' }]) {
      const failure = thrown(() =>
        toOpenai({ model: 'm', max_tokens: 5, messages: [{ role: 'user', content: [block] }] }),
      );
      expect([failure.code, failure.status]).toEqual(['not_supported', 400]);
    }
  });
});

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const id = fc.string({ minLength: 1, maxLength: 8 });
const textPart = text.map((one) => ({ type: 'text' as const, text: one }));
const raw = fc
  .dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }))
  .map((one) => ({ json: JSON.stringify(one, undefined, 1) }));
const bytes = fc.base64String({ minLength: 4, maxLength: 12 }).filter((one) => one.length > 0);
const imagePart = fc.oneof(
  fc.webUrl().map((url) => ({ type: 'image' as const, url })),
  bytes.map((base64) => ({ type: 'image' as const, mediaType: 'image/png', base64 })),
);
const documentPart = fc
  .tuple(bytes, text)
  .map(([base64, name]) => ({ type: 'document' as const, mediaType: 'application/pdf', base64, name }));
const userMessage = fc
  .array(fc.oneof(textPart, imagePart, documentPart), { minLength: 1, maxLength: 3 })
  .map((parts) => ({ role: 'user' as const, parts }));
const toolMessages = fc.array(
  fc.tuple(id, fc.array(textPart, { maxLength: 2 })).map(([one, parts]) => ({
    role: 'tool' as const,
    parts: [{ type: 'tool_result' as const, id: one, parts, error: false }],
  })),
  { minLength: 1, maxLength: 2 },
);
const call = fc.record({ type: fc.constant('tool_call' as const), id, name: id, arguments: raw });
const assistantMessage = fc
  .tuple(fc.array(textPart, { maxLength: 2 }), fc.array(call, { maxLength: 2 }))
  .filter(([texts, calls]) => texts.length + calls.length > 0)
  .map(([texts, calls]) => ({ role: 'assistant' as const, parts: [...texts, ...calls] }));
const turn = fc
  .tuple(userMessage, assistantMessage, fc.option(toolMessages, { nil: [] }))
  .map(([user, assistant, tools]) => [user, assistant, ...tools]);
const tool = fc.record(
  { name: id, description: text, parameters: raw, strict: fc.boolean() },
  { requiredKeys: ['name', 'parameters'] },
);
const request = fc
  .record({
    system: fc.option(fc.array(textPart, { minLength: 1, maxLength: 2 })),
    turns: fc.array(turn, { minLength: 1, maxLength: 3 }),
    tools: fc.uniqueArray(tool, { selector: ({ name }) => name, minLength: 1, maxLength: 3 }),
    choice: fc.constantFrom(undefined, 'auto' as const, 'required' as const, 'first'),
    rest: fc.record(
      {
        parallelToolCalls: fc.boolean(),
        temperature: fc.double({ min: 0, max: 1, noNaN: true }).map(Math.abs),
        topP: fc.constantFrom(0.1, 1),
        stop: fc.array(text, { minLength: 1, maxLength: 3 }),
        user: text,
        reasoning: fc.constantFrom('low', 'medium', 'high').map((effort) => ({ effort })),
        responseFormat: raw.map(({ json }) => ({
          json: `{"type":"json_schema","json_schema":{"name":"response","schema":${json}}}`,
        })),
      },
      { requiredKeys: [] },
    ),
    maxOutputTokens: fc.integer({ min: 1, max: 100000 }),
    stream: fc.boolean(),
  })
  .map(({ system, turns, tools, choice, rest, ...more }): ChatRequest => {
    // Choosing and parallelism are one setting in one of the formats: the second needs the first there.
    const named = choice === 'first' ? { name: tools[0]!.name } : choice;
    const toolChoice = rest.parallelToolCalls === undefined ? named : (named ?? 'auto');
    return {
      messages: [...(system === null ? [] : [{ role: 'system' as const, parts: system }]), ...turns.flat()],
      tools,
      ...(toolChoice === undefined ? {} : { toolChoice }),
      ...rest,
      ...more,
      choices: 1,
      unknown: [],
    };
  });

/** A view that holds nothing but a neutral request: all that a translation may look at. */
function neutral(chat: ChatRequest, format: 'openai-chat' | 'anthropic-messages') {
  const base = format === 'openai-chat' ? openai : anthropic;
  const view = base({ model: 'm', messages: [] });
  return Object.create(view, { chat: { value: chat } }) as typeof view;
}

describe('a neutral request', () => {
  test('is the same after a journey through either format', () => {
    fc.assert(
      fc.property(request, (chat) => {
        const viaAnthropic = anthropicMessages.encodeRequest(neutral(chat, 'openai-chat'), edits('m'));
        expect(anthropicMessages.read(viaAnthropic.body).chat).toEqual(chat);
        const viaOpenai = openaiChat.encodeRequest(neutral(chat, 'anthropic-messages'), edits('m'));
        expect(openaiChat.read(viaOpenai.body).chat).toEqual(chat);
        expect([...viaAnthropic.warnings, ...viaOpenai.warnings]).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});
