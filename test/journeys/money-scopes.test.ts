import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adminKey, fakeOpenai, prices, ref } from '../support/gateway.ts';
import {
  type AskedBody,
  costOf,
  dearPrices,
  eventually,
  heldBy,
  hi,
  type MoneyHouse,
  startMoney,
  stores,
  usd,
} from '../support/money.ts';

const body: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const used = heldBy(body);
const cost = costOf(used);
/** A budget for so many calls. */
const calls = (count: number, more: Record<string, unknown> = {}) => ({
  budgets: [{ window: 'total', limit_usd: usd(count * cost), ...more }],
});

describe.each(stores)('limits by scope on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store,
      organization: {
        projects: { default: calls(1), apollo: calls(2) },
        model_limits: [
          { match: 'limited-*', limits: { requests_per_day: 2 } },
          { match: 'second/costly', budgets: [{ window: 'day', limit_usd: usd(15 * cost) }] },
          { match: 'passthrough/*', limits: { requests_per_day: 1 } },
        ],
        tag_limits: [{ match: 'batch*', ...calls(2) }],
      },
      teams: {
        house: {
          keys: [{ key: ref('KEY_OF_HOUSE'), may_assert: true }],
          users: { default: calls(1), jane: calls(3) },
        },
        other: { keys: [{ key: ref('KEY_OF_OTHER'), may_assert: true }], users: { default: calls(1) } },
        plain: { keys: [{ key: ref('KEY_OF_PLAIN'), user: 'robot', project: 'apollo', tags: ['batch'] }] },
        several: {
          budgets: [
            { window: 'minute', limit_requests: 100 },
            { window: 'day', limit_tokens: 100_000, time_zone: 'Europe/Berlin' },
            { window: 'rolling', rolling_hours: 2, limit_usd: usd(2 * cost) },
            { window: 'week', limit_usd: 5 },
          ],
        },
        tidy: {},
        models: {},
        fallen: {},
        passing: {},
      },
      providers: (baseUrl) => ({
        first: {
          ...fakeOpenai(baseUrl),
          id: 'first',
          models: { 'gpt-4o': prices, 'limited-a': prices, 'limited-b': prices },
        },
        second: { ...fakeOpenai(baseUrl), id: 'second', models: { costly: dearPrices } },
      }),
      config: {
        models: {
          either: {
            candidates: [
              { provider: 'first', model: 'gpt-4o' },
              { provider: 'second', model: 'costly' },
            ],
          },
        },
        passthrough: [{ provider: 'first', reserve_usd: 0.001, methods: ['POST'] }],
      },
    });
    house.says({ usage: used });
  });
  afterAll(() => house.close());
  const ask = async (team: string, headers: Record<string, string> = {}, more: Partial<AskedBody> = {}) => {
    const answer = await house.ask(team, { ...body, ...more }, { headers });
    return answer.status === 200 ? 200 : [answer.status, answer.error.scope, answer.error.scope_id];
  };
  const round = async (count: number, next: () => ReturnType<typeof ask>) => {
    const all = [];
    for (let call = 0; call < count; call += 1) all.push(await next());
    return all;
  };

  test('each user has the default, those that are named their own, and users of another team theirs', async () => {
    const as = (team: string, user: string) => () => ask(team, { 'x-llm-user': user });
    expect(await round(2, as('house', 'joe'))).toEqual([200, [429, 'user', 'house/joe']]);
    expect(await round(4, as('house', 'jane'))).toEqual([200, 200, 200, [429, 'user', 'house/jane']]);
    expect(await round(2, as('other', 'joe'))).toEqual([200, [429, 'user', 'other/joe']]);
  });

  test('projects are the organisation’s: teams that work on one share its budget', async () => {
    const on = (team: string, project: string) => () => ask(team, { 'x-llm-project': project });
    expect(await round(1, on('house', 'apollo'))).toEqual([200]);
    expect(await round(2, on('other', 'apollo'))).toEqual([200, [429, 'project', 'apollo']]);
    expect(await round(2, on('house', 'gemini'))).toEqual([200, [429, 'project', 'gemini']]);
    // The key's own project, user and tags hold without a header, and no header of it changes them.
    expect(await ask('plain')).toEqual([429, 'project', 'apollo']);
    expect(await ask('plain', { 'x-llm-project': 'mercury' })).toEqual([429, 'project', 'apollo']);
  });

  test('an entry for tags is one budget for all of them', async () => {
    const tagged = (tags: string) => () => ask('house', { 'x-llm-tags': tags });
    expect(await round(1, tagged('batch-a'))).toEqual([200]);
    expect(await round(1, tagged('nightly,batch-b'))).toEqual([200]);
    expect(await round(1, tagged('batch-c'))).toEqual([[429, 'tag', 'batch*']]);
    expect(await round(1, tagged('nightly'))).toEqual([200]);
  });

  test('tags and projects of keys that may not assert are not believed', async () => {
    expect(await round(3, () => ask('tidy', { 'x-llm-tags': 'batch', 'x-llm-project': 'gemini' }))).toEqual([
      200, 200, 200,
    ]);
  });

  test('a model’s limits hold for whoever asks it, by whatever name', async () => {
    expect(await round(1, () => ask('models', {}, { model: 'limited-a' }))).toEqual([200]);
    expect(await round(2, () => ask('tidy', {}, { model: 'limited-b' }))).toEqual([200, [429, 'model', 'limited-*']]);
    expect(await round(1, () => ask('models'))).toEqual([200]);
  });

  test('after a fallback the limits of the model finally used hold (PITFALLS 16)', async () => {
    house.says(({ body: { model } }) => (model === 'gpt-4o' ? { status: 500 } : { usage: used }));
    expect(await ask('fallen', {}, { model: 'either' })).toBe(200);
    const refused = await ask('fallen', {}, { model: 'either' });
    expect(refused).toEqual([429, 'model', 'second/costly']);
    expect(house.provider.requests.map((request) => request.body.model)).toEqual(['gpt-4o', 'costly', 'gpt-4o']);
    house.says({ usage: used });
  });

  test('calls that go through unread have the limits of their way (PITFALLS 13)', async () => {
    const pass = async () =>
      (await house.send('passing', { ...body }, { path: '/passthrough/first/chat/completions' })).status;
    expect([await pass(), await pass()]).toEqual([200, 429]);
  });

  test('several windows and units at once hold each for itself (PITFALLS 8, 20, 21)', async () => {
    expect(await round(3, () => ask('several'))).toEqual([200, 200, [429, 'team', 'several']]);
    const own = ['minute', 'day', 'rolling', 'week'].map(
      async (window) => (await house.budget('several', window)).spent,
    );
    expect(await Promise.all(own)).toEqual([2, 2 * (used.input + used.output), 2 * cost, 2 * cost]);
    const refused = await house.ask('several', body);
    expect(refused.error).toMatchObject({
      window: 'rolling 2 hour',
      spent_usd: usd(2 * cost),
      limit_usd: usd(2 * cost),
    });
  });

  test('a key that is made or ended is recorded, with who did it', async () => {
    const asAdmin = async (path: string, method: string, asked?: unknown) => {
      const response = await fetch(house.gateway.admin + path, {
        method,
        headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
        ...(asked === undefined ? {} : { body: JSON.stringify(asked) }),
      });
      return (await response.json()) as { id: string };
    };
    const { id } = await asAdmin('/admin/v1/keys', 'POST', { organization: 'acme', team: 'tidy' });
    await asAdmin(`/admin/v1/keys/${id}`, 'DELETE');
    const changes = async () => (await house.records()).filter(({ change }) => change?.target === id);
    await eventually('both are recorded', async () => (await changes()).length === 2);
    expect(await changes()).toMatchObject([
      { kind: 'admin', caller: { organization: 'acme' }, change: { action: 'key.create', after: { team: 'tidy' } } },
      { kind: 'admin', change: { action: 'key.revoke', by: expect.stringMatching(/^key-[0-9a-f]{12}$/) } },
    ]);
  });

  test('and the books agree', async () => {
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
    await eventually('nothing is held', async () => (await house.reservations()) === 0);
  });
});
