import { describe, expect, test } from 'vitest';
import { openaiChat } from '../../src/formats/index.ts';
import { edits } from './edits.ts';
import { thrown } from './thrown.ts';

const spelled = `{ "model":"gpt-4o",\r\n  "seed": 12345678901234567890, "temperature": 1.0,
  "messages" : [{"role":"user","content":"caf\\u00e9 \\/ 😀"}],
  "x_unknown": {"b":1e2,"a":[1.50]}, "stream": true }`;

function view(body: unknown) {
  return openaiChat.read(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
}

function message(content: unknown, more: object = {}) {
  return { model: 'm', messages: [{ role: 'user', content, ...more }] };
}

describe('reading a chat request', () => {
  test('gives what the stages need', () => {
    const read = view({
      model: 'gpt-4o',
      stream: true,
      stream_options: { include_usage: true },
      n: 3,
      max_completion_tokens: 50,
      temperature: 0.5,
      user: 'u1',
      metadata: { a: 'b' },
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a.example/x.png' } }] }],
      tools: [
        { type: 'function', function: { name: 'f' } },
        { type: 'custom', custom: { name: 'c' } },
      ],
      functions: [{ name: 'old' }],
    });
    expect(read).toMatchObject({
      format: 'openai-chat',
      model: 'gpt-4o',
      stream: true,
      choices: 3,
      maxOutputTokens: 50,
      temperature: 0.5,
      user: 'u1',
      metadata: { a: 'b' },
      usageAsked: true,
      hasImages: true,
      toolNames: ['f', 'c', 'old'],
    });
    const plain = view(message('hi'));
    expect(plain).toMatchObject({ stream: false, choices: 1, usageAsked: false, hasImages: false, toolNames: [] });
    expect('maxOutputTokens' in plain).toBe(false);
  });

  test('the larger of two limits counts, null counts as not given', () => {
    expect(view({ ...message('x'), max_tokens: 10, max_completion_tokens: 5 }).maxOutputTokens).toBe(10);
    expect(view({ ...message('x'), max_tokens: null, n: null, stream: null, temperature: null }).choices).toBe(1);
  });

  test.each<[string, unknown, string | undefined]>([
    ['no object', [], undefined],
    ['no model', { messages: [] }, 'model'],
    ['an empty model', { model: ' ', messages: [] }, 'model'],
    ['no messages', { model: 'm' }, 'messages'],
    ['a message that is text', { model: 'm', messages: ['hi'] }, 'messages[0]'],
    ['a message without a role', { model: 'm', messages: [{ content: 'x' }] }, 'messages[0].role'],
    ['content that is a number', message(1), 'messages[0].content'],
    ['a part that is text', message(['x']), 'messages[0].content[0]'],
    ['a part without a type', message([{ text: 'x' }]), 'messages[0].content[0].type'],
    ['a text part without text', message([{ type: 'text', text: 5 }]), 'messages[0].content[0].text'],
    ['tool calls that are no array', message('x', { tool_calls: {} }), 'messages[0].tool_calls'],
    [
      'arguments that are an object',
      message(null, { tool_calls: [{ function: { arguments: {} } }] }),
      'messages[0].tool_calls[0].function.arguments',
    ],
    ['a refusal that is no text', message(null, { refusal: 1 }), 'messages[0].refusal'],
    ['stream as text', { ...message('x'), stream: 'true' }, 'stream'],
    ['n of zero', { ...message('x'), n: 0 }, 'n'],
    ['n of 129', { ...message('x'), n: 129 }, 'n'],
    ['a fraction of a token', { ...message('x'), max_tokens: 1.5 }, 'max_tokens'],
    ['a negative limit', { ...message('x'), max_completion_tokens: -1 }, 'max_completion_tokens'],
    ['a temperature as text', { ...message('x'), temperature: 'hot' }, 'temperature'],
    ['tools that are no objects', { ...message('x'), tools: [1] }, 'tools[0]'],
    ['stop sequences that are numbers', { ...message('x'), stop: [1] }, 'stop'],
    ['a user that is an object', { ...message('x'), user: {} }, 'user'],
  ])('refuses %s', (_, body, param) => {
    const failure = thrown(() => view(body));
    expect(failure.code).toBe('invalid_request');
    expect(failure.status).toBe(400);
    expect(failure.detail.param).toBe(param);
    if (param !== undefined) expect(failure.message).toContain(`\`${param}\` must be`);
  });

  test('refuses a key that appears twice, wherever it is', () => {
    expect(thrown(() => view('{"model":"a","messages":[],"model":"b"}')).detail.param).toBe('model');
    expect(
      thrown(() => view('{"model":"a","messages":[{"role":"user","content":"x","content":"y"}]}')).detail.param,
    ).toBe('messages[0].content');
  });

  test('lets unknown fields, roles and parts through', () => {
    const read = view({
      model: 'm',
      messages: [{ role: 'narrator', content: [{ type: 'hologram', caption: 'c' }] }],
      zz: 1,
    });
    expect(read.passages).toEqual([
      { text: 'c', role: 'unknown', channel: 'other', path: ['messages', 0, 'content', 0, 'caption'], message: 0 },
    ]);
  });
});

describe('the passages of a chat request', () => {
  const body = {
    model: 'not-scanned',
    messages: [
      { role: 'system', content: 'S' },
      { role: 'developer', content: [{ type: 'text', text: 'D' }] },
      {
        role: 'user',
        name: 'N',
        content: [
          { type: 'text', text: 'U' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'high' } },
          { type: 'image_url', image_url: { url: 'https://a.example/i.png' } },
          { type: 'input_audio', input_audio: { data: 'UklGRg', format: 'wav' } },
          { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBE', filename: 'F' } },
        ],
      },
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'R',
        refusal: 'X',
        tool_calls: [
          { id: 'id', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
          { id: 'id', type: 'custom', custom: { name: 'c', input: 'I' } },
        ],
        mood: { deep: ['M'] },
      },
      { role: 'tool', tool_call_id: 'id', content: 'T' },
      { role: 'assistant', content: '', function_call: { name: 'f', arguments: 'L' } },
      { role: 'function', name: 'f', content: 'FR' },
    ],
    tools: [
      {
        type: 'function',
        function: {
          name: 'f',
          description: 'TD',
          parameters: {
            type: 'object',
            properties: { p: { type: ['string', 'null'], description: 'PD', enum: ['E'] } },
            required: ['p'],
          },
        },
      },
    ],
    response_format: { type: 'json_schema', json_schema: { name: 'r', schema: { type: 'object', description: 'RD' } } },
    metadata: { note: 'MD' },
    novelty: { text: 'NV' },
    stop: ['ST'],
  };
  const found = view(body).passages;

  test('are every text, in document order, and nothing else', () => {
    expect(found.map(({ text, role, channel, message: at }) => `${at} ${role} ${channel} ${text}`)).toEqual([
      '0 system content S',
      '1 system content D',
      '2 user other N',
      '2 user content U',
      '2 user other https://a.example/i.png',
      '2 user other F',
      '3 assistant reasoning R',
      '3 assistant refusal X',
      '3 assistant tool_arguments {"a":1}',
      '3 assistant other I',
      '3 assistant other M',
      '4 tool content T',
      '5 assistant tool_arguments L',
      '6 tool other f',
      '6 tool content FR',
      '-1 unknown tool_definition TD',
      '-1 unknown tool_definition PD',
      '-1 unknown tool_definition E',
      '-1 unknown other RD',
      '-1 unknown other MD',
      '-1 unknown other NV',
      '-1 unknown other ST',
    ]);
  });

  test('stand where their paths say, so that an edit reaches each of them', () => {
    const original = view(body);
    const texts = original.passages.map((passage, index) => ({ passage, text: `edited ${index}` }));
    const { body: sent } = openaiChat.encodeRequest(original, edits('not-scanned', { texts }));
    expect(openaiChat.read(sent).passages.map(({ text }) => text)).toEqual(texts.map(({ text }) => text));
  });

  test('are computed once', () => {
    const original = view(body);
    expect(original.passages).toBe(original.passages);
  });
});

describe('a chat request for a provider of the same format', () => {
  test('without edits is the very same bytes', () => {
    const read = view(spelled);
    const { body, path, headers, warnings } = openaiChat.encodeRequest(read, edits('gpt-4o'));
    expect(body).toBe(read.bytes);
    expect({ path, headers, warnings }).toEqual({
      path: '/chat/completions',
      headers: { 'content-type': 'application/json' },
      warnings: [],
    });
  });

  test('with another model differs in that value alone', () => {
    const { body } = openaiChat.encodeRequest(view(spelled), edits('m"2'));
    expect(body.toString()).toBe(spelled.replace('"gpt-4o"', '"m\\"2"'));
  });

  test('asks for usage in a stream that does not, keeping its other options', () => {
    const asked = (text: string) =>
      openaiChat.encodeRequest(view(text), edits('m', { askUsage: true })).body.toString();
    const base = '{"model":"m","messages":[]';
    expect(asked(`${base},"stream":true}`)).toBe(`${base},"stream":true,"stream_options":{"include_usage":true}}`);
    expect(asked(`${base},"stream":true,"stream_options":null}`)).toBe(
      `${base},"stream":true,"stream_options":{"include_usage":true}}`,
    );
    expect(asked(`${base},"stream":true,"stream_options":{"include_obfuscation":false}}`)).toBe(
      `${base},"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}`,
    );
    expect(asked(`${base},"stream":true,"stream_options":{"include_usage":false}}`)).toBe(
      `${base},"stream":true,"stream_options":{"include_usage":true}}`,
    );
    for (const same of [`${base}}`, `${base},"stream":true,"stream_options":{"include_usage": true}}`]) {
      expect(asked(same)).toBe(same);
    }
  });

  test('is limited under the name the client uses', () => {
    const limited = (text: string) =>
      openaiChat.encodeRequest(view(text), edits('m', { maxOutputTokens: 7 })).body.toString();
    expect(limited('{"model":"m","messages":[],"max_tokens":99}')).toBe('{"model":"m","messages":[],"max_tokens":7}');
    expect(limited('{"max_completion_tokens": 99,"model":"m","messages":[]}')).toBe(
      '{"max_completion_tokens": 7,"model":"m","messages":[]}',
    );
    expect(limited('{"model":"m","messages":[]}')).toBe('{"model":"m","messages":[],"max_completion_tokens":7}');
    expect(limited('{"max_tokens":null,"max_completion_tokens":9,"model":"m","messages":[]}')).toBe(
      '{"max_tokens":null,"max_completion_tokens":7,"model":"m","messages":[]}',
    );
  });

  test('takes what a policy sets and removes, but never its model', () => {
    const { body } = openaiChat.encodeRequest(
      view('{"model":"m","messages":[],"logprobs":true,"a":{"b":1.0,"c":2}}'),
      edits('m', { set: { temperature: 0, 'a.b': null, model: 'other' }, remove: ['logprobs', 'a.c', 'nothing.here'] }),
    );
    expect(body.toString()).toBe('{"model":"m","messages":[],"a":{"b":null},"temperature":0}');
  });

  test('loses and renames the fields of a provider with quirks, and says so', () => {
    const { body, warnings } = openaiChat.encodeRequest(
      view(
        '{"model":"m","messages":[{"role":"user","content":"x","name":"n"},{"role":"user","content":"y"}],"max_completion_tokens":5,"seed":1}',
      ),
      edits('m', {
        dropFields: ['seed', 'messages.*.name', 'absent'],
        renameFields: { max_completion_tokens: 'max_tokens', gone: 'x' },
      }),
    );
    expect(body.toString()).toBe(
      '{"model":"m","messages":[{"role":"user","content":"x"},{"role":"user","content":"y"}],"max_tokens":5}',
    );
    expect(warnings).toEqual([
      'seed: not supported by this provider, left out',
      'messages.*.name: not supported by this provider, left out',
    ]);
  });
});
