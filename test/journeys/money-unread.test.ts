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

test('and the books agree', async () => {
  expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
});
