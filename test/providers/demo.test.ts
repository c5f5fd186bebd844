import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Failure } from '../../src/exchange/index.ts';
import { Abort, type Provider } from '../../src/providers/index.ts';
import { eventually } from '../support/wait.ts';
import { provider } from './load.ts';
import { collect, times } from './sink.ts';

const price = { input_usd_per_mtok: 1, output_usd_per_mtok: 4 };

function demo(): Provider {
  return provider({ format: 'demo', base_url: undefined, models: { demo: price, 'demo-mini': price } });
}

async function ask(body: object, options: { abort?: Abort } = {}) {
  const reply = await demo().send({
    path: '/chat/completions',
    headers: {},
    body: Buffer.from(JSON.stringify({ model: 'demo', ...body })),
    ...times,
    ...options,
  });
  return { reply, body: await collect(reply) };
}

const said = (content: string, more: object = {}) => ({ messages: [{ role: 'user', content }], ...more });
const plain = async (content: string, more: object = {}) => JSON.parse((await ask(said(content, more))).body.text);
const chunksOf = (text: string) =>
  text
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice('data: '.length)));

describe('the demo model', () => {
  test('says what it is', async () => {
    const reply = await plain('Hello there');
    expect(reply.choices[0].message.content).toMatch(/^I am the built-in demo model .* Hello there$/);
    expect(reply).toMatchObject({ object: 'chat.completion', model: 'demo', choices: [{ finish_reason: 'stop' }] });
    expect(reply.usage.total_tokens).toBe(reply.usage.prompt_tokens + reply.usage.completion_tokens);
    expect(reply.usage.prompt_tokens).toBe(2);
  });

  test('answers alike each time, and streamed as it does plain', async () => {
    const [one, two] = [
      await plain('Repeat after me: one  two\nthree'),
      await plain('Repeat after me: one  two\nthree'),
    ];
    expect({ ...one, created: 0 }).toEqual({ ...two, created: 0 });
    expect(one.choices[0].message.content).toBe('one  two\nthree');
    const { body, reply } = await ask(said('Repeat after me: one  two\nthree', { stream: true }));
    expect(reply.headers['content-type']).toMatch(/^text\/event-stream/);
    const chunks = chunksOf(body.text);
    expect(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('')).toBe('one  two\nthree');
    expect(body.text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
  });

  test('gives made-up data to watch rails at work', async () => {
    const content = (await plain('Give me a test card number')).choices[0].message.content;
    expect(content).toContain('4111 1111 1111 1111');
    expect(content).toContain('@example.com');
    expect(content).toMatch(/\bAKIA[A-Z2-7]{16}\b/);
  });

  test('tells usage in a stream when asked', async () => {
    const { body } = await ask(said('Hello', { stream: true, stream_options: { include_usage: true } }));
    const chunks = chunksOf(body.text);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 1 } });
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
  });

  test('calls the first tool when told to, with arguments that fit', async () => {
    const tools = [
      {
        type: 'function',
        function: {
          name: 'weather',
          parameters: {
            type: 'object',
            properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 2 }, unit: { enum: ['C', 'F'] } },
            required: ['city', 'days', 'unit'],
          },
        },
      },
    ];
    const reply = await plain('Please call the tool', { tools });
    expect(reply.choices[0].finish_reason).toBe('tool_calls');
    const [call] = reply.choices[0].message.tool_calls;
    expect(call.function.name).toBe('weather');
    expect(JSON.parse(call.function.arguments)).toEqual({ city: 'demo', days: 2, unit: 'C' });
    const { body } = await ask(said('call the tool', { tools, stream: true }));
    const deltas = chunksOf(body.text).flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
    expect(deltas[0]).toMatchObject({ index: 0, id: 'call_demo_0', function: { name: 'weather' } });
    expect(deltas.map((delta) => delta.function.arguments).join('')).toBe(call.function.arguments);
    const after = {
      messages: [...said('call the tool').messages, { role: 'tool', tool_call_id: 'x', content: '21 C' }],
    };
    expect(JSON.parse((await ask({ ...after, tools })).body.text).choices[0].message.content).toBe(
      'The tool answered: 21 C',
    );
  });

  test('keeps to the limit of tokens and to the number of choices', async () => {
    const reply = await plain('Repeat after me: a b c d e', { max_tokens: 3, n: 2 });
    expect(reply.choices).toHaveLength(2);
    expect(reply.choices[0]).toMatchObject({ message: { content: 'a b c' }, finish_reason: 'length' });
    expect(reply.usage.completion_tokens).toBe(6);
  });

  test('fails when told to', async () => {
    const { reply, body } = await ask(said('Fail with status 429'));
    expect(reply).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    expect(JSON.parse(body.text).error.message).toBe('You asked for status 429.');
    const broken = (await ask(said('Break off, please', { stream: true }))).body;
    expect(broken.failure).toMatchObject({ code: 'upstream_error' });
    expect(broken.text).not.toContain('[DONE]');
  });

  test('refuses what it has not', async () => {
    expect((await ask({ model: 'gpt-4o', ...said('x') })).reply.status).toBe(404);
    expect((await ask({ messages: [] })).reply.status).toBe(400);
    expect((await ask(said('x', { response_format: { type: 'json_object' } }))).reply.status).toBe(400);
  });

  test('stops when aborted, and holds when paused', async () => {
    const abort = new Abort();
    const body = Buffer.from(
      JSON.stringify({ model: 'demo', ...said(`Repeat after me: ${'word '.repeat(500)}`, { stream: true }) }),
    );
    const reply = await demo().send({ path: '/chat/completions', headers: {}, body, abort, ...times });
    let pieces = 0;
    let over = false;
    reply.read({
      data: () => {
        pieces += 1;
        if (pieces === 3) reply.pause();
      },
      end: () => {
        over = true;
      },
      error: () => {
        over = true;
      },
    });
    await eventually(() => pieces >= 3);
    await sleep(80);
    expect(pieces).toBe(3);
    reply.resume();
    await eventually(() => pieces > 3);
    abort.abort(new Failure('internal_error', 'gone'));
    const before = pieces;
    await sleep(60);
    expect(pieces).toBe(before);
    expect(over).toBe(false);
  });

  test('is spoken to, and answers, in the format it says it speaks', async () => {
    const here = demo();
    for (const stream of [false, true]) {
      const view = here.format.read(
        Buffer.from(JSON.stringify({ model: 'alias', stream, ...said('Repeat after me: yes') })),
      );
      const encoded = here.format.encodeRequest(view, {
        model: 'demo',
        texts: [],
        set: {},
        remove: [],
        askUsage: stream,
        dropFields: [],
        renameFields: {},
      });
      const path = here.requestPath(encoded, { model: 'demo' });
      const reply = await here.send({ path, headers: encoded.headers, body: encoded.body, ...times });
      const { text } = await collect(reply);
      const decoder = here.format.streamDecoder({ usageInjected: true });
      const frames = stream
        ? [...decoder.push(Buffer.from(text)), ...decoder.end()]
        : [here.format.plainFrame(Buffer.from(text))];
      const events = frames.flatMap((frame) => frame.events);
      expect(events.map((event) => (event.type === 'text' ? event.text : '')).join('')).toBe('yes');
      expect(events.find((event) => event.type === 'usage')).toMatchObject({ usage: { output: 1 } });
      expect(events.at(-1)).toEqual({ type: 'end' });
    }
  });

  test('closes when its calls are over', async () => {
    const here = demo();
    const reply = await here.send({
      path: '/chat/completions',
      headers: {},
      body: Buffer.from(JSON.stringify({ model: 'demo', ...said('x') })),
      ...times,
    });
    const closed = here.close();
    await collect(reply);
    await closed;
    await expect(here.send({ path: '/chat/completions', headers: {}, ...times })).rejects.toMatchObject({
      code: 'upstream_unreachable',
    });
  });
});
