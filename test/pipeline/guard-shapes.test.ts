import { describe, expect, test } from 'vitest';
import { clientTexts, everything } from '../support/client-texts.ts';
import { redactReplies } from '../support/forbidden.ts';
import { guarded, programOf, type Sides } from '../support/guarded.ts';
import { sseMessages } from '../support/well-formed.ts';

const program = programOf([redactReplies]);
const card = '4111 1111 1111 1111';
const digits = '4111111111111111';
const openai: Sides = { provider: 'openai-chat', client: 'openai-chat', stream: true };
const anthropic: Sides = { provider: 'anthropic-messages', client: 'anthropic-messages', stream: true };

const chunk = (choices: unknown, more = {}) => `data: ${JSON.stringify({ id: 'a', choices, ...more })}\n\n`;
const delta = (members: unknown, more = {}) => chunk([{ index: 0, delta: members, finish_reason: null, ...more }]);
const end = `${chunk([{ index: 0, delta: {}, finish_reason: 'stop' }])}data: [DONE]\n\n`;
const call = (members: object) => ({ tool_calls: [{ index: 0, id: 'c', ...members }] });

const event = (type: string, members: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
const begin = event('message_start', {
  message: { id: 'm', content: [], usage: { input_tokens: 1, output_tokens: 1 } },
});
const finish =
  event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } }) +
  event('message_stop', {});
const block = (index: number, start: object, ...deltas: object[]) =>
  event('content_block_start', { index, content_block: start }) +
  deltas.map((one) => event('content_block_delta', { index, delta: one })).join('') +
  event('content_block_stop', { index });
const inBlock = (start: object) => begin + block(0, start) + finish;

/** Everything a client could find in a stream, a line each; over frames, texts of one field stand side by side too. */
function found(bytes: Buffer): string {
  const documents = sseMessages(bytes).filter(({ data }) => data !== '[DONE]');
  return documents.map(({ data }) => everything(data)).join('\n');
}

/** Members that should hold a text, or a list, and hold something else. */
const oddShapes: Readonly<Record<string, [Sides, string]>> = {
  'content that is an object': [openai, delta({ content: { text: card } }) + end],
  'a part of content whose text is an object': [
    openai,
    delta({ content: [{ type: 'text', text: { value: card } }] }) + end,
  ],
  'a part of content with more than its text': [
    openai,
    delta({ content: [{ type: 'text', text: 'a', note: card }] }) + end,
  ],
  'a refusal that is a list': [openai, delta({ refusal: [card] }) + end],
  'reasoning that is an object': [openai, delta({ reasoning: { steps: [card] } }) + end],
  'arguments that are JSON itself': [openai, delta(call({ function: { name: 'f', arguments: { a: card } } })) + end],
  'arguments that are a list': [openai, delta(call({ function: { name: 'f', arguments: [card] } })) + end],
  'a tool call that is a text': [openai, delta(call({ function: card })) + end],
  'input of a custom tool that is an object': [
    openai,
    delta(call({ custom: { name: 'f', input: { a: card } } })) + end,
  ],
  'tool calls that are no list': [openai, delta({ tool_calls: { 0: { function: { arguments: card } } } }) + end],
  'a tool call that is no object': [openai, delta({ tool_calls: [card] }) + end],
  'a function call that is a text': [openai, delta({ function_call: card }) + end],
  'audio that is a text': [openai, delta({ audio: card }) + end],
  'a delta that is a text': [openai, delta(card) + end],
  'a message beside a delta': [openai, delta({ content: 'a' }, { message: { content: card } }) + end],
  'a text of old completions that is an object': [openai, chunk([{ index: 0, text: { a: card } }]) + end],
  'choices that are no list': [openai, chunk({ 0: { delta: { content: card } } }) + end],
  'a choice that is a text': [openai, chunk([card]) + end],
  'a block whose text is an object': [anthropic, inBlock({ type: 'text', text: { a: card } })],
  'a block of text with an input': [anthropic, inBlock({ type: 'text', text: '', input: card })],
  'hidden reasoning with a text': [anthropic, inBlock({ type: 'redacted_thinking', data: 'x', text: card })],
  'a delta that is a text, by event': [
    anthropic,
    begin + event('content_block_delta', { index: 0, delta: card }) + finish,
  ],
  'a beginning with a block in it': [
    anthropic,
    event('message_start', { message: { content: [] }, content_block: { text: card } }) + finish,
  ],
};

/** Places nobody has a name for. */
const unknownPlaces: Readonly<Record<string, [Sides, string]>> = {
  'a field of a chunk': [openai, chunk([], { note: { deep: [card] } }) + end],
  'a field of a choice': [openai, chunk([{ index: 0, delta: {}, note: card }]) + end],
  'a member called name': [openai, delta({ content: 'a', aside: { name: card } }) + end],
  'an annotation': [openai, delta({ annotations: [{ type: 'url_citation', url_citation: { title: card } }] }) + end],
  'a number': [openai, delta({ aside: { number: Number(digits) } }) + end],
  'a number past 2^53': [openai, delta({ aside: [1] }).replace('[1]', '[4111111111111111110]') + end],
  'the name of a member': [openai, delta({ aside: { [card]: 1 } }) + end],
  'the name of a member of a delta': [openai, delta({ [card]: 1 }) + end],
  'the name of a member of a chunk': [openai, chunk([], { [digits]: { a: 1 } }) + end],
  'an event nobody knows': [anthropic, begin + event('new_event', { index: 0, note: card }) + finish],
  'the message of the beginning': [anthropic, event('message_start', { message: { content: [card] } }) + finish],
  'a block nobody knows': [anthropic, inBlock({ type: 'new_block', model: card, name: card })],
  'a fetched document': [
    anthropic,
    inBlock({
      type: 'web_fetch_tool_result',
      content: { source: { type: 'text', media_type: 'text/plain', data: card } },
    }),
  ],
  'a citation': [
    anthropic,
    begin + block(0, { type: 'text', text: '' }, { type: 'citations_delta', citation: { cited_text: card } }) + finish,
  ],
};

describe.each([
  ['of an odd shape', oddShapes],
  ['in a place nobody knows', unknownPlaces],
] as const)('text %s is looked at all the same', (_, cases) => {
  test.each(Object.entries(cases))('%s', async (_name, [sides, stream]) => {
    const { bytes, status, guarded: result } = await guarded(program, sides, [stream]);
    expect(status).toBe(200);
    expect(bytes.toString()).not.toContain('4111');
    expect(found(bytes)).toContain('[card]');
    expect(result.found.map(({ span }) => span.type)).toContain('card');
  });
});

test('bytes in base64 are no text', async () => {
  const source = { type: 'base64', media_type: 'application/pdf', data: digits };
  const stream = inBlock({ type: 'web_fetch_tool_result', content: { source } });
  expect((await guarded(program, anthropic, [stream])).bytes.toString()).toBe(stream);
});

describe('a value cut in a field nobody knows', () => {
  test('is found however the choices stand in their lists', async () => {
    const one = (index: number, aside: string) => ({ index, delta: { aside } });
    const stream = [
      chunk([one(0, 'x'), one(1, '4111 1111 ')]),
      chunk([one(1, '1111 1111')]),
      chunk([0, 1].map((index) => ({ index, delta: {}, finish_reason: 'stop' }))),
      'data: [DONE]\n\n',
    ];
    expect(found((await guarded(program, openai, stream)).bytes)).toContain('[card]');
  });

  test('is found in the tool call it belongs to, wherever that stands in its list', async () => {
    const one = (index: number, aside: string, more = {}) =>
      delta({ tool_calls: [{ index, function: { aside, ...more }, ...more }] });
    const stream = [
      one(0, '4111 1111 ', { id: 'a', name: 'f' }),
      one(1, 'other', { id: 'b', name: 'g' }),
      one(0, '1111 1111'),
      end,
    ];
    expect(found((await guarded(program, openai, stream)).bytes)).toContain('[card]');
  });
});

describe('a text said under two names is judged under each', () => {
  const key = 'AKIAQ3ZB7TXN5KWM2RJD';
  const pieces = ['The key: ', key.slice(0, 8), key.slice(8), '. Keep it.'];
  const kept = 'The key: [aws_access_key]. Keep it.';
  const said = async (frames: readonly string[], client: Sides['client'] = 'openai-chat') => {
    const { bytes, status } = await guarded(program, { ...openai, client }, [...frames, end]);
    expect(status).toBe(200);
    return clientTexts(client, true, bytes);
  };

  test('each piece in the delta and as the text of old completions', async () => {
    const frames = pieces.map((one) => delta({ content: one }, { text: one }));
    const texts = await said(frames);
    expect([texts.get('0 content'), texts.get('0 text')]).toEqual([kept, kept]);
    expect((await said(frames, 'anthropic-messages')).get('0 content')).toBe(kept);
    const unedited = ['One ', 'two.'].map((one) => delta({ content: one }, { text: one }));
    expect((await guarded(program, openai, [...unedited, end])).bytes.toString()).toBe([...unedited, end].join(''));
  });

  test('reasoning under one name, and the other between its pieces', async () => {
    for (const [name, other] of [
      ['reasoning', 'reasoning_content'],
      ['reasoning_content', 'reasoning'],
    ] as const) {
      const frames = pieces.flatMap((one) => [delta({ [name]: one }), delta({ [other]: 'hm' })]);
      const both = pieces.map((one, at) => delta(at === 1 ? { [name]: one } : { [name]: one, [other]: 'hm' }));
      for (const stream of [frames, both]) expect((await said(stream)).get(`0 ${name}`)).toBe(kept);
    }
  });

  test('arguments of a tool call, and the function call of the time before between them', async () => {
    const json = pieces.map((one) => JSON.stringify(one).slice(1, -1));
    const [first = '', ...rest] = json;
    const args = [`{"q":"${first}`, ...rest.slice(0, -1), `${rest.at(-1)}"}`];
    const frames = args.flatMap((one) => [
      delta(call({ function: { name: 'f', arguments: one } })),
      delta({ function_call: { arguments: '1' } }),
    ]);
    const texts = await said(frames);
    expect(JSON.parse(texts.get('0 tool 0') ?? '')).toEqual({ q: kept });
    expect(JSON.parse((await said(frames, 'anthropic-messages')).get('0 tool 0') ?? '')).toEqual({ q: kept });
  });
});

test.each([
  ['content', 'refusal'],
  ['refusal', 'content'],
])('%s and %s of a reply are one text where the other format knows no refusals', async (first, second) => {
  for (let cut = 1; cut < card.length; cut += 2) {
    const [head, tail] = [`It is ${card.slice(0, cut)}`, `${card.slice(cut)}, no.`];
    const said = [delta({ [first]: head }), delta({ [second]: tail }), end];
    const body = { [first]: head, [second]: tail };
    const plain = JSON.stringify({ id: 'a', choices: [{ index: 0, message: body, finish_reason: 'stop' }] });
    for (const stream of [true, false]) {
      const sides: Sides = { ...openai, client: 'anthropic-messages', stream };
      const { bytes } = await guarded(program, sides, stream ? said : [plain]);
      expect(clientTexts(sides.client, stream, bytes).get('0 content')).toBe('It is [card], no.');
    }
  }
});

describe('log probabilities', () => {
  const tokens = (...list: string[]) => ({ logprobs: { content: list.map((token) => ({ token, logprob: -0.5 })) } });

  test('go where their tokens say more than the text beside them', async () => {
    const stream = [delta({ content: '' }, tokens('4111 11', '11 1111 1111')), end];
    const { bytes } = await guarded(program, openai, stream);
    expect(bytes.toString()).toContain('"logprobs":null');
    expect(bytes.toString()).not.toContain('4111');
  });

  test('go where their tokens make a value over several frames', async () => {
    const stream = [delta({}, tokens('4111 1111 ')), delta({}, tokens('1111 1111')), end];
    expect((await guarded(program, openai, stream)).bytes.toString()).not.toMatch(/4111|"1111/);
  });

  test('go with the numbers of the tokens, and nothing else does', async () => {
    const numbers = (ids: unknown) => ({ token_ids: ids, logprobs: null, stop_reason: null });
    const told = (content: string, id: unknown, ids: unknown) => delta({ token_id: id, content }, numbers(ids));
    const { bytes } = await guarded(program, openai, [told('Hi ', 1, [1]), told(card, 77, [77, 78]), end]);
    expect(bytes.toString()).toBe([told('Hi ', 1, [1]), told('[card]', null, null), end].join(''));
  });

  test('stay where they repeat a text that stays', async () => {
    const stream = [delta({ content: 'One two' }, tokens('One', ' two')), end].join('');
    expect((await guarded(program, openai, [stream])).bytes.toString()).toBe(stream);
  });
});

describe('text blocks that a client reads as one', () => {
  const text = (index: number, ...texts: string[]) =>
    block(index, { type: 'text', text: '' }, ...texts.map((one) => ({ type: 'text_delta', text: one })));
  const plain = (...texts: string[]) =>
    JSON.stringify({ content: texts.map((one) => ({ type: 'text', text: one })), stop_reason: 'end_turn' });

  test.each(['openai-chat', 'anthropic-messages'] as const)(
    'a value cut by their border does not leave: %s',
    async (client) => {
      for (let cut = 1; cut < card.length; cut += 1) {
        const [first, second] = [`It is ${card.slice(0, cut)}`, `${card.slice(cut)}, yes.`];
        const streamed = await guarded(program, { ...anthropic, client }, [
          begin + text(0, first) + text(1, second) + finish,
        ]);
        const whole = await guarded(program, { ...anthropic, client, stream: false }, [plain(first, second)]);
        for (const { bytes } of [streamed, whole]) {
          const said = [...bytes.toString().matchAll(/"(?:text|content)":"([^"]*)"/g)].map(([, one]) => one).join('');
          expect(said).toBe('It is [card], yes.');
        }
        expect(streamed.guarded.found.map(({ span }) => [span.type, span.start, span.end])).toEqual([['card', 6, 25]]);
      }
    },
  );

  const between: Readonly<Record<string, [object, object[]]>> = {
    'a tool call': [{ type: 'tool_use', id: 't', name: 'f', input: { a: 1 } }, []],
    'a search': [{ type: 'server_tool_use', id: 't', name: 'web_search', input: { query: 'cards' } }, []],
    thinking: [{ type: 'thinking', thinking: '' }, [{ type: 'thinking_delta', thinking: 'Hm.' }]],
  };

  test.each(Object.entries(between))(
    'whatever came between, where the other format has one text: %s',
    async (_name, [start, deltas]) => {
      for (let cut = 1; cut < card.length; cut += 3) {
        const [first, second] = [`It is ${card.slice(0, cut)}`, `${card.slice(cut)}, yes.`];
        const apart = [begin, text(0, first), block(1, start, ...deltas), text(2, second), finish];
        const streamed = await guarded(program, { ...anthropic, client: 'openai-chat' }, apart);
        expect(clientTexts('openai-chat', true, streamed.bytes).get('0 content')).toBe('It is [card], yes.');
        const body = JSON.parse(plain(first, second));
        body.content.splice(1, 0, 'thinking' in start ? { ...start, thinking: 'Hm.' } : start);
        const sides: Sides = { ...anthropic, client: 'openai-chat', stream: false };
        const whole = await guarded(program, sides, [JSON.stringify(body)]);
        expect(clientTexts('openai-chat', false, whole.bytes).get('0 content')).toBe('It is [card], yes.');
      }
    },
  );

  test('thoughts that the other format has as one end the reply where they make a value together', async () => {
    const thought = (index: number, thinking: string) =>
      block(index, { type: 'thinking', thinking: '' }, { type: 'thinking_delta', thinking });
    const stream = [begin, thought(0, 'It is 4111 1111 '), thought(1, '1111 1111, no?'), text(2, 'Yes.'), finish];
    const { bytes, guarded: result } = await guarded(program, { ...anthropic, client: 'openai-chat' }, stream);
    expect(result.ending).toBe('ended_by_rail');
    expect(bytes.toString()).not.toContain('4111');
  });

  test('each is judged by itself as well', async () => {
    const { bytes } = await guarded(program, anthropic, [
      begin + text(0, 'number 12') + text(1, `${card}0`.slice(0, -1)) + finish,
    ]);
    expect(found(bytes)).toContain('number 12');
    expect(bytes.toString()).not.toContain('4111');
  });

  test('a tool call between them keeps them apart and waits for nothing', async () => {
    const tool = block(1, { type: 'tool_use', id: 't', name: 'f', input: {} });
    const stream = begin + text(0, 'It is 4111 1111 ') + tool + text(2, '1111 1111') + finish;
    expect((await guarded(program, anthropic, [stream])).bytes.toString()).toBe(stream);
  });
});

test('an error in the middle does not quote what may not leave', async () => {
  for (const error of [{ message: `bad arguments ${card}` }, { message: 'bad', failed_generation: card }]) {
    const broken = [delta({ content: 'One ' }), `data: ${JSON.stringify({ error })}\n\n`];
    const { bytes } = await guarded(program, openai, broken);
    expect(bytes.toString()).toContain('"error"');
    expect(bytes.toString()).not.toContain('4111');
    const clean = [delta({ content: 'One ' }), 'data: {"error": {"message":"overloaded", "odd": 1.0}}\n\n'];
    expect((await guarded(program, openai, clean)).bytes.toString()).toBe(clean.join(''));
  }
});
