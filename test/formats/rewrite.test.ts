import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Format, Frame, ReplyEvent } from '../../src/exchange/index.ts';
import { anthropicMessages, formats, openaiChat } from '../../src/formats/index.ts';
import { sseMessages, wellFormed } from '../support/well-formed.ts';
import { framesOf, recordings } from './recording.ts';

type TextEvent = Extract<ReplyEvent, { type: 'text' }>;

function texts(frame: Frame): readonly TextEvent[] {
  return frame.events.filter((event): event is TextEvent => event.type === 'text');
}

/** The frame's text events again, read from other bytes by a decoder that has seen the same stream before it. */
function reread(format: Format, before: readonly Frame[], bytes: Buffer, plain: boolean): readonly TextEvent[] {
  if (plain) return texts(format.plainFrame(bytes));
  const decoder = format.streamDecoder({ usageInjected: false });
  for (const frame of before) decoder.push(frame.raw);
  return [...decoder.push(bytes), ...decoder.end()].flatMap(texts);
}

function json(bytes: Buffer, plain: boolean): unknown {
  return plain ? JSON.parse(bytes.toString()) : sseMessages(bytes).map(({ event, data }) => [event, JSON.parse(data)]);
}

const speaking = recordings().flatMap((recording) => {
  const frames = framesOf(recording, [recording.provider]);
  return frames.flatMap((frame, index) =>
    texts(frame).length === 0
      ? []
      : [{ recording, frame, before: frames.slice(0, index), name: `${recording.name} ${index}` }],
  );
});

describe('a rewritten frame', () => {
  test('with its own texts, or none, is the very same bytes', () => {
    for (const { frame } of speaking) {
      expect(frame.rewrite(texts(frame).map(({ text }) => text))).toBe(frame.raw);
      expect(frame.rewrite([])).toBe(frame.raw);
    }
  });

  test('says the new texts and nothing else changes', () => {
    const other = fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => `${text}"\n\\ é`);
    fc.assert(
      fc.property(
        fc.constantFrom(...speaking),
        fc.array(fc.option(other, { nil: undefined })),
        ({ recording, frame, before }, drawn) => {
          const own = texts(frame);
          const wanted = own.map(({ lane }, index) => {
            const text = drawn[index % Math.max(1, drawn.length)];
            // A tool's input may be JSON itself, so it must stay some.
            return text !== undefined && lane.channel === 'tool_arguments' ? JSON.stringify({ text }) : text;
          });
          const bytes = frame.rewrite(wanted);
          const format = formats[recording.format];
          const said = reread(format, before, bytes, recording.plain);
          expect(said.map(({ text }) => text)).toEqual(own.map(({ text }, index) => wanted[index] ?? text));
          expect(said.map(({ lane }) => lane)).toEqual(own.map(({ lane }) => lane));
          // Put the old texts back: all that differs is what repeated them.
          const back = format.plainFrame(bytes);
          if (recording.plain) {
            const restored = back.rewrite(own.map(({ text }) => text));
            expect(stripped(json(restored, true))).toEqual(stripped(json(frame.raw, true)));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('keeps framing, key order, numbers and unknown fields', () => {
    const text =
      'event: x\r\nid: 7\r\ndata:{"z": 1.0,"choices":[{"index":0, "delta":{"content":"se\\u0063ret"},"logprobs":{"content":[{"token":"secret"}]}}],\r\n: between\r\ndata: "big":12345678901234567890}\r\n\r\n';
    const [frame] = openaiChat.streamDecoder({ usageInjected: false }).push(Buffer.from(text));
    expect(frame!.rewrite(['[x]']).toString()).toBe(
      text.replace('"se\\u0063ret"', '"[x]"').replace('{"content":[{"token":"secret"}]}', 'null'),
    );
  });

  test('loses the log probabilities of the choice that changed, and of no other', () => {
    const choice = (index: number) => `{"index":${index},"delta":{"content":"a"},"logprobs":{"content":[]}}`;
    const [frame] = openaiChat
      .streamDecoder({ usageInjected: false })
      .push(Buffer.from(`data: {"choices":[${choice(0)},${choice(1)}]}\n\n`));
    expect(frame!.rewrite([undefined, 'b']).toString()).toBe(
      `data: {"choices":[${choice(0)},{"index":1,"delta":{"content":"b"},"logprobs":null}]}\n\n`,
    );
  });

  test('takes a tool input as JSON, and as text where it is none', () => {
    const frame = anthropicMessages.plainFrame(
      Buffer.from('{"content":[{"type":"tool_use","id":"t","name":"f","input":{"card": 4111}}]}'),
    );
    expect(texts(frame)[0]?.text).toBe('{"card": 4111}');
    expect(frame.rewrite(['{"card": "[card]"}']).toString()).toContain('"input":{"card": "[card]"}');
    expect(frame.rewrite(['{"card": [card}']).toString()).toContain('"input":"{\\"card\\": [card}"');
  });

  test('keeps the grammar of its stream', () => {
    for (const recording of recordings()) {
      if (recording.plain) continue;
      const frames = framesOf(recording, [recording.provider]);
      if (frames.some((frame) => frame.events.some(({ type }) => type === 'error'))) continue;
      const bytes = frames.map((frame) => frame.rewrite(texts(frame).map(() => '[x]')));
      expect(wellFormed(recording.format, Buffer.concat(bytes), { provider: true })).toBe('end');
      expect(Buffer.concat(bytes).toString()).not.toContain('Hello');
    }
  });
});

/** Without what may go when a text is replaced. */
function stripped(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, inner) => (key === 'logprobs' ? null : inner)));
}

describe('a plain reply and the same reply as a stream', () => {
  test('say the same texts in the same lanes', () => {
    const plain = openaiChat.plainFrame(
      Buffer.from(
        '{"id":"a","model":"m","created":1,"choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"R","content":"Hello","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\\"a\\":1}"}}]},"finish_reason":"tool_calls"}]}',
      ),
    );
    const decoder = openaiChat.streamDecoder({ usageInjected: false });
    const streamed = [
      '{"role":"assistant","reasoning_content":"R"}',
      '{"content":"Hel"}',
      '{"content":"lo"}',
      '{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{\\"a\\""}}]}',
      '{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}',
    ].flatMap((delta) => decoder.push(Buffer.from(`data: {"choices":[{"index":0,"delta":${delta}}]}\n\n`)));
    expect(byLane(streamed)).toEqual(byLane([plain]));

    const message = anthropicMessages.plainFrame(
      Buffer.from(
        '{"content":[{"type":"thinking","thinking":"R","signature":"s"},{"type":"text","text":"Hello"},{"type":"tool_use","id":"t","name":"f","input":{"a":1.0}}]}',
      ),
    );
    const events = anthropicMessages.streamDecoder({ usageInjected: false });
    const said = [
      '{"type":"message_start","message":{"content":[]}}',
      '{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"R"}}',
      '{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"Hel"}}',
      '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"lo"}}',
      '{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}',
      '{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\\"a\\":1.0}"}}',
    ].flatMap((data) => events.push(Buffer.from(`data: ${data}\n\n`)));
    expect(byLane(said)).toEqual(byLane([message]));
  });
});

function byLane(frames: readonly Frame[]): ReadonlyMap<string, string> {
  const lanes = new Map<string, string>();
  for (const { lane, text } of frames.flatMap(texts)) {
    const key = JSON.stringify(lane);
    lanes.set(key, (lanes.get(key) ?? '') + text);
  }
  return lanes;
}
