import { describe, expect, test } from 'vitest';
import { anthropicMessages } from '../../src/formats/index.ts';
import { edits } from './edits.ts';
import { thrown } from './thrown.ts';

function view(body: unknown) {
  return anthropicMessages.read(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
}

function blocks(...content: unknown[]) {
  return { model: 'm', max_tokens: 10, messages: [{ role: 'user', content }] };
}

describe('reading a Messages request', () => {
  test('gives what the stages need', () => {
    const read = view({
      model: 'claude',
      max_tokens: 100,
      stream: true,
      temperature: 1,
      metadata: { user_id: 'u' },
      messages: [
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 't',
              content: [{ type: 'image', source: { type: 'url', url: 'https://a.example' } }],
            },
          ],
        },
      ],
      tools: [
        { name: 'f', input_schema: {} },
        { type: 'web_search_20250305', name: 'web_search' },
      ],
    });
    expect(read).toMatchObject({
      format: 'anthropic-messages',
      model: 'claude',
      stream: true,
      choices: 1,
      maxOutputTokens: 100,
      temperature: 1,
      user: 'u',
      usageAsked: true,
      hasImages: true,
      toolNames: ['f', 'web_search'],
    });
  });

  test('thinking that is to be left out is output nobody sees', () => {
    const unseen = (thinking: object) => view({ ...blocks(), thinking }).unseenOutput ?? false;
    expect(unseen({ type: 'adaptive', display: 'omitted' })).toBe(true);
    expect(unseen({ type: 'adaptive', display: 'summarized' })).toBe(false);
    expect(unseen({ type: 'disabled' })).toBe(false);
  });

  test.each<[string, unknown, string]>([
    ['a limit of zero', { ...blocks(), max_tokens: 0 }, 'max_tokens'],
    ['a system prompt that is a number', { ...blocks(), system: 1 }, 'system'],
    ['a block without a type', blocks({ text: 'x' }), 'messages[0].content[0].type'],
    ['a tool input that is text', blocks({ type: 'tool_use', input: 'x' }), 'messages[0].content[0].input'],
    [
      'a nested part without text',
      blocks({ type: 'tool_result', content: [{ type: 'text' }] }),
      'messages[0].content[0].content[0].text',
    ],
    ['an image without a source', blocks({ type: 'image' }), 'messages[0].content[0].source'],
    ['stop sequences that are text', { ...blocks(), stop_sequences: 'x' }, 'stop_sequences'],
    ['metadata that is text', { ...blocks(), metadata: 'x' }, 'metadata'],
  ])('refuses %s', (_, body, param) => {
    const failure = thrown(() => view(body));
    expect(failure.code).toBe('invalid_request');
    expect(failure.detail.param).toBe(param);
  });
});

const rich = `{"model":"m","max_tokens":10,
"system":[{"type":"text","text":"S","cache_control":{"type":"ephemeral"}}],
"messages":[
 {"role":"user","content":"U"},
 {"role":"assistant","content":[
  {"type":"thinking","thinking":"R","signature":"sig"},
  {"type":"redacted_thinking","data":"opaque"},
  {"type":"text","text":"A"},
  {"type":"tool_use","id":"t","name":"f","input":{"id": 12345678901234567890, "n":1.0}},
  {"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"Q"}},
  {"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"web_search_result","title":"W","url":"https://a.example","encrypted_content":"zzz"}]}]},
 {"role":"user","content":[
  {"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"T"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},
  {"type":"tool_result","tool_use_id":"t2","content":"T2"},
  {"type":"document","title":"DT","source":{"type":"text","media_type":"text/plain","data":"DD"}},
  {"type":"search_result","title":"ST","source":"https://b.example","content":[{"type":"text","text":"SR"}]},
  {"type":"hologram","caption":"H"}]}],
"tools":[{"name":"f","description":"TD","input_schema":{"type":"object","properties":{"id":{"type":"integer","description":"PD"}},"required":["id"]}}],
"metadata":{"user_id":"UI"},
"novelty":"NV"}`;

describe('the passages of a Messages request', () => {
  test('are every text, nested ones included, and nothing else', () => {
    expect(
      view(rich).passages.map(({ text, role, channel, message }) => `${message} ${role} ${channel} ${text}`),
    ).toEqual([
      '-1 system content S',
      '0 user content U',
      '1 assistant reasoning R',
      '1 assistant content A',
      '1 assistant tool_arguments {"id": 12345678901234567890, "n":1.0}',
      '1 assistant tool_arguments {"query":"Q"}',
      '1 tool other W',
      '1 tool other https://a.example',
      '2 tool content T',
      '2 tool content T2',
      '2 user content DD',
      '2 user other DT',
      '2 user content SR',
      '2 user other ST',
      '2 user other https://b.example',
      '2 user other H',
      '-1 unknown tool_definition TD',
      '-1 unknown tool_definition PD',
      '-1 unknown other UI',
      '-1 unknown other NV',
    ]);
  });

  test('can be edited one by one, tool inputs as JSON', () => {
    const original = view(rich);
    const texts = original.passages.map((passage, index) => ({
      passage,
      text: passage.channel === 'tool_arguments' ? `{"edited":${index}.0}` : `edited ${index}`,
    }));
    const { body } = anthropicMessages.encodeRequest(original, edits('m', { texts }));
    expect(anthropicMessages.read(body).passages.map(({ text }) => text)).toEqual(texts.map(({ text }) => text));
    expect(body.toString()).toContain('"input":{"edited":4.0}');
  });
});

describe('a Messages request for a provider of the same format', () => {
  test('without edits is the very same bytes, with the headers of the format', () => {
    const read = view(rich);
    const encoded = anthropicMessages.encodeRequest(read, edits('m', { askUsage: true }));
    expect(encoded.body).toBe(read.bytes);
    expect(encoded.path).toBe('/messages');
    expect(encoded.headers).toEqual({ 'content-type': 'application/json', 'anthropic-version': '2023-06-01' });
  });

  test('with another model and limit differs in those values alone', () => {
    const { body } = anthropicMessages.encodeRequest(view(rich), edits('m2', { maxOutputTokens: 5 }));
    expect(body.toString()).toBe(
      rich.replace('"model":"m"', '"model":"m2"').replace('"max_tokens":10', '"max_tokens":5'),
    );
  });

  test('keeps thinking below a smaller limit, or turns it off, and says so', () => {
    const text = '{"model":"m","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":4000},"messages":[]}';
    const limited = (tokens: number) =>
      anthropicMessages.encodeRequest(view(text), edits('m', { maxOutputTokens: tokens }));
    expect(limited(5000).warnings).toEqual([]);
    expect(limited(2000).body.toString()).toContain('"budget_tokens":1999');
    expect(limited(2000).warnings).toEqual(['thinking.budget_tokens: lowered to 1999, below max_tokens']);
    expect(limited(500).body.toString()).toContain('"thinking":{"type":"disabled"}');
    expect(limited(500).warnings).toEqual(['thinking: turned off, max_tokens is 500']);
  });
});
