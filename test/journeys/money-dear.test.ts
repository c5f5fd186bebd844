import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fakeAnthropic, fakeOpenai } from '../support/gateway.ts';
import { costOf, heldBy, hi, type MoneyHouse, startMoney, teamKeyOf } from '../support/money.ts';

const enough = { budgets: [{ window: 'total', limit_usd: 1 }] };

describe('a word that is dear', () => {
  const beyond = { input_usd_per_mtok: 1, output_usd_per_mtok: 2, context_tokens: 128_000, output_tokens_max: 4096 };
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store: 'embedded',
      teams: { research: enough },
      providers: (baseUrl) => ({
        openai: {
          ...fakeOpenai(baseUrl),
          models: { 'gpt-speaks': { ...beyond, audio_input_usd_per_mtok: 40, audio_output_usd_per_mtok: 80 } },
        },
        anthropic: {
          ...fakeAnthropic(baseUrl),
          models: {
            'claude-keeps': { ...beyond, cache_write_usd_per_mtok: 1.25, cache_write_1h_usd_per_mtok: 2 },
            'claude-seeks': { ...beyond, tool_call_usd: { web_search: 0.01 } },
            'claude-runs': {
              ...beyond,
              service_tiers: { fast: { input_usd_per_mtok: 2, output_usd_per_mtok: 4 } },
              inference_geo_percent: { us: 150 },
            },
          },
        },
      }),
    });
  });
  afterAll(() => house.close());

  const cached = { type: 'text', text: 'Hi', cache_control: { type: 'ephemeral', ttl: '1h' } };
  test.each<{ word: string; spelled: string; path: string; body: object }>([
    {
      word: 'audio',
      spelled: 'a\\u0075dio',
      path: '/v1/chat/completions',
      body: { model: 'gpt-speaks', max_tokens: 50, messages: hi, modalities: ['text', 'audio'] },
    },
    {
      word: 'cache_control',
      spelled: 'cache\\u005Fcontrol',
      path: '/v1/messages',
      body: { model: 'claude-keeps', max_tokens: 50, messages: [{ role: 'user', content: [cached] }] },
    },
  ])('is held for however it is spelled: $word', async ({ word, spelled, path, body }) => {
    const heldFor = async (text: string): Promise<number> => {
      let held = -1;
      house.says(async () => {
        held = (await house.budget('research')).held;
        return {};
      });
      const headers = { authorization: `Bearer ${teamKeyOf('research')}`, 'content-type': 'application/json' };
      const answer = await fetch(house.gateway.origin + path, { method: 'POST', headers, body: text });
      expect([answer.status, await answer.text()]).toEqual([200, expect.anything()]);
      await house.atRest('research');
      return held;
    };
    const plain = JSON.stringify(body);
    expect(plain).toContain(word);
    expect(await heldFor(plain.replaceAll(word, spelled))).toBeGreaterThanOrEqual(await heldFor(plain));
  });

  test.each([
    { asked: 'text', output: 4096, held: 'a part', more: {} },
    { asked: 'audio', output: 4096, held: 'all', more: { modalities: ['text', 'audio'], audio: { voice: 'alloy' } } },
    { asked: 'images', output: 4096, held: 'all', more: { modalities: ['image', 'text'] } },
    { asked: 'reasoning', output: 4096, held: 'all', more: { include_reasoning: false } },
    { asked: 'reasoning', output: 4096, held: 'all', more: { reasoning_format: 'hidden' } },
    { asked: 'reasoning', output: 4096, held: 'all', more: { reasoning: { exclude: true } } },
    { asked: 'shown reasoning', output: 4096, held: 'a part', more: { reasoning: { exclude: false } } },
  ])('of a stream that may bring $asked $held is held for: nobody sees how many tokens they take', async (row) => {
    let held = -1;
    house.says(async () => {
      held = (await house.budget('research')).held;
      return { usage: { input: 10, output: 5 } };
    });
    expect((await house.ask('research', { model: 'gpt-speaks', stream: true, messages: hi, ...row.more })).status).toBe(
      200,
    );
    await house.atRest('research');
    const rate = row.asked === 'audio' ? 80_000 : 2000;
    if (row.held === 'all') expect(held).toBeGreaterThan(row.output * rate);
    else expect(held).toBeLessThan(row.output * rate);
  });

  test.each([
    { word: 'speed', asked: { speed: 'fast' }, most: 2, ran: { speed: 'fast' }, times: 2 },
    { word: 'speed', asked: { speed: 'fast' }, most: 2, ran: { speed: 'standard' }, times: 1 },
    { word: 'a place', asked: { inference_geo: 'us' }, most: 1.5, ran: { inference_geo: 'us' }, times: 1.5 },
    { word: 'a place', asked: { inference_geo: 'us' }, most: 1.5, ran: {}, times: 1.5 },
    { word: 'a place nobody asked for', asked: {}, most: 1, ran: { inference_geo: 'us' }, times: 1.5 },
    {
      word: 'speed in a place',
      asked: { speed: 'fast', inference_geo: 'us' },
      most: 3,
      ran: { speed: 'fast', inference_geo: 'us' },
      times: 3,
    },
  ])('$word is held for $most times, and paid as it ran: $ran', async ({ asked, most, ran, times }) => {
    const body = { model: 'claude-runs', max_tokens: 50, messages: hi, ...asked };
    let held = -1;
    const message = { id: 'm', type: 'message', role: 'assistant', model: 'c', stop_reason: 'end_turn' };
    const usage = { input_tokens: 20, output_tokens: 10, service_tier: 'standard', ...ran };
    const reply = JSON.stringify({ ...message, content: [{ type: 'text', text: 'Hi' }], usage });
    house.says(async () => {
      held = (await house.budget('research')).held;
      return { raw: { contentType: 'application/json', chunks: [reply] } };
    });
    const before = (await house.atRest('research')).spent;
    expect((await house.ask('research', body)).status).toBe(200);
    expect(held).toBe(most * costOf(heldBy(body)));
    expect((await house.atRest('research')).spent - before).toBe(times * costOf({ input: 20, output: 10 }));
  });

  test.each([
    { from: 10, times: 2 },
    { from: 100_000, times: 1 },
  ])('a conversation that may be made shorter first, from $from tokens on, is held for $times times', async (row) => {
    const edits = [{ type: 'compact_20260112', trigger: { type: 'input_tokens', value: row.from } }];
    const body = { model: 'claude-seeks', max_tokens: 50, messages: hi, context_management: { edits } };
    let held = -1;
    house.says(async () => {
      held = (await house.budget('research')).held;
      return {};
    });
    expect((await house.ask('research', body)).status).toBe(200);
    await house.atRest('research');
    expect(held).toBe(row.times * costOf(heldBy(body)));
  });

  test('searches of a reply that broke off are paid for as many as were seen', async () => {
    const tools = [{ type: 'web_search_20250305', name: 'web_search', max_uses: 5 }];
    const message = { id: 'm', type: 'message', role: 'assistant', model: 'c', content: [] };
    const search = (index: number) => [
      {
        type: 'content_block_start',
        index,
        content_block: { type: 'server_tool_use', id: `s${index}`, name: 'web_search', input: {} },
      },
      { type: 'content_block_stop', index },
    ];
    const usage = { input_tokens: 20, output_tokens: 1, server_tool_use: { web_search_requests: 0 } };
    const start = { type: 'message_start', message: { ...message, usage } };
    house.says({
      raw: {
        contentType: 'text/event-stream',
        chunks: [start, ...[0, 1, 2].flatMap(search)].map((one) => `data: ${JSON.stringify(one)}\n\n`),
      },
    });
    const body = { model: 'claude-seeks', max_tokens: 50, messages: hi, tools, stream: true };
    await house.ask('research', body, { headers: { 'x-request-id': 'searches' } });
    await house.atRest('research');
    const record = await house.record('searches');
    expect(record).toMatchObject({ ending: 'cut', usage: { toolCalls: { web_search: 3 } }, cost_estimated: true });
    expect(record.cost_nusd).toBeGreaterThan(30_000_000);
  });
});
