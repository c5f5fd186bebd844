import { describe, expect, test } from 'vitest';
import { mergeUsage, type Usage } from '../../src/exchange/index.ts';
import { anthropicMessages, openaiChat } from '../../src/formats/index.ts';

/** What a plain chat reply with this `usage` says of its cost. */
function chatUsage(usage: object): Usage | undefined {
  const reply = {
    id: 'x',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
    usage,
  };
  return last(openaiChat.plainFrame(Buffer.from(JSON.stringify(reply))).events);
}

/** What a stream of messages says, whose first event tells `start` and whose last `end`. */
function messagesUsage(start: object | string, end: object | string): Usage | undefined {
  const json = (usage: object | string) => (typeof usage === 'string' ? usage : JSON.stringify(usage));
  const decoder = anthropicMessages.streamDecoder({ usageInjected: false });
  const frames = [
    `{"type":"message_start","message":{"id":"m","content":[],"usage":${json(start)}}}`,
    `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":${json(end)}}`,
  ].flatMap((data) => decoder.push(Buffer.from(`data: ${data}\n\n`)));
  return last(frames.flatMap(({ events }) => events));
}

function last(events: readonly { readonly type: string; readonly usage?: Usage }[]): Usage | undefined {
  let told: Usage | undefined;
  for (const { type, usage } of events) if (type === 'usage' && usage !== undefined) told = mergeUsage(told, usage);
  return told;
}

describe('usage as OpenAI and those who speak like it tell it', () => {
  test.each([
    {
      name: 'a total with tokens that stand nowhere else: hidden output',
      usage: { prompt_tokens: 20, completion_tokens: 198, total_tokens: 623 },
      told: { input: 20, output: 603 },
    },
    {
      name: 'reasoning beside the completion, by the total',
      usage: {
        prompt_tokens: 21,
        completion_tokens: 4,
        total_tokens: 85,
        completion_tokens_details: { reasoning_tokens: 60 },
      },
      told: { input: 21, output: 64, reasoning: 60 },
    },
    {
      name: 'reasoning that is more than the completion it should be part of, and no total',
      usage: { prompt_tokens: 21, completion_tokens: 4, completion_tokens_details: { reasoning_tokens: 60 } },
      told: { input: 21, output: 64, reasoning: 60 },
    },
    {
      name: 'reasoning within the completion',
      usage: {
        prompt_tokens: 21,
        completion_tokens: 64,
        total_tokens: 85,
        completion_tokens_details: { reasoning_tokens: 60 },
      },
      told: { input: 21, output: 64, reasoning: 60 },
    },
    {
      name: 'a cache that is more than the prompt it should be part of',
      usage: {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 15,
        prompt_tokens_details: { cached_tokens: 900 },
      },
      told: { input: 910, output: 5, cacheRead: 900 },
    },
    {
      name: 'a cache beside the prompt, by the total',
      usage: {
        prompt_tokens: 1000,
        completion_tokens: 5,
        total_tokens: 1905,
        prompt_tokens_details: { cached_tokens: 900 },
      },
      told: { input: 1900, output: 5, cacheRead: 900 },
    },
    {
      name: 'a total that is less than its parts',
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 1 },
      told: { input: 10, output: 5 },
    },
    {
      name: 'a cache under a name of its own',
      usage: { prompt_tokens: 1000, completion_tokens: 5, total_tokens: 1005, cached_tokens: 900 },
      told: { input: 1000, output: 5, cacheRead: 900 },
    },
  ])('$name', ({ usage, told }) => {
    expect(chatUsage(usage)).toEqual(told);
  });
});

describe('usage that stands in the choices of a stream', () => {
  const told = (...chunks: object[]): Usage | undefined => {
    const decoder = openaiChat.streamDecoder({ usageInjected: false });
    const frames = chunks.flatMap((chunk) => decoder.push(Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`)));
    return last(frames.flatMap(({ events }) => events));
  };
  const end = (index: number, completion_tokens: number) => ({
    index,
    delta: {},
    finish_reason: 'stop',
    usage: { prompt_tokens: 19, completion_tokens, total_tokens: 19 + completion_tokens, cached_tokens: 8 },
  });
  const said = { id: 'x', choices: [{ index: 0, delta: { content: 'Hi' }, finish_reason: null }] };

  test('is read there', () => {
    expect(told(said, { id: 'x', choices: [end(0, 13)] })).toEqual({ input: 19, output: 13, cacheRead: 8 });
  });

  test('is of each choice: all of them wrote, and read one prompt', () => {
    const ends = [end(0, 13), end(1, 4), end(2, 6)];
    const all = { input: 19, output: 23, cacheRead: 8 };
    expect(told({ id: 'x', choices: ends })).toEqual(all);
    expect(told(...ends.map((choice) => ({ id: 'x', choices: [choice] })))).toEqual(all);
  });

  test('counts once where it stands beside them as well', () => {
    const usage = { prompt_tokens: 19, completion_tokens: 13, total_tokens: 32 };
    expect(told({ id: 'x', choices: [end(0, 13)] }, { id: 'x', choices: [], usage })).toMatchObject({ output: 13 });
    expect(told({ id: 'x', choices: [end(0, 13), end(1, 4)], usage })).toMatchObject({ input: 19, output: 13 });
  });
});

describe('usage that comes more than once in a stream of chunks', () => {
  const told = (...usages: object[]): Usage | undefined => {
    const decoder = openaiChat.streamDecoder({ usageInjected: false });
    const chunks = usages.map((usage) => ({ id: 'x', choices: [], usage }));
    const frames = chunks.flatMap((chunk) => decoder.push(Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`)));
    return last(frames.flatMap(({ events }) => events));
  };
  const real = { prompt_tokens: 1000, completion_tokens: 50, prompt_tokens_details: { cached_tokens: 900 } };
  const nothing = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };

  test.each([
    { name: 'the last counts', usages: [{ ...real, completion_tokens: 20 }, real] },
    { name: 'zeros before say nothing yet', usages: [nothing, nothing, real] },
    { name: 'zeros after do not undo it', usages: [real, nothing] },
    { name: 'nor does null', usages: [real, { prompt_tokens: null, completion_tokens: null }] },
    { name: 'nor text', usages: [real, { prompt_tokens: '0', completion_tokens: '0' }] },
  ])('$name', ({ usages }) => {
    expect(told(...usages)).toMatchObject({ input: 1000, output: 50, cacheRead: 900 });
  });
});

describe('usage as Anthropic and those who speak like it tell it', () => {
  test('an input of zero at the end does not undo what the start told', () => {
    expect(messagesUsage({ input_tokens: 1500, output_tokens: 1 }, { input_tokens: 0, output_tokens: 40 })).toEqual({
      input: 1500,
      output: 40,
    });
    expect(
      messagesUsage(
        { input_tokens: 15, cache_read_input_tokens: 900, output_tokens: 1 },
        { input_tokens: 0, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, output_tokens: 40 },
      ),
    ).toMatchObject({ input: 915, output: 40, cacheRead: 900 });
  });

  test('an inclusive input that becomes an exclusive one is counted once', () => {
    expect(
      messagesUsage(
        { input_tokens: 100, output_tokens: 0 },
        { input_tokens: 0, cache_read_input_tokens: 100, output_tokens: 40 },
      ),
    ).toEqual({ input: 100, output: 40, cacheRead: 100 });
  });

  test('a conversation that was made shorter first is paid for too: the top does not count it, the steps do', () => {
    const step = (type: string, input_tokens: number, output_tokens: number, more = {}) => ({
      type,
      input_tokens,
      output_tokens,
      ...more,
    });
    const short = step('message', 23_000, 1000);
    const cached = { cache_read_input_tokens: 50, cache_creation_input_tokens: 7 };
    const hour = { cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 7 } };
    const iterations = [step('compaction', 180_000, 3500, { ...cached, ...hour }), short];
    expect(messagesUsage({ input_tokens: 23_000, output_tokens: 1 }, { output_tokens: 1000, iterations })).toEqual({
      input: 203_057,
      output: 4500,
      cacheRead: 50,
      cacheWrite: 7,
      cacheWrite1h: 7,
    });
    const paused = { input_tokens: 0, output_tokens: 0, iterations: iterations.slice(0, 1) };
    expect(messagesUsage({ input_tokens: 0, output_tokens: 0 }, paused)).toMatchObject({
      input: 180_057,
      output: 3500,
    });
    // One step alone, or steps that the top counts already, change nothing.
    for (const steps of [[short], [step('message', 13_000, 400), step('message', 10_000, 600)], [], [null, 'x'], 'x']) {
      const told = { input_tokens: 23_000, output_tokens: 1000, iterations: steps };
      expect(messagesUsage({ input_tokens: 23_000, output_tokens: 1 }, told)).toEqual({ input: 23_000, output: 1000 });
    }
  });

  test('numbers that are none are not taken', () => {
    const told = messagesUsage(
      '{"input_tokens":50,"output_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":-40,"ephemeral_1h_input_tokens":1e999},"server_tool_use":{"web_search_requests":-3,"web_fetch_requests":1e999}}',
      '{"output_tokens":9}',
    );
    expect(told).toEqual({ input: 50, output: 9 });
  });
});
