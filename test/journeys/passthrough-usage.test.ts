import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { fakeAnthropic, teamKey } from '../support/gateway.ts';
import { costOf, eventually } from '../support/money.ts';
import { cent, entriesOf, type PassingHouse, standing, startPassing } from '../support/passing.ts';

let house: PassingHouse;
let requests = 0;
beforeAll(async () => {
  house = await startPassing();
});
beforeEach(() => house.api.reset());
afterAll(() => house.close());

/** A reply to this call, and what was settled and recorded for it. */
async function settled(path: string, body: string, type = 'application/json', method = 'POST') {
  house.api.answer = (response) => {
    response.writeHead(200, { 'content-type': type });
    response.end(body);
  };
  const before = await standing(house);
  requests += 1;
  const requestId = `usage-${requests}`;
  const init = method === 'POST' ? { method, body: '{}' } : { method };
  const response = await house.pass(path, { ...init, headers: { 'x-request-id': requestId } });
  expect(await response.text()).toBe(body);
  const after = await standing(house);
  expect(after.held).toBe(0);
  const { cost_nusd, cost_estimated, usage, model_used } = await house.asker.record(requestId);
  expect(cost_nusd).toBe(after.spent - before.spent);
  return { cost_nusd, cost_estimated, usage, model_used };
}

const usage = { prompt_tokens: 1000, completion_tokens: 200, prompt_tokens_details: { cached_tokens: 100 } };
const told = { input: 1000, output: 200, cacheRead: 100 };
const reply = (model: string) => JSON.stringify({ id: 'x', object: 'chat.completion', model, choices: [], usage });
const chunks = (model: string, end = 'data: [DONE]\n\n') =>
  [
    `data: ${JSON.stringify({ id: 'x', model, choices: [{ index: 0, delta: { content: 'Hi' } }] })}\n\n`,
    `data: ${JSON.stringify({ id: 'x', model, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\n`,
    `data: ${JSON.stringify({ id: 'x', model, choices: [], usage })}\n\n`,
    end,
  ].join('');
const asHeld = { cost_nusd: cent, cost_estimated: true };

describe('what a call costs is read off its reply where that can be done', () => {
  test('a plain reply that tells its usage and a model with a price', async () => {
    expect(await settled('/chat/completions', reply('gpt-4o'))).toMatchObject({
      cost_nusd: costOf(told),
      cost_estimated: false,
      usage: told,
      model_used: 'gpt-4o',
    });
  });

  test('a reply of another kind, with usage in the same words: embeddings', async () => {
    const usage = { prompt_tokens: 800, total_tokens: 800 };
    const list = {
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [0.5] }],
      model: 'gpt-4o',
      usage,
    };
    expect(await settled('/embeddings', JSON.stringify(list))).toMatchObject({
      cost_nusd: costOf({ input: 800, output: 0 }),
      cost_estimated: false,
      usage: { input: 800, output: 0 },
      model_used: 'gpt-4o',
    });
  });

  test.each([
    [{ prompt_tokens: 10.5, completion_tokens: 3.25 }, costOf({ input: 11, output: 4 })],
    [{ prompt_tokens: 1e300, completion_tokens: 3 }, Number.MAX_SAFE_INTEGER],
  ])('odd numbers are settled all the same: %j', async (odd, cost) => {
    const odds = await startPassing({ entries: [{}] });
    onTestFinished(() => odds.close());
    odds.api.answer = (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ id: 'x', model: 'gpt-4o', choices: [], usage: odd }));
    };
    const headers = { 'x-request-id': 'odd' };
    await (await odds.pass('/chat/completions', { method: 'POST', body: '{}', headers })).text();
    expect((await odds.asker.record('odd')).cost_nusd).toBe(cost);
    expect(await standing(odds)).toMatchObject({ held: 0 });
    expect((await standing(odds)).spent).toBeGreaterThanOrEqual(cost - 1);
  });

  test('a stream, by its last frames', async () => {
    expect(await settled('/chat/completions', chunks('gpt-4o'), 'text/event-stream')).toMatchObject({
      cost_nusd: costOf(told),
      cost_estimated: false,
      usage: told,
      model_used: 'gpt-4o',
    });
  });

  test('in the language of the provider, where that is another', async () => {
    const gateway = await startPassing({
      providers: { 'fake-anthropic': fakeAnthropic(house.api.baseUrl) },
      config: { passthrough: entriesOf([{ provider: 'fake-anthropic' }]) },
    });
    onTestFinished(() => gateway.close());
    const start = {
      model: 'claude-sonnet-4-5',
      usage: { input_tokens: 900, cache_read_input_tokens: 100, output_tokens: 1 },
    };
    const events = (last: object) => [
      { type: 'message_start', message: { id: 'm', type: 'message', role: 'assistant', content: [], ...start } },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 200, ...last } },
      { type: 'message_stop' },
    ];
    const pass = async (last: object) => {
      house.api.answer = (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(
          events(last)
            .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
            .join(''),
        );
      };
      const response = await fetch(`${gateway.gateway.origin}/passthrough/fake-anthropic/messages`, {
        method: 'POST',
        headers: { 'x-api-key': teamKey, 'anthropic-version': '2023-06-01', 'anthropic-beta': 'new' },
        body: '{}',
      });
      await response.text();
    };
    await pass({ server_tool_use: { web_search_requests: 0 } });
    expect(house.api.calls[0]?.headers).toMatchObject({ 'anthropic-version': '2023-06-01', 'anthropic-beta': 'new' });
    expect(await standing(gateway)).toEqual({ spent: costOf(told), held: 0 });
    // A fee nobody told is not nothing.
    await pass({ server_tool_use: { web_search_requests: 2 } });
    expect(await standing(gateway)).toEqual({ spent: costOf(told) + cent, held: 0 });
  });

  test('more than was held is debt, not forgiven', async () => {
    const dear = reply('gpt-4o').replace('"completion_tokens":200', '"completion_tokens":50000');
    const { cost_nusd } = await settled('/chat/completions', dear);
    expect(cost_nusd).toBe(costOf({ ...told, output: 50_000 }));
    expect(cost_nusd).toBeGreaterThan(cent);
  });

  test('a usage of zero is a number', async () => {
    const nothing = JSON.stringify({ model: 'gpt-4o', choices: [], usage: { prompt_tokens: 0, completion_tokens: 0 } });
    expect(await settled('/chat/completions', `{"id":"x",${nothing.slice(1)}`)).toMatchObject({
      cost_nusd: 0,
      cost_estimated: false,
    });
  });
});

describe('where it cannot, what was held counts, and is marked as estimated', () => {
  test.each([
    ['no usage', '{"object":"list","data":[]}'],
    ['a model without a price', reply('somebody-elses-model')],
    ['usage in other words', '{"id":"x","model":"gpt-4o","usage":{"input_tokens":5,"output_tokens":5}}'],
    ['half a usage', '{"id":"x","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":5}}'],
    [
      'usage that is no number',
      '{"id":"x","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":"0","completion_tokens":null}}',
    ],
    ['what is no JSON', 'usage: "usage" {'],
    [
      'two readings',
      '{"id":"x","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":0,"prompt_tokens":9,"completion_tokens":0}}',
    ],
  ])('%s', async (_what, body) => {
    expect(await settled('/things', body)).toMatchObject(asHeld);
  });

  test.each([
    ['a stream without usage', 'data: {"choices":[]}\n\ndata: [DONE]\n\n'],
    ['a stream that ends early', chunks('gpt-4o', '').replace('"stop"', 'null')],
    ['a stream that cannot be read', `data: {"usage":\n\n${chunks('gpt-4o')}`],
  ])('%s', async (_what, body) => {
    expect(await settled('/things', body, 'text/event-stream')).toMatchObject(asHeld);
  });

  test('another type than JSON or an event stream', async () => {
    expect(await settled('/things', reply('gpt-4o'), 'text/plain')).toMatchObject(asHeld);
  });

  test('a stored reply that is read again: its usage was spent before', async () => {
    expect(await settled('/chat/completions/x', reply('gpt-4o'), 'application/json', 'GET')).toMatchObject(asHeld);
  });

  test('replies too long to be kept go through whole', async () => {
    const long = `{"pad":"${'x'.repeat(1_200_000)}",${reply('gpt-4o').slice(1)}`;
    expect(await settled('/things', long)).toMatchObject(asHeld);
    const frame = `data: {"pad":"${'x'.repeat(1_200_000)}"}\n\n${chunks('gpt-4o')}`;
    expect(await settled('/things', frame, 'text/event-stream')).toMatchObject(asHeld);
  });

  test('a stream told to cost more than was held, and broken off, counts as told', async () => {
    const dear = { prompt_tokens: 9_000_000, completion_tokens: 1 };
    house.api.answer = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify({ id: 'x', model: 'gpt-4o', choices: [], usage: dear })}\n\n`);
      setTimeout(() => response.destroy(), 20);
    };
    const before = await standing(house);
    await (await house.pass('/things', { method: 'POST', body: '{}' })).text().catch(() => {});
    await eventually('it is settled', async () => (await standing(house)).held === 0);
    expect((await standing(house)).spent - before.spent).toBe(costOf({ input: 9_000_000, output: 1 }));
  });
});
