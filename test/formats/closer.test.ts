import { describe, expect, test } from 'vitest';
import { Failure, type FormatName } from '../../src/exchange/index.ts';
import { formats } from '../../src/formats/index.ts';
import { sseMessages, wellFormed } from '../support/well-formed.ts';
import { context, framesOf, recordings } from './recording.ts';

const failure = new Failure('upstream_timeout', 'The provider took too long.');

function closed(name: FormatName, bytes: string, how: 'content_filter' | 'length' | 'fail'): Buffer {
  const decoder = formats[name].streamDecoder({ usageInjected: false });
  const closer = formats[name].closer(context);
  for (const frame of decoder.push(Buffer.from(bytes))) closer.left(frame);
  return how === 'fail' ? closer.fail(failure, 'req_1') : closer.finish(how);
}

describe('a stream that goes through and is ended from outside', () => {
  test('is well formed wherever it is ended', () => {
    for (const recording of recordings()) {
      if (recording.plain) continue;
      const frames = framesOf(recording, [recording.provider]);
      for (let count = 0; count <= frames.length; count += 1) {
        const left = frames.slice(0, count);
        if (left.some((frame) => frame.events.some(({ type }) => type === 'error'))) break;
        for (const how of ['content_filter', 'length', 'fail'] as const) {
          const closer = formats[recording.format].closer(context);
          for (const frame of left) closer.left(frame);
          const end = how === 'fail' ? closer.fail(failure, 'req_1') : closer.finish(how);
          const whole = Buffer.concat([...left.map(({ raw }) => raw), end]);
          const ending = left.some((frame) => frame.events.some(({ type }) => type === 'end'))
            ? 'end'
            : how === 'fail'
              ? 'error'
              : 'end';
          try {
            expect(wellFormed(recording.format, whole, { provider: true })).toBe(ending);
          } catch (broken) {
            throw new Error(`${recording.name} after ${count} frames, ${how}`, { cause: broken });
          }
        }
      }
    }
  });

  const chunk = (index: number, delta: string, finish = 'null') =>
    `data: {"id":"c","created":5,"model":"m5","choices":[{"index":${index},"delta":${delta},"finish_reason":${finish}}]}\n\n`;

  test('gives each open choice its reason, under the ids of the stream', () => {
    const bytes =
      chunk(0, '{"role":"assistant"}') + chunk(1, '{"role":"assistant"}') + chunk(2, '{"content":"x"}', '"stop"');
    const messages = sseMessages(closed('openai-chat', bytes, 'content_filter'));
    expect(messages.map(({ data }) => data)).toEqual([
      '{"id":"c","object":"chat.completion.chunk","created":5,"model":"m5","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"content_filter"}]}',
      '{"id":"c","object":"chat.completion.chunk","created":5,"model":"m5","choices":[{"index":1,"delta":{},"logprobs":null,"finish_reason":"content_filter"}]}',
      '[DONE]',
    ]);
  });

  test('tells a fault by an error without a false end', () => {
    expect(closed('openai-chat', chunk(0, '{"content":"x"}'), 'fail').toString()).toBe(
      'data: {"error":{"message":"The provider took too long.","type":"server_error","param":null,"code":"upstream_timeout"}}\n\n',
    );
    expect(closed('anthropic-messages', '', 'fail').toString()).toBe(
      'event: error\ndata: {"type":"error","error":{"type":"timeout_error","message":"The provider took too long.","code":"upstream_timeout"},"request_id":"req_1"}\n\n',
    );
  });

  test('closes open blocks and says refusal or max_tokens, with the usage told so far', () => {
    const event = (data: string) => `event: ${JSON.parse(data).type}\ndata: ${data}\n\n`;
    const bytes =
      event(
        '{"type":"message_start","message":{"id":"m","model":"c","content":[],"usage":{"input_tokens":9,"output_tokens":2}}}',
      ) +
      event('{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}') +
      event('{"type":"content_block_stop","index":0}') +
      event('{"type":"content_block_start","index":1,"content_block":{"type":"web_search_tool_result","content":[]}}') +
      event(
        '{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}',
      );
    for (const [how, reason] of [
      ['content_filter', 'refusal'],
      ['length', 'max_tokens'],
    ] as const) {
      expect(sseMessages(closed('anthropic-messages', bytes, how)).map(({ data }) => JSON.parse(data))).toEqual([
        { type: 'content_block_stop', index: 1 },
        { type: 'content_block_stop', index: 2 },
        {
          type: 'message_delta',
          delta: { stop_reason: reason, stop_sequence: null },
          usage: { input_tokens: 9, output_tokens: 2 },
        },
        { type: 'message_stop' },
      ]);
    }
  });

  test('adds nothing after the end', () => {
    expect(closed('openai-chat', `${chunk(0, '{}', '"stop"')}data: [DONE]\n\n`, 'length').length).toBe(0);
    expect(closed('openai-chat', `${chunk(0, '{}', '"stop"')}data: [DONE]\n\n`, 'fail').length).toBe(0);
  });
});
