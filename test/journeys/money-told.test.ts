import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FakeReply } from '../support/fake-provider.ts';
import { fakeAnthropic, fakeOpenai, prices } from '../support/gateway.ts';
import { type AskedBody, costOf, eventually, heldBy, hi, type MoneyHouse, startMoney, usd } from '../support/money.ts';

const stream: AskedBody = { model: 'gpt-4o', max_tokens: 4000, messages: hi, stream: true };
const claude: AskedBody = { ...stream, model: 'claude-sonnet-4-5' };
const enough = { budgets: [{ window: 'total', limit_usd: 1 }] };

/** A whole event stream in one piece, as it comes from a provider that is fast. */
const events = (...said: (object | string)[]): string =>
  said.map((one) => `data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`).join('');
const delta = (content: string) => ({ id: 'x', choices: [{ index: 0, delta: { content }, finish_reason: null }] });
const stop = { id: 'x', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
const toldAt = (input: number, output: number) => ({
  id: 'x',
  choices: [],
  usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output },
});

const secret = ['AKIA', 'IOSFODNN7', 'ABCDEFG'].join('');
const guard = `
metadata: { id: guard, name: Guard, version: 1.0.0 }
rules:
  - id: no-secrets
    on: response
    condition: { operator: eq, field: rails.secrets.found, value: true }
    action: { decision: deny, reason: a secret would have left }
`;

describe('what a provider tells of its bill', () => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store: 'embedded',
      policies: { guard },
      teams: {
        research: enough,
        poor: { budgets: [{ window: 'total', limit_usd: usd(costOf(heldBy(stream, 300))) }] },
      },
      state: { stream_hold_tokens: 32 },
      providers: (baseUrl) => ({ openai: fakeOpenai(baseUrl), anthropic: fakeAnthropic(baseUrl) }),
    });
  });
  afterAll(() => house.close());

  const sends = (text: string) => house.says({ raw: { contentType: 'text/event-stream', chunks: [text] } });

  async function spentBy(team: string, body: AskedBody, id: string): Promise<number> {
    const before = (await house.atRest(team)).spent;
    const answer = await house.ask(team, body, { headers: { 'x-request-id': id } });
    expect(answer.status).toBe(200);
    const { spent } = await house.atRest(team);
    expect(await house.record(id)).toMatchObject({ cost_nusd: spent - before });
    return spent - before;
  }

  test('in the piece in which a budget ends its reply is what is paid', async () => {
    const { max_tokens: _, ...open } = stream;
    sends(events(...Array.from({ length: 200 }, () => delta('word '.repeat(20))), stop, toldAt(20, 4000), '[DONE]'));
    expect(await spentBy('poor', open, 'ended-by-ceiling')).toBe(costOf({ input: 20, output: 4000 }));
    expect(await house.record('ended-by-ceiling')).toMatchObject({ ending: 'ended_by_ceiling', cost_estimated: false });
  });

  test('in the piece in which a rail ends its reply is what is paid', async () => {
    const words = Array.from({ length: 200 }, () => delta('word '));
    sends(events(delta('one '), delta(`a ${secret} b `), ...words, stop, toldAt(20, 230), '[DONE]'));
    expect(await spentBy('research', stream, 'ended-by-rail')).toBe(costOf({ input: 20, output: 230 }));
    expect(await house.record('ended-by-rail')).toMatchObject({ ending: 'ended_by_rail', cost_estimated: false });
  });

  test('before the reply was said is not all of it', async () => {
    const start = { id: 'm', type: 'message', role: 'assistant', model: 'c', content: [] };
    const block = (text: string) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });
    sends(
      events(
        { type: 'message_start', message: { ...start, usage: { input_tokens: 20, output_tokens: 1 } } },
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
        block('word '.repeat(400)),
        { type: 'content_block_stop', index: 0 },
        { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null } },
        { type: 'message_stop' },
      ),
    );
    expect(await spentBy('research', claude, 'told-at-the-start')).toBe(costOf({ input: 20, output: 500 }));
    expect(await house.record('told-at-the-start')).toMatchObject({ ending: 'complete', cost_estimated: true });
  });

  test('beside what stands around a reply is all of it', async () => {
    const sources = { id: 'x', choices: [], citations: ['https://example.com/a/long/way/to/somewhere'] };
    sends(events(delta('word '), stop, toldAt(20, 2), sources, '[DONE]'));
    expect(await spentBy('research', stream, 'sources')).toBe(costOf({ input: 20, output: 2 }));
    expect(await house.record('sources')).toMatchObject({ ending: 'complete', cost_estimated: false });
  });

  test('of no output is counted by the bytes that were said, whatever the letters', async () => {
    sends(events(delta('слово '.repeat(400)), stop, '[DONE]'));
    const spent = await spentBy('research', stream, 'cyrillic');
    // Eleven bytes a word; a token has four on the average.
    expect(spent).toBeGreaterThan(costOf({ input: 0, output: 1100 }));
    expect(await house.record('cyrillic')).toMatchObject({ usage: { output: 1100 }, cost_estimated: true });
  });
});

describe('a try that nobody tells the cost of', () => {
  const rule = { by: 'area', pixels_per_token: 750, most: 4784 };
  const base64 = 'QUFB'.repeat(100_000);
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store: 'embedded',
      teams: {
        research: enough,
        apart: enough,
        rated: { limits: { input_tokens_per_minute: 1_000_000, output_tokens_per_minute: 4000 } },
      },
      providers: (baseUrl) => ({
        openai: { ...fakeOpenai(baseUrl), models: { 'gpt-4o': prices, 'falls-silent': prices, refuses: prices } },
        anthropic: { ...fakeAnthropic(baseUrl), models: { 'claude-sees': { ...prices, image_tokens: rule } } },
      }),
      config: {
        models: {
          either: {
            candidates: [
              { provider: 'fake-openai', model: 'falls-silent' },
              { provider: 'fake-openai', model: 'refuses' },
            ],
          },
        },
        routing: { retries: 1, backoff_ms: 1, first_token_timeout_ms: 400, circuit: { failures: 1000 } },
      },
    });
  });
  afterAll(() => house.close());

  test('and fell silent counts for what it is under limits of input and of output', async () => {
    house.says(() =>
      house.provider.requests.length === 1 ? { stall: 'first_frame' } : { usage: { input: 10, output: 5 } },
    );
    // The output that both may produce fits to the token: what the first one read is none of it.
    const answer = await house.ask('rated', stream, { headers: { 'x-request-id': 'silent' } });
    expect(answer.status).toBe(200);
    const [first] = (await house.record('silent')).attempts ?? [];
    const silent = Number(first?.cost_nusd) / 1000;
    expect(silent).toBeGreaterThan(0);
    const used = async (unit: string) => (await house.limits('rated')).find((one) => one.unit === unit)?.used;
    await eventually('it is settled', async () => (await used('output_tokens')) === 5);
    expect(await used('input_tokens')).toBe(10 + silent);
  });

  test.each([
    { how: 'little', words: 400, output: 510 },
    { how: 'more than may be written', words: 4000, output: 4000 },
  ])('and whose plain reply broke off is paid for what came of it: $how', async ({ how, words, output }) => {
    const { stream: _, ...plain } = stream;
    const half = `{"id":"x","choices":[{"message":{"content":"${'word '.repeat(words)}`.slice(0, 5 * words + 40);
    house.says({ raw: { contentType: 'application/json', chunks: [half] } });
    const id = `broken-${words}`;
    const answer = await house.ask('research', plain, { headers: { 'x-request-id': id } });
    expect([how, answer.status]).toEqual([how, 502]);
    const input = Math.ceil(Buffer.byteLength(JSON.stringify(plain)) / 4);
    const each = costOf({ input, output });
    const { attempts = [], cost_nusd } = await house.record(id);
    expect(attempts.map((one) => one.cost_nusd)).toEqual(attempts.map(() => each));
    expect(cost_nusd).toBe(each * attempts.length);
  });

  test.each<{ said: string; reply: FakeReply; code: number; paid: boolean }>([
    { said: '504 of who stands before it', reply: { status: 504 }, code: 504, paid: true },
    { said: '524 of who stands before it', reply: { status: 524 }, code: 524, paid: true },
    { said: '408 of its own', reply: { status: 408 }, code: 408, paid: true },
    {
      said: 'that the prompt was filtered',
      reply: { status: 400, error: { code: 'content_filter' } },
      code: 400,
      paid: true,
    },
    { said: 'that it is busy', reply: { status: 503 }, code: 503, paid: false },
    { said: 'to ask elsewhere', reply: { status: 307 }, code: 502, paid: false },
  ])('and may have run though all it said was $said is paid for: $paid', async ({ said, reply, code, paid }) => {
    house.says(reply);
    const { stream: _, ...plain } = stream;
    const id = `said-${said.replaceAll(' ', '-')}`;
    expect((await house.ask('research', plain, { headers: { 'x-request-id': id } })).status).toBe(code);
    const each = costOf({ input: Math.ceil(Buffer.byteLength(JSON.stringify(plain)) / 4), output: 0 });
    const { attempts = [], cost_nusd, cost_estimated } = await house.record(id);
    expect(attempts.map((one) => one.cost_nusd)).toEqual(attempts.map(() => (paid ? each : undefined)));
    expect([cost_nusd, cost_estimated]).toEqual([paid ? each * attempts.length : 0, paid]);
  });

  test('and was sent a document is not paid for more than its model can read', async () => {
    const source = { type: 'base64', media_type: 'application/pdf', data: 'QUFB'.repeat(300_000) };
    const body = {
      model: 'claude-sees',
      max_tokens: 50,
      stream: true,
      messages: [{ role: 'user', content: [{ type: 'document', source }] }],
    };
    house.says({ stall: 'head' });
    expect((await house.ask('research', body, { headers: { 'x-request-id': 'document' } })).status).toBe(504);
    const most = costOf({ input: prices.context_tokens, output: 0 });
    const { attempts = [], cost_nusd, held_nusd } = await house.record('document');
    expect(attempts.map((one) => one.cost_nusd)).toEqual(attempts.map(() => most));
    expect(cost_nusd).toBeLessThanOrEqual(Number(held_nusd));
  });

  test('stands under the model that may bill it, whoever refused after that', async () => {
    house.says(({ body }) => (body.model === 'falls-silent' ? { stall: 'first_frame' } : { status: 400 }));
    const answer = await house.ask('apart', { ...stream, model: 'either' }, { headers: { 'x-request-id': 'apart' } });
    expect(answer.status).toBe(400);
    const { spent } = await house.atRest('apart');
    expect(spent).toBeGreaterThan(0);
    const { spending } = await house.admin<{ spending: Record<string, unknown>[] }>(
      '/admin/v1/reports/spending?by=team,model',
    );
    const own = spending.filter(({ team }) => team === 'apart');
    expect(own.map(({ model }) => model)).toEqual(['falls-silent']);
  });

  test.each([
    { how: 'in the request', source: { type: 'base64', media_type: 'image/png', data: base64 }, bytes: base64.length },
    { how: 'elsewhere', source: { type: 'url', url: 'https://example.com/a.png' }, bytes: 0 },
  ])('an image that stands $how is paid for as an image', async ({ how, source, bytes }) => {
    const content = [{ type: 'image', source }];
    const body = { model: 'claude-sees', max_tokens: 50, stream: true, messages: [{ role: 'user', content }] };
    const start = { id: 'm', type: 'message', role: 'assistant', model: 'c', content: [] };
    house.says({
      raw: {
        contentType: 'text/event-stream',
        chunks: [
          events(
            { type: 'message_start', message: start },
            { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 7 } },
            { type: 'message_stop' },
          ),
        ],
      },
    });
    const id = `image-${how.replaceAll(' ', '-')}`;
    expect((await house.ask('research', body, { headers: { 'x-request-id': id } })).status).toBe(200);
    const input = Math.ceil((Buffer.byteLength(JSON.stringify(body)) - bytes) / 4) + rule.most;
    expect(await house.record(id)).toMatchObject({ cost_nusd: costOf({ input, output: 7 }), cost_estimated: true });
  });
});
