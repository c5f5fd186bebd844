import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FakeReply } from '../support/fake-provider.ts';
import { fakeAnthropic, fakeOpenai, prices } from '../support/gateway.ts';
import { type AskedBody, costOf, hi, type MoneyHouse, startMoney, usd } from '../support/money.ts';

const plain: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const stream: AskedBody = { ...plain, stream: true };
const likely = (body: AskedBody) => Math.ceil(Buffer.byteLength(JSON.stringify(body)) / 4);
const context = prices.context_tokens;

const seen = `
metadata: { id: seen, name: Seen, version: 1.0.0 }
rules:
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: 0.2 }
    action: { decision: deny, reason: dear }
  - id: dear-reply
    on: response
    stream: buffer
    when: llm.model == "gpt-tiered" && response.cost > ${usd(1.5 * costOf({ input: 40, output: 30 }))}
    action: { decision: deny, reason: it was dear }
`;

let house: MoneyHouse;
beforeAll(async () => {
  house = await startMoney({
    store: 'embedded',
    policies: { seen },
    teams: { research: { budgets: [{ window: 'total', limit_usd: 1000 }] } },
    providers: (baseUrl) => ({
      openai: {
        ...fakeOpenai(baseUrl),
        models: {
          'gpt-4o': prices,
          'gpt-counted': { ...prices, tokenizer: 'o200k_base' },
          'gpt-thinks': { ...prices, reasoning: true },
          'gpt-seeks': { ...prices, tool_call_usd: { web_search: 0.01 } },
          'gpt-speaks': {
            ...prices,
            tokenizer: 'o200k_base',
            audio_input_usd_per_mtok: 40,
            audio_output_usd_per_mtok: 80,
          },
          'gpt-tiered': {
            ...prices,
            service_tiers: { priority: { input_usd_per_mtok: 2, output_usd_per_mtok: 4 } },
          },
        },
      },
      anthropic: {
        ...fakeAnthropic(baseUrl),
        models: {
          'claude-sonnet-4-5': prices,
          'claude-seeks': { ...prices, tool_call_usd: { web_search: 0.01 } },
          'claude-keeps': { ...prices, cache_write_usd_per_mtok: 1.25, cache_write_1h_usd_per_mtok: 2 },
        },
      },
    }),
    config: { routing: { retries: 0, first_token_timeout_ms: 300, circuit: { failures: 1000 } } },
  });
});
afterAll(() => house.close());

let count = 0;
/** Asks, and tells the status and the record, of which the team's budget says the same. */
async function recorded(body: AskedBody, says: FakeReply) {
  const before = (await house.atRest('research')).spent;
  house.says(says);
  count += 1;
  const id = `unread-${count}`;
  const answer = await house.ask('research', body, { headers: { 'x-request-id': id } });
  const { spent } = await house.atRest('research');
  const record = await house.record(id);
  expect(record.cost_nusd).toBe(spent - before);
  return { answer, record };
}

const gzipped = { 'content-encoding': 'gzip' };
const reply = gzipSync(JSON.stringify({ id: 'x', choices: [{ message: { content: 'word '.repeat(5000) } }] }), {
  level: 0,
});
const half = reply.subarray(0, 4000);

describe('a reply that nobody can read', () => {
  test.each<{ what: string; body: AskedBody; says: FakeReply }>([
    { what: 'in an encoding nobody knows', body: plain, says: { encoding: 'unknown' } },
    { what: 'in an encoding nobody knows, streamed', body: stream, says: { encoding: 'unknown' } },
    {
      what: 'in no encoding though it says so',
      body: plain,
      says: { headers: gzipped, raw: { contentType: 'application/json', chunks: ['{"id":"x"}'] } },
    },
    {
      what: 'in an encoding that is cut short',
      body: { ...plain, max_tokens: 4000 },
      says: { headers: gzipped, raw: { contentType: 'application/json', chunks: [half] } },
    },
  ])('$what is paid for as it was held: it may have come whole', async ({ body, says }) => {
    const { answer, record } = await recorded(body, says);
    expect([answer.status, answer.error.code]).toEqual([502, 'upstream_error']);
    const cost_nusd = costOf({ input: likely(body), output: Number(body.max_tokens) });
    expect(record).toMatchObject({ cost_nusd, cost_estimated: true, attempts: [{ cost_nusd }] });
  });

  test.each([
    { status: 429, told: 429 },
    { status: 400, told: 400 },
    { status: 500, told: 500 },
    { status: 401, told: 502 },
  ])('and is a refusal by its status costs nothing, and is told as one: $status', async ({ status, told }) => {
    const headers = { 'content-encoding': 'x-nobody-knows' };
    const { answer, record } = await recorded(plain, { status, headers, retryAfter: 7 });
    expect([answer.status, record.cost_nusd]).toEqual([told, 0]);
    expect(record.attempts).toMatchObject([{ status }]);
    if (status === 429) expect(answer.headers.get('retry-after')).toBe('7');
  });
});

describe('a call that broke off', () => {
  const silent: FakeReply = { stall: 'head' };
  const file = [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }];

  test.each<{ what: string; body: AskedBody }>([
    { what: 'a file by its id', body: { ...stream, messages: file } },
    { what: 'a file by its id, counted exactly', body: { ...stream, model: 'gpt-counted', messages: file } },
  ])('is paid for all its model may have read, where it was given what nobody sees: $what', async ({ body }) => {
    const { answer, record } = await recorded(body, silent);
    expect(answer.status).toBe(504);
    expect(record.cost_nusd).toBe(costOf({ input: context, output: 0 }));
  });

  test('in the middle of its reply is paid for the same', async () => {
    const { record } = await recorded({ ...stream, model: 'gpt-counted', messages: file }, { die: 'middle' });
    expect(record).toMatchObject({ ending: 'cut', usage: { input: context } });
    expect(record.cost_nusd).toBeGreaterThan(costOf({ input: context, output: 0 }));
  });

  test('while its model thought is paid for what its replies come to, most of which nobody sees', async () => {
    const thinking = { ...stream, model: 'gpt-thinks', max_tokens: 8000 };
    const broken = async (body: AskedBody) => (await recorded(body, { die: 'middle' })).record;
    expect(await broken(thinking)).toMatchObject({ ending: 'cut', usage: { output: 1024 }, cost_estimated: true });
    expect(await broken({ ...thinking, max_tokens: 50 })).toMatchObject({ usage: { output: 50 } });
    for (let at = 0; at < 30; at += 1) await recorded(thinking, { usage: { input: 40, output: 3000 } });
    const output = (await broken(thinking)).usage?.output;
    // A quantile is told at most a fifth too high.
    expect(output).toBeGreaterThanOrEqual(3000);
    expect(output).toBeLessThanOrEqual(3600);
  });

  const message = { id: 'm', type: 'message', role: 'assistant', model: 'c', content: [] };
  const usage = { input_tokens: 20, output_tokens: 1, server_tool_use: { web_search_requests: 0 } };
  const start = { type: 'message_start', message: { ...message, usage } };
  const block = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} };
  const ran = { type: 'content_block_start', index: 0, content_block: block };
  const over = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { input_tokens: 900 } };
  test.each([
    { what: 'before its tool ran, as it told', events: [start], input: 20 },
    { what: 'after its tool ran, for all it may have read', events: [start, ran], input: context },
    { what: 'after it told all it read, as it told', events: [start, ran, over], input: 900 },
  ])('is paid $what', async ({ events, input }) => {
    const tools = [{ type: 'web_search_20250305', name: 'web_search', max_uses: 5 }];
    const words = { type: 'content_block_start', index: 1, content_block: { type: 'text', text: 'So' } };
    const chunks = [...events, words].map((one) => `data: ${JSON.stringify(one)}\n\n`);
    const says = { raw: { contentType: 'text/event-stream', chunks } };
    const { record } = await recorded({ ...stream, model: 'claude-seeks', tools }, says);
    expect(record).toMatchObject({ ending: 'cut', usage: { input }, cost_estimated: true });
  });

  const data = 'QUFB'.repeat(1000);
  const audio = [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data, format: 'wav' } }] }];
  test('and was sent audio is paid for the audio, at its own price', async () => {
    const { record } = await recorded({ ...stream, model: 'gpt-speaks', messages: audio }, silent);
    // Of a try that fell silent the bytes count.
    expect(record.cost_nusd).toBeGreaterThan((data.length / 20) * 40_000);
    const cut = await recorded({ ...stream, model: 'gpt-speaks', messages: audio }, { die: 'middle', usage: false });
    expect(Number(cut.record.usage?.input)).toBeGreaterThan(data.length / 20);
    expect(Number(cut.record.usage?.input)).toBeLessThan(data.length / 10);
    expect(cut.record.cost_nusd).toBeGreaterThan((data.length / 20) * 40_000);
  });

  test('and may have spoken is paid for speech', async () => {
    const speaks = { ...plain, model: 'gpt-speaks', modalities: ['text', 'audio'], audio: { voice: 'alloy' } };
    const { record } = await recorded(speaks, { raw: { contentType: 'application/json', chunks: ['{"choices":[]}'] } });
    expect(record).toMatchObject({ usage: { output: 50 }, cost_estimated: true });
    expect(record.cost_nusd).toBeGreaterThan(50 * 80_000);
  });

  test('and may have been written to a cache is paid for that', async () => {
    const content = [{ type: 'text', text: 'Hi', cache_control: { type: 'ephemeral', ttl: '1h' } }];
    const body = { ...stream, model: 'claude-keeps', messages: [{ role: 'user', content }] };
    const { record } = await recorded(body, silent);
    expect(record.cost_nusd).toBe(2 * costOf({ input: likely(body), output: 0 }));
  });
});

describe('what rules read of the cost', () => {
  test('is no more than a model can read', async () => {
    const messages = [{ role: 'user', content: 'word '.repeat(400_000) }];
    const { answer } = await recorded({ ...plain, messages }, { usage: { input: 40, output: 5 } });
    expect(answer.status).toBe(200);
  });

  test('has the price of the tier that was asked for, before and after', async () => {
    const long = [{ role: 'user', content: 'word '.repeat(100_000) }];
    const body = { ...plain, model: 'gpt-tiered', service_tier: 'priority', messages: long };
    const little = { usage: { input: 4, output: 3 } };
    const before = await recorded(body, little);
    expect([before.answer.status, before.answer.error.message]).toEqual([403, 'dear']);
    expect((await recorded({ ...body, service_tier: 'default' }, little)).answer.status).toBe(200);
    const short = { ...plain, model: 'gpt-tiered' };
    const usage = { prompt_tokens: 40, completion_tokens: 30 };
    const choices = [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }];
    const raw = { contentType: 'application/json', chunks: [JSON.stringify({ id: 'x', choices, usage })] };
    expect((await recorded(short, { raw })).answer.status).toBe(200);
    const after = await recorded({ ...short, service_tier: 'priority' }, { raw });
    expect([after.answer.status, after.answer.error.message]).toEqual([403, 'it was dear']);
  });
});

test('and the books agree', async () => {
  expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
});
