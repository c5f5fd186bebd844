import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ClientHouse, providers, startClients } from '../support/clients.ts';
import type { FakeReply } from '../support/fake-provider.ts';
import { eventually } from '../support/money.ts';

let house: ClientHouse;
beforeAll(async () => {
  house = await startClients();
});
afterEach(() => house.check());
afterAll(() => house.close());

const messages = [{ role: 'user' as const, content: 'Tell me a long story.' }];
const text = 'Once upon a time there was a gateway that never told a lie, and everybody was content.';

/** A stream as a client's program meets it: what it heard, what it threw, and how to leave. */
interface Heard {
  text: string;
  thrown: unknown;
}

const clients = [
  {
    client: 'OpenAI',
    error: OpenAI.APIError as abstract new (...args: never[]) => Error,
    codeOf: (thrown: unknown) => (thrown as { code: unknown }).code ?? (thrown as { type: unknown }).type,
    async hear(model: string, requestId: string, heard: Heard, signal?: AbortSignal): Promise<void> {
      const stream = await house.openai.chat.completions.create(
        { model, messages, stream: true },
        { headers: { 'x-request-id': requestId }, ...(signal === undefined ? {} : { signal }) },
      );
      for await (const chunk of stream) heard.text += chunk.choices[0]?.delta.content ?? '';
    },
    whole: (model: string) =>
      house.openai.chat.completions.stream({ model, messages }).finalMessage() as Promise<unknown>,
    plain: (model: string, requestId: string, signal: AbortSignal) =>
      house.openai.chat.completions.create(
        { model, messages },
        { signal, headers: { 'x-request-id': requestId } },
      ) as Promise<unknown>,
  },
  {
    client: 'Anthropic',
    error: Anthropic.APIError as abstract new (...args: never[]) => Error,
    codeOf(thrown: unknown) {
      const { error } = (thrown as { error: { error: { code?: string; type: string } } }).error;
      return error.code ?? error.type;
    },
    async hear(model: string, requestId: string, heard: Heard, signal?: AbortSignal): Promise<void> {
      const stream = await house.anthropic.messages.create(
        { model, max_tokens: 1000, messages, stream: true },
        { headers: { 'x-request-id': requestId }, ...(signal === undefined ? {} : { signal }) },
      );
      for await (const event of stream) {
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') heard.text += event.delta.text;
      }
    },
    whole: (model: string) =>
      house.anthropic.messages.stream({ model, max_tokens: 1000, messages }).finalMessage() as Promise<unknown>,
    plain: (model: string, requestId: string, signal: AbortSignal) =>
      house.anthropic.messages.create(
        { model, max_tokens: 1000, messages },
        { signal, headers: { 'x-request-id': requestId } },
      ) as Promise<unknown>,
  },
];
const journeys = clients.flatMap((client) => providers.map((provider) => ({ ...client, ...provider })));
let count = 0;
const freshId = () => `broken-${++count}`;

describe.each(journeys)("$client's client before a provider of the $format format", (journey) => {
  const { client, format, model, hear, whole, plain, error, codeOf } = journey;

  async function breaks(reply: FakeReply): Promise<Heard & { requestId: string }> {
    house.says({ text, ...reply });
    const requestId = freshId();
    const heard: Heard = { text: '', thrown: undefined };
    await hear(model, requestId, heard).catch((thrown: unknown) => {
      heard.thrown = thrown;
    });
    return { ...heard, requestId };
  }

  test.each([
    {
      what: 'is told of an error in the middle of a stream',
      reply: { middleError: { message: 'Overloaded, sorry.', type: 'overloaded_error' } },
      code: 'overloaded_error',
      says: 'Overloaded, sorry.',
    },
    {
      what: 'is told when the provider dies in the middle of a stream',
      reply: { die: 'middle' as const },
      code: 'upstream_error',
      says: 'broke off',
    },
    {
      what: 'is told when a stream ends before its end',
      reply: { unfinished: true },
      code: 'upstream_error',
      says: 'ended early',
    },
  ])('$what: never a clean end', async ({ reply, code, says }) => {
    const { text: heard, thrown, requestId } = await breaks(reply);
    expect(heard.length).toBeGreaterThan(10);
    expect(text.startsWith(heard)).toBe(true);
    expect(thrown).toBeInstanceOf(error);
    expect((thrown as Error).message).toContain(says);
    expect(codeOf(thrown)).toBe(code);
    // Between two sides of one format the provider's own error goes through: with its type, and nothing added.
    if (reply.middleError && client.toLowerCase() === format) {
      expect(JSON.stringify((thrown as { error: unknown }).error)).toContain('"type":"overloaded_error"');
      expect(JSON.stringify((thrown as { error: unknown }).error)).not.toContain('upstream');
    }
    expect(house.ending()).toBe('error');
    const record = await house.record(requestId);
    expect(record).toMatchObject({ ending: 'cut', cost_estimated: true, failure: { code: 'upstream_error' } });
    expect(record.cost_nusd).toBeGreaterThan(0);
    await expect(whole(model)).rejects.toThrow(error);
  });

  test('goes away in the middle of a stream: the provider is called off within a second, and what came is paid', async () => {
    house.says({ text, endless: true, pace_ms: 2 });
    const requestId = freshId();
    const controller = new AbortController();
    const heard: Heard = { text: '', thrown: undefined };
    const over = hear(model, requestId, heard, controller.signal).catch((thrown: unknown) => {
      heard.thrown = thrown;
    });
    await eventually('some of the story is there', () => heard.text.length > text.length);
    const [request] = house.provider.requests;
    expect(request?.aborted_ms).toBeUndefined();
    const left = performance.now();
    controller.abort();
    await over;
    await eventually('the provider is called off', () => request?.aborted_ms !== undefined);
    expect((request?.aborted_ms ?? Number.NaN) - left).toBeLessThan(5000);
    const record = await house.record(requestId);
    expect(record).toMatchObject({ ending: 'aborted', cost_estimated: true, streamed: true });
    // Two dollars a million tokens of output: what was observed counts, not what the provider said at the start.
    expect(record.usage?.output).toBeGreaterThan(10);
    expect(record.cost_nusd).toBeGreaterThan((record.usage?.output ?? 0) * 2000);
    expect(record.failure).toBeUndefined();
  });

  test('goes away before the first word of a stream: the provider is called off', async () => {
    house.says({ stall: 'first_frame' });
    const requestId = freshId();
    const controller = new AbortController();
    const heard: Heard = { text: '', thrown: undefined };
    const over = hear(model, requestId, heard, controller.signal).catch(() => {});
    await eventually('the provider was asked', () => house.provider.requests.length === 1);
    const left = performance.now();
    controller.abort();
    await over;
    const [request] = house.provider.requests;
    await eventually('the provider is called off', () => request?.aborted_ms !== undefined);
    expect((request?.aborted_ms ?? Number.NaN) - left).toBeLessThan(5000);
    expect(await house.record(requestId)).toMatchObject({ ending: 'aborted', cost_estimated: true, streamed: true });
  });

  test('goes away before a plain reply: the provider is called off, and the prompt is paid', async () => {
    house.says({ stall: 'head' });
    const requestId = freshId();
    const controller = new AbortController();
    const over = plain(model, requestId, controller.signal).catch((thrown: unknown) => thrown);
    await eventually('the provider was asked', () => house.provider.requests.length === 1);
    const left = performance.now();
    controller.abort();
    expect(await over).toBeInstanceOf(error);
    const [request] = house.provider.requests;
    await eventually('the provider is called off', () => request?.aborted_ms !== undefined);
    expect((request?.aborted_ms ?? Number.NaN) - left).toBeLessThan(5000);
    const record = await house.record(requestId);
    expect(record).toMatchObject({ ending: 'aborted', cost_estimated: true, streamed: false });
    expect(record.cost_nusd).toBeGreaterThan(0);
  });
});

test('a program that stops listening goes away too', async () => {
  house.says({ text, endless: true, pace_ms: 2 });
  const stream = await house.openai.chat.completions.create({ model: 'gpt-4o', messages, stream: true });
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
  await eventually('the provider is called off', () => house.provider.requests[0]?.aborted_ms !== undefined);
});
