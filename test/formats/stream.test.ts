import { describe, expect, test } from 'vitest';
import type { Frame, Lane, ReplyEvent, Usage } from '../../src/exchange/index.ts';
import { anthropicMessages, formats, openaiChat } from '../../src/formats/index.ts';
import { sseMessages, wellFormed } from '../support/well-formed.ts';
import { context } from './recording.ts';
import { thrown } from './thrown.ts';

function frames(text: string, usageInjected = false): readonly Frame[] {
  const decoder = openaiChat.streamDecoder({ usageInjected });
  return [...decoder.push(Buffer.from(text)), ...decoder.end()];
}

function types(list: readonly Frame[]): string[][] {
  return list.map(({ events }) => events.map(({ type }) => type));
}

const hello = 'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n';

describe('reading a stream', () => {
  test('a message whose keys could be read in two ways is an error, and nothing of it passes', () => {
    const list = frames('data: {"id":"c","choices":[{"index":0,"delta":{"content":"safe","content":"secret"}}]}\n\n');
    expect(types(list)).toEqual([['error']]);
    expect(list[0]!.raw).toHaveLength(0);
  });

  test('what follows the end does not pass, but for comments', () => {
    const list = frames(
      `${hello}data: [DONE]\n\n: bye\n\ndata: {"choices":[{"index":0,"delta":{"content":"late"}}]}\n\n`,
    );
    expect(types(list)).toEqual([['start', 'text', 'finish'], ['end'], []]);
    expect(list.at(-1)!.passes).toBe(true);
  });

  test('a lane is one object for all its texts', () => {
    const chunk =
      'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}\n\n';
    const lanes = frames(chunk + chunk).flatMap(({ events }) =>
      events.flatMap((event) => (event.type === 'text' ? [event.lane] : [])),
    );
    expect(lanes[2]).toBe(lanes[0]);
    expect(lanes[3]).toBe(lanes[1]);
    expect(lanes.slice(0, 2).map(({ slot, choice }) => [slot, choice])).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });

  test("usage is marked as the gateway's own only where it was asked for by the gateway and stands alone", () => {
    const usage = 'data: {"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":0}}\n\n';
    const beside = hello.replace('"choices"', '"usage":{"prompt_tokens":1},"choices"');
    expect(frames(hello + usage, true)[1]!.usageOnly).toBe(true);
    expect(frames(hello + usage, false)[1]!.usageOnly).toBe(false);
    expect(frames(beside, true)[0]!.usageOnly).toBe(false);
    expect(frames('data: {"id":"","choices":[],"prompt_filter_results":[]}\n\n', true)[0]!.usageOnly).toBe(false);
  });

  test('usage reports add up field by field, the later one winning; zero is a number', () => {
    const usage = (body: string) => `data: {"id":"c","choices":[],"usage":${body}}\n\n`;
    const list = frames(
      hello +
        usage('{"prompt_tokens":5,"completion_tokens":2}') +
        usage('{"completion_tokens":0,"prompt_tokens":null}'),
    );
    const told = list.flatMap(({ events }) => events.flatMap((event) => (event.type === 'usage' ? [event.usage] : [])));
    expect(told).toEqual<Usage[]>([
      { input: 5, output: 2 },
      { input: 5, output: 0 },
    ]);
  });

  test('the usage of one vendor stands in a member of its own', () => {
    const list = frames(
      hello.replace('"choices"', '"x_groq":{"id":"r","usage":{"prompt_tokens":3,"completion_tokens":1}},"choices"'),
    );
    expect(list[0]!.events.find(({ type }) => type === 'usage')).toEqual({
      type: 'usage',
      usage: { input: 3, output: 1 },
    });
  });

  test('an error for our own credentials in a stream tells the client nothing of it', () => {
    const [frame] = frames('data: {"error":{"message":"bad key sk-abc","type":"authentication_error"}}\n\n');
    expect(frame!.raw).toHaveLength(0);
    const [event] = frame!.events;
    expect(event?.type === 'error' && [event.failure.code, event.failure.message]).toEqual([
      'upstream_auth',
      "The provider refused the gateway's credentials.",
    ]);
  });

  test('a plain body that cannot be read is an error', () => {
    for (const format of Object.values(formats)) {
      for (const body of ['', '<html>', '[]', '{"a":1,"a":2}', '{}']) {
        expect(
          format
            .plainFrame(Buffer.from(body))
            .events.map(({ type }) => type)
            .at(-1),
        ).toBe('error');
      }
    }
  });
});

const lane = (more: Partial<Lane> = {}): Lane => ({
  slot: 0,
  choice: 0,
  channel: 'content',
  index: 0,
  signed: false,
  ...more,
});
const start: ReplyEvent = { type: 'start', id: 'r', model: 'm' };
const finish: ReplyEvent = { type: 'finish', choice: 0, reason: 'stop' };

describe('writing a stream', () => {
  test('tells OpenAI clients of usage only when they asked', () => {
    const events: ReplyEvent[] = [start, finish, { type: 'usage', usage: { input: 2, output: 1 } }, { type: 'end' }];
    const asked = openaiChat.streamEncoder(context).encode(events).toString();
    expect(asked.match(/"usage":null/g)).toHaveLength(2);
    expect(asked).toContain('"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}');
    const silent = openaiChat
      .streamEncoder({ ...context, usageAsked: false })
      .encode(events)
      .toString();
    expect(silent).not.toContain('usage');
    const unknown = openaiChat.streamEncoder(context).encode([start, finish, { type: 'end' }]);
    expect(sseMessages(unknown).some(({ data }) => data.includes('"choices":[]'))).toBe(false);
  });

  test('gives every choice its role, and calls without an id one', () => {
    const bytes = openaiChat
      .streamEncoder(context)
      .encode([
        start,
        { type: 'text', lane: lane({ choice: 1 }), text: 'b' },
        { type: 'tool_start', choice: 0, index: 4, id: '', name: 'f', kind: 'function' },
        finish,
        { type: 'finish', choice: 1, reason: 'refusal' },
        { type: 'end' },
      ]);
    expect(wellFormed('openai-chat', bytes)).toBe('end');
    expect(bytes.toString()).toContain('"tool_calls":[{"index":0,"id":"call_xch_1_0_0"');
    expect(bytes.toString()).toContain('"finish_reason":"content_filter"');
  });

  test('writes nothing after an error', () => {
    for (const format of Object.values(formats)) {
      const encoder = format.streamEncoder(context);
      const failure = thrown(() => format.read(Buffer.from('')));
      expect(encoder.encode([start, { type: 'error', failure }]).length).toBeGreaterThan(0);
      expect(encoder.encode([finish, { type: 'end' }])).toHaveLength(0);
    }
  });

  test('keeps pings coming in both formats', () => {
    expect(
      anthropicMessages
        .streamEncoder(context)
        .encode([{ type: 'ping' }])
        .toString(),
    ).toBe('event: ping\ndata: {"type":"ping"}\n\n');
    expect(
      openaiChat
        .streamEncoder(context)
        .encode([{ type: 'ping' }])
        .toString(),
    ).toBe(': ping\n\n');
    for (const format of Object.values(formats)) expect(format.keepAlive.toString()).toBe(': keep-alive\n\n');
  });

  test('opens a new block where text goes on after a tool', () => {
    const text = lane();
    const bytes = anthropicMessages
      .streamEncoder(context)
      .encode([
        start,
        { type: 'text', lane: text, text: 'a' },
        { type: 'tool_start', choice: 0, index: 0, id: 't', name: 'f', kind: 'function' },
        { type: 'text', lane: text, text: 'b' },
        { type: 'text', lane: lane({ slot: 1, channel: 'tool_arguments' }), text: '{}' },
        finish,
        { type: 'end' },
      ]);
    expect(wellFormed('anthropic-messages', bytes)).toBe('end');
    const opened = sseMessages(bytes).filter(({ event }) => event === 'content_block_start');
    expect(opened.map(({ data }) => JSON.parse(data).content_block.type)).toEqual(['text', 'tool_use', 'text']);
  });

  test('a plain reply of a broken stream throws what broke it', () => {
    for (const format of Object.values(formats)) {
      const failure = thrown(() => format.read(Buffer.from('')));
      expect(thrown(() => format.plainReply([start, { type: 'error', failure }], context))).toBe(failure);
    }
  });
});
