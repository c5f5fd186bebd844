import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FakeReply } from '../support/fake-provider.ts';
import { fakeAnthropic, fakeOpenai, prices } from '../support/gateway.ts';
import { type AskedBody, costOf, heldBy, hi, type MoneyHouse, startMoney, stores } from '../support/money.ts';

const guard = `
metadata: { id: guard, name: Guard, version: 1.0.0 }
rules:
  - id: no-mini
    condition: { operator: eq, field: llm.model, value: gpt-4o-mini }
    action: { decision: deny, reason: not this model }
  - id: no-cards
    condition: { operator: contains, field: rails.pii.types, value: card }
    action: { decision: deny, reason: no card numbers }
`;
const plain: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const stream: AskedBody = { ...plain, stream: true };
const anthropic: AskedBody = { ...stream, model: 'claude-sonnet-4-5' };
const card = ['4111', '1111', '1111', '1111'].join(' ');
const overloaded = { message: 'Overloaded', type: 'overloaded_error' };

describe.each(stores)('on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store,
      policies: { guard },
      teams: {
        research: {
          budgets: [
            { window: 'total', limit_usd: 1 },
            { window: 'day', limit_requests: 1000 },
            { window: 'month', limit_tokens: 1_000_000 },
          ],
          limits: { requests_per_minute: 1000, tokens_per_minute: 1_000_000, concurrent: 10 },
        },
      },
      config: {
        routing: { retries: 0, first_token_timeout_ms: 700, timeout_ms: 1000, circuit: { failures: 1000 } },
      },
      providers: (baseUrl) => ({
        'fake-openai': fakeOpenai(baseUrl),
        'fake-anthropic': fakeAnthropic(baseUrl),
        // A free port may be somebody else's by then.
        nobody: { ...fakeOpenai('http://127.0.0.1:9/v1'), id: 'nobody', models: { absent: prices } },
      }),
    });
  });
  afterAll(() => house.close());

  /** Everything that is counted for the team. */
  const counted = async () => ({
    usd: await house.budget('research', 'total'),
    requests: await house.budget('research', 'day'),
    tokens: await house.budget('research', 'month'),
    limits: (await house.limits('research')).map(({ unit, used }) => ({ unit, used })),
    holds: await house.reservations(),
  });

  test.each<{ what: string; body: AskedBody; code: string; status: number }>([
    { what: 'a rule on the request', body: { ...plain, model: 'gpt-4o-mini' }, code: 'policy_denied', status: 403 },
    {
      what: 'a finding of a rail',
      body: { ...plain, messages: [{ role: 'user', content: `My card is ${card}.` }] },
      code: 'content_blocked',
      status: 400,
    },
  ])('a call denied by $what consumes no quota', async ({ body, code, status }) => {
    house.says({});
    const before = await counted();
    const answer = await house.ask('research', body);
    expect(answer.status).toBe(status);
    expect(answer.error.code).toBe(code);
    expect(await counted()).toEqual(before);
    expect(house.provider.requests).toEqual([]);
  });

  test.each<{ what: string; body: AskedBody; says: FakeReply; status: number }>([
    { what: '400', body: plain, says: { status: 400 }, status: 400 },
    { what: '400 to a stream', body: stream, says: { status: 400 }, status: 400 },
    { what: '401', body: plain, says: { status: 401 }, status: 502 },
    { what: '429', body: plain, says: { status: 429, retryAfter: 2 }, status: 429 },
    { what: '500', body: plain, says: { status: 500 }, status: 500 },
    { what: '529 to a stream', body: anthropic, says: { status: 529 }, status: 529 },
    {
      what: '200 with an error for a first frame',
      body: anthropic,
      says: { firstFrameError: overloaded },
      status: 529,
    },
  ])("a provider's $what gives the hold back", async ({ body, says, status }) => {
    house.says(says);
    const before = await counted();
    expect((await house.ask('research', body)).status).toBe(status);
    expect(house.provider.requests.length).toBe(1);
    expect(await counted()).toEqual(before);
  });

  test('a provider that cannot be reached gives the hold back', async () => {
    const before = await counted();
    const answer = await house.ask('research', { ...plain, model: 'absent' });
    expect([answer.status, answer.error.code]).toEqual([502, 'upstream_unreachable']);
    expect(await counted()).toEqual(before);
  });

  test.each<{ what: string; body: AskedBody; says: FakeReply; status: number }>([
    { what: 'never answers', body: plain, says: { stall: 'head' }, status: 504 },
    { what: 'never begins its stream', body: stream, says: { stall: 'first_frame' }, status: 504 },
    { what: 'hangs up without a word', body: plain, says: { die: 'head' }, status: 502 },
    { what: 'hangs up in the middle of its words', body: plain, says: { die: 'first_frame' }, status: 502 },
  ])(
    'a provider that was sent a call and $what may bill it: an estimate is settled',
    async ({ what, body, says, status }) => {
      house.says(says);
      const before = await counted();
      const requestId = `${store}-${what.replaceAll(' ', '-')}`;
      const answer = await house.ask('research', body, { headers: { 'x-request-id': requestId } });
      expect(answer.status).toBe(status);
      const after = await counted();
      const cost = after.usd.spent - before.usd.spent;
      expect(cost).toBeGreaterThan(0);
      expect(cost).toBeLessThan(costOf(heldBy(body)));
      expect(after.requests.spent - before.requests.spent).toBe(1);
      expect([after.usd.held, after.requests.held, after.tokens.held, after.holds]).toEqual([0, 0, 0, 0]);
      expect(await house.record(requestId)).toMatchObject({ ending: 'failed', cost_nusd: cost, cost_estimated: true });
    },
  );

  test('a stream that breaks off is paid for as far as it came (PITFALLS 11)', async () => {
    house.says({ deltas: Array.from({ length: 40 }, () => 'word '), die: 'middle' });
    const before = await counted();
    const answer = await house.ask('research', stream, { headers: { 'x-request-id': `${store}-cut` } });
    expect(answer.text).toContain('word');
    expect(answer.text).not.toContain('[DONE]');
    const after = await counted();
    const cost = after.usd.spent - before.usd.spent;
    expect(cost).toBeGreaterThan(20 * 2000);
    expect(after.usd.held).toBe(0);
    expect(await house.record(`${store}-cut`)).toMatchObject({ ending: 'cut', cost_nusd: cost, cost_estimated: true });
  });

  test('operators read each budget in its own unit, and metrics tell of money alone', async () => {
    house.says({});
    expect((await house.ask('research', plain)).status).toBe(200);
    const { budgets } = await house.admin<{ budgets: Record<string, unknown>[] }>('/admin/v1/budgets');
    expect(budgets.map(({ key }) => String(key).split(':')[3]).sort()).toEqual(['day', 'month', 'total']);
    expect(budgets).toContainEqual(expect.objectContaining({ limit_usd: 1, held_usd: 0 }));
    expect(budgets).toContainEqual(expect.objectContaining({ limit_requests: 1000, held_requests: 0 }));
    expect(budgets).toContainEqual(expect.objectContaining({ limit_tokens: 1_000_000, held_tokens: 0 }));
    for (const { limit_usd, limit_requests, limit_tokens } of budgets) {
      expect([limit_usd, limit_requests, limit_tokens].filter((limit) => limit !== undefined).length).toBe(1);
    }
    const metrics = await (await fetch(`${house.gateway.metrics}/metrics`)).text();
    const told = metrics.split('\n').filter((line) => line.startsWith('llm_gateway_budget_limit_usd{'));
    expect(told).toEqual([
      'llm_gateway_budget_limit_usd{organization="acme",scope="team",id="research",window="total"} 1',
    ]);
  });

  test('the books agree, and nothing came to the provider that must not', async () => {
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
    expect(house.provider.violations).toEqual([]);
  });
});
