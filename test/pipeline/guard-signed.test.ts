import { describe, expect, test } from 'vitest';
import { inPieces, twoWays } from '../support/carried.ts';
import { clientTexts } from '../support/client-texts.ts';
import { redactReplies } from '../support/forbidden.ts';
import { guarded, programOf, type Sides } from '../support/guarded.ts';
import { wellFormed } from '../support/well-formed.ts';

const program = programOf([redactReplies]);
const card = '4111 1111 1111 1111';
const clients = ['anthropic-messages', 'openai-chat'] as const;

const event = (type: string, members: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
const begin = event('message_start', {
  message: { id: 'm', type: 'message', role: 'assistant', content: [], usage: { input_tokens: 1, output_tokens: 1 } },
});
const open = (index: number, content_block: object) => event('content_block_start', { index, content_block });
const inBlock = (index: number, delta: object) => event('content_block_delta', { index, delta });
const close = (index: number) => event('content_block_stop', { index });
const finish = [
  event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 9 } }),
  event('message_stop', {}),
];

function thinking(pieces: readonly string[]): string[] {
  return [
    begin,
    open(0, { type: 'thinking', thinking: '', signature: '' }),
    ...pieces.map((one) => inBlock(0, { type: 'thinking_delta', thinking: one })),
    inBlock(0, { type: 'signature_delta', signature: 'c2lnbmVk' }),
    close(0),
    open(1, { type: 'text', text: '' }),
    inBlock(1, { type: 'text_delta', text: 'The answer.' }),
    close(1),
    ...finish,
  ];
}

describe.each(clients)('signed reasoning is never edited, for a client of %s', (client) => {
  const sides: Sides = { provider: 'anthropic-messages', client, stream: true };
  const key = client === 'openai-chat' ? '0 reasoning_content' : '0 reasoning';

  test('with a match in it, the reply ends there, well formed, and nothing of the match left', async () => {
    const text = `I think of ${card}, then.`;
    for (const pieces of [...twoWays(text, [4, 11, 12, 20, 29, 30, 31]), inPieces(text, [1])]) {
      const { bytes, status, failure, guarded: result } = await guarded(program, sides, thinking(pieces));
      expect(result.ending).toBe('ended_by_rail');
      expect(failure?.code).toBe('content_blocked');
      expect(status).toBe(200);
      const own = client === 'anthropic-messages';
      expect(wellFormed(client, bytes, { provider: own })).toBe('end');
      const said = clientTexts(client, true, bytes);
      expect('I think of '.startsWith(said.get(key) ?? '')).toBe(true);
      expect(said.get('0 content') ?? '').toBe('');
      expect(bytes.toString()).toContain(own ? '"stop_reason":"refusal"' : '"finish_reason":"content_filter"');
      expect(bytes.toString()).not.toContain('c2lnbmVk');
    }
  });

  test('a plain reply with a match in it is refused whole', async () => {
    const content = [
      { type: 'thinking', thinking: card, signature: 's' },
      { type: 'text', text: 'The answer.' },
    ];
    const body = JSON.stringify({ type: 'message', content, stop_reason: 'end_turn' });
    const outcome = await guarded(program, { ...sides, stream: false }, [body]);
    expect(outcome.status).toBe(400);
    expect(outcome.failure?.code).toBe('content_blocked');
    expect(outcome.bytes.toString()).not.toMatch(/4111|answer/);
  });

  test('without one it goes through with its signature', async () => {
    const stream = thinking(inPieces('I think of nothing in particular.', [5]));
    const { bytes } = await guarded(program, sides, stream);
    if (client === 'anthropic-messages') expect(bytes.toString()).toBe(stream.join(''));
    expect(clientTexts(client, true, bytes).get(key)).toBe('I think of nothing in particular.');
  });
});

describe('the name of a called tool', () => {
  const chunk = (delta: object, finish_reason: string | null = null) =>
    `data: ${JSON.stringify({ id: 'a', object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
  const role = chunk({ role: 'assistant', content: 'Wait. ' });
  const done = [chunk({}, 'tool_calls'), 'data: [DONE]\n\n'];
  const calls: Readonly<Record<string, [Sides['provider'], string[]]>> = {
    'of a function': [
      'openai-chat',
      [role, chunk({ tool_calls: [{ index: 0, id: 'c', function: { name: card, arguments: '' } }] }), ...done],
    ],
    'of a custom tool': [
      'openai-chat',
      [
        role,
        chunk({ tool_calls: [{ index: 0, id: 'c', type: 'custom', custom: { name: card, input: '' } }] }),
        ...done,
      ],
    ],
    'of the old function call': [
      'openai-chat',
      [role, chunk({ function_call: { name: card, arguments: '' } }), ...done],
    ],
    'of a tool_use': [
      'anthropic-messages',
      [begin, open(0, { type: 'tool_use', id: 't', name: card, input: {} }), close(0), ...finish],
    ],
    'of a hosted tool': [
      'anthropic-messages',
      [begin, open(0, { type: 'server_tool_use', id: 't', name: card, input: {} }), close(0), ...finish],
    ],
  };

  test.each(Object.entries(calls))('%s that must not leave ends the reply', async (_, [provider, stream]) => {
    for (const client of clients) {
      const { bytes, guarded: result } = await guarded(program, { provider, client, stream: true }, stream);
      expect(result.ending).toBe('ended_by_rail');
      expect(bytes.toString()).not.toContain('4111');
      expect(wellFormed(client, bytes, { provider: client === provider })).toBe('end');
    }
  });
});
