import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import type { Frame } from '../../src/exchange/index.ts';
import { formats } from '../../src/formats/index.ts';
import { context, framesOf, type Recording, recordings, streamBytes } from './recording.ts';

/** A server that answers every call with these bytes. */
function answering(bytes: Buffer, type: string): typeof fetch {
  return async () => new Response(new Uint8Array(bytes), { headers: { 'content-type': type } });
}

function isBroken(frames: readonly Frame[]): boolean {
  return frames.some((frame) => frame.events.some(({ type }) => type === 'error'));
}

/** What a recording says in choice 0, by channel, and its calls. */
function said(frames: readonly Frame[]) {
  const events = frames.flatMap((frame) => frame.events);
  const of = (channel: string) =>
    events
      .map((event) =>
        event.type === 'text' && event.lane.choice === 0 && event.lane.channel === channel ? event.text : '',
      )
      .join('');
  const tools = events.filter((event) => event.type === 'tool_start' && event.choice === 0);
  return { content: of('content'), refusal: of('refusal'), reasoning: of('reasoning'), tools: tools.length };
}

const whole = recordings()
  .map((recording): [string, Recording, readonly Frame[]] => [
    recording.name,
    recording,
    framesOf(recording, [recording.provider]),
  ])
  .filter(([, , frames]) => !isBroken(frames));

describe.each(whole)("the vendors' own clients understand %s", (_name, recording, frames) => {
  const events = frames.flatMap((frame) => frame.events);
  const expected = said(frames);

  test('as OpenAI Chat', async () => {
    const client = (bytes: Buffer, type: string) =>
      new OpenAI({ apiKey: 'k', fetch: answering(bytes, type), maxRetries: 0 });
    if (recording.plain) {
      const bytes = formats['openai-chat'].plainReply(events, context);
      const reply = await client(bytes, 'application/json').chat.completions.create({ model: 'm', messages: [] });
      const message = reply.choices[0]!.message;
      expect(message.content ?? '').toBe(expected.content);
      expect(message.tool_calls?.length ?? 0).toBe(expected.tools);
      return;
    }
    const bytes = streamBytes('openai-chat', frames);
    const stream = await client(bytes, 'text/event-stream').chat.completions.create({
      model: 'm',
      messages: [],
      stream: true,
    });
    let content = '';
    let finish: string | null = null;
    const calls = new Map<number, string>();
    for await (const chunk of stream) {
      for (const choice of chunk.choices) {
        if (choice.index !== 0) continue;
        content += choice.delta.content ?? '';
        for (const call of choice.delta.tool_calls ?? []) {
          calls.set(call.index, (calls.get(call.index) ?? '') + (call.function?.arguments ?? ''));
        }
        finish = choice.finish_reason ?? finish;
      }
    }
    expect(content).toBe(expected.content);
    expect(finish).not.toBeNull();
    expect(calls.size).toBe(expected.tools);
    const custom = events.some((event) => event.type === 'tool_start' && event.kind === 'custom');
    // The client's types know no custom tools in streams: they have no arguments, so nothing of them is JSON.
    for (const text of calls.values()) expect(custom ? text === '' : typeof JSON.parse(text) === 'object').toBe(true);
  });

  test('as Anthropic Messages', async () => {
    const client = (bytes: Buffer, type: string) =>
      new Anthropic({ apiKey: 'k', fetch: answering(bytes, type), maxRetries: 0 }).messages;
    const request = { model: 'm', max_tokens: 5, messages: [] };
    const message = recording.plain
      ? await client(formats['anthropic-messages'].plainReply(events, context), 'application/json').create(request)
      : await client(streamBytes('anthropic-messages', frames), 'text/event-stream').stream(request).finalMessage();
    const text = message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
    const thinking = message.content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join('');
    const tools = message.content.filter((block) => block.type === 'tool_use');
    expect(text).toBe(expected.content + expected.refusal);
    expect(thinking).toBe(expected.reasoning);
    expect(tools).toHaveLength(expected.tools);
    for (const tool of tools) expect(typeof tool.input).toBe('object');
    expect(message.stop_reason).not.toBeNull();
  });
});
