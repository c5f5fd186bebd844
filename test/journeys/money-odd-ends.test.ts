import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fakeAnthropic, fakeOpenai, prices } from '../support/gateway.ts';
import { type AskedBody, costOf, eventually, heldBy, hi, type MoneyHouse, startMoney } from '../support/money.ts';

const plain: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const stream: AskedBody = { ...plain, stream: true };
const enough = { budgets: [{ window: 'total', limit_usd: 1 }] };

describe('an exchange that ends in an odd way', () => {
  let house: MoneyHouse;
  let count = 0;
  beforeAll(async () => {
    house = await startMoney({
      store: 'embedded',
      teams: { research: enough, twice: enough, absurd: { budgets: [{ window: 'total', limit_usd: 1000 }] } },
      providers: (baseUrl) => ({
        'fake-openai': fakeOpenai(baseUrl),
      }),
      config: {
        routing: { retries: 1, first_token_timeout_ms: 1000, timeout_ms: 10_000, circuit: { failures: 1000 } },
      },
    });
  });
  afterAll(() => house.close());

  const named = () => {
    count += 1;
    return `odd-${count}`;
  };

  test('a try that fell silent and the next one, whose client left, are both paid for', async () => {
    house.says(() => (house.provider.requests.length === 1 ? { stall: 'first_frame' } : { stall: 'middle' }));
    const requestId = named();
    const leaving = new AbortController();
    const asked = house.send('twice', stream, { headers: { 'x-request-id': requestId }, signal: leaving.signal });
    expect((await asked).status).toBe(200);
    expect(house.provider.requests).toHaveLength(2);
    leaving.abort();
    const record = await house.record(requestId);
    const [first, ...rest] = record.attempts ?? [];
    expect(rest).toHaveLength(1);
    expect(record.cost_nusd).toBeGreaterThanOrEqual(2 * Number(first?.cost_nusd));
    expect((await house.atRest('twice')).spent).toBe(record.cost_nusd);
  });

  test('a plain one as well', async () => {
    const half = JSON.stringify({ id: 'x', object: 'chat.completion' }).slice(0, -1);
    const before = (await house.budget('twice')).spent;
    house.says(() =>
      house.provider.requests.length === 1
        ? { die: 'first_frame' }
        : { raw: { contentType: 'application/json', chunks: [half, half] }, pace_ms: 60_000 },
    );
    const requestId = named();
    const leaving = new AbortController();
    const asked = house.send('twice', plain, { headers: { 'x-request-id': requestId }, signal: leaving.signal });
    asked.catch(() => {});
    await eventually('there was a second try', () => house.provider.requests.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 200));
    leaving.abort();
    const record = await house.record(requestId);
    const [first, ...rest] = record.attempts ?? [];
    expect(rest).toHaveLength(1);
    expect(record.cost_nusd).toBeGreaterThanOrEqual(2 * Number(first?.cost_nusd));
    expect((await house.atRest('twice')).spent - before).toBe(record.cost_nusd);
  });

  test('a bill beyond all numbers beside a silent try is settled, and nothing stays held', async () => {
    house.says(() =>
      house.provider.requests.length === 1 ? { stall: 'first_frame' } : { usage: { input: 1e300, output: 1e300 } },
    );
    await house.ask('absurd', stream, { headers: { 'x-request-id': named() } });
    expect((await house.atRest('absurd')).spent).toBeGreaterThan(1e15);
    expect((await house.ask('absurd', plain)).status).toBe(429);
  });
});

describe('a client that leaves while the ledger is asked', () => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store: 'redis',
      teams: { research: enough },
      state: { deadline_ms: 5000, stream_hold_tokens: 32 },
    });
  });
  afterAll(async () => {
    house.redis?.thaw();
    await house.close();
  });

  test('pays nothing: no provider heard of its call', async () => {
    house.says({});
    expect((await house.ask('research', plain)).status).toBe(200);
    const { spent } = await house.atRest('research');
    house.redis?.freeze();
    const leaving = new AbortController();
    const asked = house.send('research', plain, { headers: { 'x-request-id': 'left' }, signal: leaving.signal });
    asked.catch(() => {});
    // The frozen ledger tells nobody that it is asked: the call has had all this time to come that far.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    leaving.abort();
    await new Promise((resolve) => setTimeout(resolve, 500));
    house.redis?.thaw();
    const record = await house.record('left');
    expect(house.provider.requests).toHaveLength(1);
    expect(record).toMatchObject({ ending: 'aborted', cost_nusd: 0 });
    expect(await house.atRest('research')).toMatchObject({ spent, held: 0 });
  });

  test('pays for what had come meanwhile of its stream', async () => {
    const delta = (content: string) => ({ id: 'x', choices: [{ index: 0, delta: { content }, finish_reason: null }] });
    const usage = { prompt_tokens: 20, completion_tokens: 900 };
    const event = (one: object) => `data: ${JSON.stringify(one)}\n\n`;
    const long = 'word '.repeat(100);
    const last = `${event(delta(long))}${event({ id: 'x', choices: [], usage })}data: [DONE]\n\n`;
    house.says(() => {
      house.redis?.freeze();
      return { raw: { contentType: 'text/event-stream', chunks: [event(delta(long)), last] }, pace_ms: 200 };
    });
    const { max_tokens: _, ...open } = stream;
    const leaving = new AbortController();
    const asked = house.send('research', open, { headers: { 'x-request-id': 'left-more' }, signal: leaving.signal });
    await (await asked).body?.getReader().read();
    await eventually('all of it is written', () => house.provider.requests.at(-1)?.finished === true);
    leaving.abort();
    await new Promise((resolve) => setTimeout(resolve, 200));
    house.redis?.thaw();
    const told = {
      ending: 'aborted',
      usage: { input: 20, output: 900 },
      cost_nusd: costOf({ input: 20, output: 900 }),
    };
    expect(await house.record('left-more')).toMatchObject(told);
  });
});

describe('what a provider reads or runs by itself', () => {
  const claude: AskedBody = { model: 'claude-sonnet-4-5', max_tokens: 50, messages: hi };
  const search = { type: 'web_search_20250305', name: 'web_search' };
  const context = prices.context_tokens;
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store: 'embedded',
      teams: {
        research: enough,
        poor: { budgets: [{ window: 'total', limit_usd: 0.01 }] },
        narrow: { ...enough, models: ['claude-told'] },
        counted: { budgets: [{ window: 'total', limit_tokens: 1_000_000 }] },
      },
      providers: (baseUrl) => ({
        'fake-openai': {
          ...fakeOpenai(baseUrl),
          models: {
            'gpt-4o': prices,
            'gpt-seeks': { ...prices, tool_call_usd: { web_search: 0.01, browser_search: 0.005 }, hosted_calls_max: 2 },
          },
        },
        'fake-anthropic': {
          ...fakeAnthropic(baseUrl),
          models: {
            'claude-sonnet-4-5': { ...prices, tool_call_usd: { web_search: 0.01 } },
            'claude-told': {
              ...prices,
              tool_call_usd: { web_search: 0.01, advisor: 0.02 },
              hosted_calls_max: 4,
              hosted_input_tokens_max: 2 * context,
            },
            'claude-short': { ...prices, tool_call_usd: { web_search: 0.01 }, hosted_input_tokens_max: 5_000 },
          },
        },
      }),
    });
  });
  afterAll(() => house.close());

  async function heldFor(body: AskedBody, id = 'held'): Promise<number> {
    let held = -1;
    house.says(async () => {
      held = (await house.budget('research')).held;
      return {};
    });
    const answer = await house.ask('research', body, { headers: { 'x-request-id': id } });
    expect([answer.status, answer.text]).toEqual([200, expect.anything()]);
    return held;
  }

  const cent = 10_000_000;
  test.each([
    [{ ...search, max_uses: 3 }, 3 * cent],
    [{ ...search, max_uses: 0 }, 0],
    [search, 10 * cent],
  ])('is held for: the fees of a tool it runs, %j', async (tool, fees) => {
    expect(await heldFor({ ...claude, tools: [tool] })).toBe(costOf({ input: context, output: 50 }) + fees);
    const requests = house.provider.requests.length;
    expect((await house.ask('poor', { ...claude, tools: [tool] })).status).toBe(429);
    expect(house.provider.requests).toHaveLength(requests);
  });

  test('is held for as its model says, where a request does not', async () => {
    const told = { ...claude, model: 'claude-told' };
    // Turns of its own may read more than one context.
    const input = heldBy({ ...told, tools: [search] }).input + 512 + 2 * context;
    expect(await heldFor({ ...told, tools: [search] })).toBe(
      costOf({ input: Math.min(input, 2 * context), output: 50 }) + 4 * cent,
    );
    expect(await heldFor({ ...told, tools: [{ ...search, max_uses: 9 }] })).toBe(
      costOf({ input: 2 * context, output: 50 }) + 9 * cent,
    );
    const short = { ...claude, model: 'claude-short', tools: [search] };
    expect(await heldFor(short)).toBe(costOf({ input: heldBy(short).input + 512 + 5_000, output: 50 }) + 10 * cent);
  });

  const seeks: AskedBody = { ...plain, model: 'gpt-seeks' };
  test.each([
    { asked: { web_search_options: {} }, fee: cent },
    { asked: { tools: [{ type: 'browser_search' }] }, fee: cent / 2 },
    { asked: { web_search_options: {}, tools: [{ type: 'browser_search' }] }, fee: 1.5 * cent },
  ])("is held for in OpenAI's chat, and paid for once each, by an estimate, since no usage tells: %j", async (row) => {
    const before = (await house.atRest('research')).spent;
    const body = { ...seeks, ...row.asked };
    const id = `seeks-${row.fee}`;
    expect(await heldFor(body, id)).toBe(costOf({ input: context, output: 50 }) + 2 * row.fee);
    const { usage, cost_nusd, cost_estimated } = await house.record(id);
    expect(cost_nusd).toBe(costOf({ input: Number(usage?.input), output: Number(usage?.output) }) + row.fee);
    expect(cost_estimated).toBe(true);
    expect((await house.atRest('research')).spent - before).toBe(cost_nusd);
  });

  test.each<AskedBody>([
    { ...plain, tools: [{ type: 'browser_search' }] },
    { ...plain, web_search_options: {} },
    { ...claude, tools: [{ type: 'web_fetch_20250910', name: 'web_fetch' }] },
  ])('and whose fee nobody told is refused under a money budget, and passes without one, %j', async (body) => {
    house.says({ usage: { input: 40, output: 30 } });
    const refused = await house.ask('research', body);
    expect(refused.status).toBe(403);
    expect(refused.error).toMatchObject({ code: 'price_unknown', param: 'tools', model: body.model });
    expect(house.provider.requests).toEqual([]);
    expect((await house.ask('counted', body)).status).toBe(200);
    // A provider of another language never hears of it.
    const [model, path] =
      body.model === claude.model
        ? (['gpt-4o', '/v1/messages'] as const)
        : ([claude.model, '/v1/chat/completions'] as const);
    expect((await house.ask('research', { ...body, model }, { path })).status).toBe(200);
  });

  test('and that asks another model is for those who may ask that model', async () => {
    const asking = (model: string) => ({
      ...claude,
      model: 'claude-told',
      tools: [{ type: 'advisor_20260301', name: 'advisor', model }],
    });
    house.says({});
    const refused = await house.ask('narrow', asking('claude-short'));
    expect([refused.status, house.provider.requests.length]).toEqual([404, 0]);
    expect(refused.error).toMatchObject({ code: 'model_not_found', param: 'tools' });
    expect((await house.ask('narrow', asking('claude-told'))).status).toBe(200);
    expect((await house.ask('research', asking('claude-short'))).status).toBe(200);
  });

  const bash = { type: 'bash_20250124', name: 'bash' };
  test('a tool that the client runs has no fee, and adds what is told of it', async () => {
    const body = { ...claude, tools: [bash] };
    expect(await heldFor(body)).toBe(costOf({ input: heldBy(body).input + 512, output: 50 }));
  });

  const source = { type: 'url', url: 'https://example.com/long.pdf' };
  const of = (model: string, part: object): AskedBody => {
    return { model, max_tokens: 50, messages: [{ role: 'user', content: [part] }] };
  };
  test.each([
    of('claude-sonnet-4-5', { type: 'document', source }),
    of('claude-sonnet-4-5', { type: 'tool_result', tool_use_id: 't', content: [{ type: 'document', source }] }),
    of('gpt-4o', { type: 'file', file: { file_id: 'file-1' } }),
    { ...plain, messages: [{ role: 'assistant', audio: { id: 'audio_1' } }, ...hi] },
    of('gpt-4o', { type: 'input_audio', input_audio: 'https://example.com/long.mp3' }),
    of('gpt-4o', { type: 'input_audio', input_audio: { data: 'https://example.com/long.mp3', format: 'mp3' } }),
    of('gpt-4o', { type: 'image_url', image_url: { url: 'data:application/pdf;base64,QUFB' } }),
  ])('is held for: a document whose text does not stand in the request, %j', async (body) => {
    expect(await heldFor(body)).toBe(costOf({ input: context, output: 50 }));
  });
});
