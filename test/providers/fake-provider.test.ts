import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { formats } from '../../src/formats/index.ts';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';

let fake: FakeProvider;
beforeAll(async () => {
  fake = await startFakeProvider({ key: 'sk' });
});
afterEach(() => fake.reset());
afterAll(() => fake.close());

const message = { role: 'user', content: 'Hi' };
const shapes = {
  'openai-chat': {
    path: '/v1/chat/completions',
    headers: { authorization: 'Bearer sk' },
    body: { model: 'm', messages: [message] },
  },
  'anthropic-messages': {
    path: '/v1/messages',
    headers: { 'x-api-key': 'sk', 'anthropic-version': '2023-06-01' },
    body: { model: 'm', max_tokens: 9, messages: [message] },
  },
} as const;
const names = ['openai-chat', 'anthropic-messages'] as const;

function post(format: (typeof names)[number], body: object = {}, headers: Record<string, string> = {}) {
  const shape = shapes[format];
  return fetch(fake.origin + shape.path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'accept-encoding': 'identity', ...shape.headers, ...headers },
    body: JSON.stringify({ ...shape.body, ...body }),
  });
}

describe.each(names)('the fake provider in %s', (format) => {
  test.each([
    [{ x_policy: 1 }, /x_policy/],
    [{ messages: [{ ...message, gateway: 1 }] }, /messages.0.gateway/],
    [{ messages: [] }, /messages/],
    [{ stream: 'yes' }, /stream/],
    [{ max_tokens: 0 }, /max_tokens/],
    [{ stream_options: { include_usage: true } }, /stream_options/],
  ])('refuses %o', async (body, reason) => {
    const reply = await post(format, body);
    expect(reply.status).toBe(400);
    expect(await reply.text()).toMatch(reason);
    expect(fake.violations.join()).toMatch(reason);
  });

  test('refuses headers that are not for a provider, and other keys', async () => {
    expect((await post(format, {}, { 'x-llm-user': 'u' })).status).toBe(400);
    expect((await post(format, {}, { 'x-forwarded-for': '1' })).status).toBe(400);
    expect((await post(format, {}, { 'accept-encoding': 'gzip' })).status).toBe(400);
    expect((await post(format, {}, { authorization: 'Bearer sk', 'x-api-key': 'sk' })).status).toBe(400);
    const name = format === 'openai-chat' ? 'authorization' : 'x-api-key';
    expect((await post(format, {}, { [name]: 'Bearer other' })).status).toBe(401);
  });

  test('says the same plain and streamed, and bills what it is told to, in words the format reads', async () => {
    fake.reply = () => ({
      text: 'An answer in words.',
      reasoning: 'Let me think.',
      tools: [{ name: 'look', arguments: '{"at": "it"}' }],
      usage: { input: 11, output: 7, cacheRead: 3, reasoning: 2 },
      tcp_bytes: 7,
      pings: true,
    });
    const asks = format === 'openai-chat' ? { stream_options: { include_usage: true } } : {};
    const plain = formats[format].plainFrame(Buffer.from(await (await post(format)).arrayBuffer())).events;
    const decoder = formats[format].streamDecoder({ usageInjected: false });
    const bytes = Buffer.from(await (await post(format, { stream: true, ...asks })).arrayBuffer());
    const streamed = [...decoder.push(bytes), ...decoder.end()].flatMap((frame) => frame.events);
    for (const events of [plain, streamed]) {
      const text = (channel: string) =>
        events.map((event) => (event.type === 'text' && event.lane.channel === channel ? event.text : '')).join('');
      expect(text('content')).toBe('An answer in words.');
      expect(text('reasoning')).toBe('Let me think.');
      expect(JSON.parse(text('tool_arguments'))).toEqual({ at: 'it' });
      expect(events.filter((event) => event.type === 'error')).toEqual([]);
      expect(events.at(-1)).toEqual({ type: 'end' });
      const told = events.filter((event) => event.type === 'usage').at(-1);
      expect(told).toMatchObject({ usage: { input: 11, output: 7, cacheRead: 3 } });
    }
  });

  test('tells an error in its first frame, with status 200', async () => {
    fake.reply = () => ({ firstFrameError: { message: 'overloaded', type: 'overloaded_error' } });
    const reply = await post(format, { stream: true });
    expect(reply.status).toBe(200);
    expect(await reply.text()).toContain('overloaded');
  });

  test('remembers what it received, and who went away when', async () => {
    fake.reply = () => ({ stall: 'middle', text: 'one two three four' });
    const reply = await post(format, { stream: true });
    await reply.body?.cancel();
    await fake.requests[0]!.over;
    expect(fake.requests[0]).toMatchObject({ format, finished: false, method: 'POST' });
    expect(fake.requests[0]!.aborted_ms).toBeGreaterThan(fake.requests[0]!.arrived_ms);
    expect(JSON.parse(fake.requests[0]!.bytes.toString())).toMatchObject(shapes[format].body);
  });
});
