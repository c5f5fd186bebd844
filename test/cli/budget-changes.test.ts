import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { freePort } from '../support/free-port.ts';
import { call, ref, startGateway, type TestGateway, testEnv } from '../support/gateway.ts';
import { costOf, eventually, usd } from '../support/money.ts';
import { run } from './world.ts';

const usage = { input: 1000, output: 100 };
const cost = costOf(usage);
const hi = { model: 'gpt-4o', max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }] };

let provider: FakeProvider;
let gateway: TestGateway;
beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
  provider.reply = () => ({ usage });
  gateway = await startGateway({
    openai: provider.baseUrl,
    team: {
      keys: [{ key: ref('TEST_TEAM_KEY'), may_assert: true }],
      budgets: [
        { window: 'month', limit_usd: usd(cost) },
        { window: 'day', limit_tokens: 50_000 },
        { window: 'total', limit_usd: 100 },
      ],
      users: { default: { budgets: [{ window: 'rolling', rolling_hours: 24, limit_usd: 1 }] } },
    },
    config: { admin: { port: await freePort(), keys: [ref('TEST_ADMIN_KEY')] } },
  });
});
afterAll(async () => {
  await gateway.close();
  await provider.close();
});

const cli = (...args: string[]) => run(gateway.directory, [...args, '--config', 'gateway.yaml'], { env: testEnv });
const json = async (...args: string[]) => {
  const { code, out, err } = await cli(...args, '--json');
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out);
};
const ask = async (user: string, headers: Record<string, string> = {}) => {
  const response = await call(gateway, '/v1/chat/completions', hi, { 'x-llm-user': user, ...headers });
  const text = await response.text();
  return { status: response.status, error: response.ok ? undefined : JSON.parse(text).error };
};
const changes = async () => {
  const response = await fetch(`${gateway.admin}/admin/v1/records?limit=1000`, {
    headers: { authorization: `Bearer ${testEnv.TEST_ADMIN_KEY}` },
  });
  const { records } = (await response.json()) as { records: { kind?: string; change?: Record<string, unknown> }[] };
  return records.filter(({ kind }) => kind === 'admin').map(({ change }) => change);
};

describe('a budget', () => {
  it('is raised for a while from the next call on, is shown so, and is the configured one again', async () => {
    expect((await ask('jane')).status).toBe(200);
    const refused = await ask('jane');
    expect([refused.status, refused.error.limit_usd]).toEqual([429, usd(cost)]);

    const raised = await cli('budgets', 'set', 'team:research', 'month', '$0.5', '--for', '2h');
    expect(raised).toMatchObject({ code: 0, err: '' });
    expect(raised.out).toMatch(
      /^team:research:month: the limit is \$0\.50 until \S+ \S+ UTC \(configured: \$0\.0012\)\.$/m,
    );
    expect((await ask('jane')).status).toBe(200);

    const listed = await cli('budgets', 'list');
    expect(listed.out).toMatch(
      /^team:research:month:\S+ +\$0\.50 +\$0\.0024 .* until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d /m,
    );
    const { budgets } = await json('budgets', 'list');
    const month = budgets.find((one: { key: string }) => one.key.includes(':month:'));
    expect(month).toMatchObject({ limit_usd: 0.5, used_percent: 0.48, override: { expires_at: expect.any(String) } });

    expect((await cli('budgets', 'unset', 'team:research', 'month')).out).toBe(
      'team:research month: the configured limit is in force again.\n',
    );
    expect((await ask('jane')).status).toBe(429);
    expect(await cli('budgets', 'unset', 'team:research', 'month')).toMatchObject({
      code: 3,
      err: expect.stringContaining('No other limit stands in for the configured one of team:research.'),
    });
  });

  it('is set to zero, and what was spent stays in the entries', async () => {
    const reset = await cli('budgets', 'reset', 'team:research', 'month');
    expect(reset.out).toMatch(/^team:research:month:\S+: nothing is spent any more \(it was \$0\.0024\)\.$/m);
    expect((await ask('joe')).status).toBe(200);
    expect((await cli('budgets', 'reconcile')).out).toBe('Every counter agrees with the entries.\n');
  });

  it('of a person rolls, and is cut for that person alone', async () => {
    await json('budgets', 'reset', 'team:research', 'month');
    await json('budgets', 'set', 'user:research/joe', '24h', '0.0000005');
    expect((await ask('joe')).error).toMatchObject({
      scope: 'user',
      scope_id: 'research/joe',
      window: 'rolling 24 hour',
    });
    await json('budgets', 'unset', 'user:research/joe', '24h');
  });

  it('that the configuration does not have is not changed: it would limit nothing', async () => {
    for (const [args, message] of [
      [['team:research', 'week', '5'], 'gives team:research no week budget in usd'],
      [['team:nobody', 'day', '5'], 'gives team:nobody no day budget'],
      [['research', 'day', '5'], "'research' is no scope"],
      [['team:research', 'fortnight', '5'], "There is no window 'fortnight'"],
      [['team:research', 'month', '0.0000000001'], 'at most nine decimals'],
      [['team:research', 'month', '5', '--until', '2020-01-01T00:00:00Z'], 'over already'],
    ] as const) {
      expect(await cli('budgets', 'set', ...args)).toMatchObject({ code: 3, err: expect.stringContaining(message) });
    }
  });

  it('is changed by someone, whom the trail names, without the names of people in the open', async () => {
    await eventually('all changes are recorded', async () => (await changes()).length >= 6);
    const all = await changes();
    const month = expect.stringMatching(/^budget:team:research:month:\d{4}-\d\d$/);
    expect(all.map((change) => [change?.action, change?.target])).toEqual([
      ['budget.override', 'budget:team:research:month'],
      ['budget.override.clear', 'budget:team:research:month'],
      ['budget.reset', month],
      ['budget.reset', month],
      ['budget.override', 'budget:user:research/[person]:rolling:86400s'],
      ['budget.override.clear', 'budget:user:research/[person]:rolling:86400s'],
    ]);
    expect(all[0]).toMatchObject({ before: { limit_usd: usd(cost), expires_at: null }, after: { limit_usd: 0.5 } });
    expect(new Set(all.map((change) => change?.by)).size).toBe(1);
    expect(all[0]?.by).toMatch(/^key-[0-9a-f]{12}$/);
    expect(JSON.stringify(all)).not.toContain('joe');
    expect((await cli('audit', 'verify')).code).toBe(0);
    const { records } = await json('audit', 'query', '--decision', 'admin');
    expect(records.map((record: { change: unknown }) => record.change)).toEqual(all);
  });
});

describe('a report', () => {
  it('of spending sums entries by whom they were for, exactly', async () => {
    await json('budgets', 'set', 'team:research', 'month', '1');
    await ask('=2+3', { 'x-llm-project': 'apollo', 'x-llm-tags': 'batch,nightly' });
    const { spending } = await json('budgets', 'export', '--by', 'team,user');
    const per = (rows: Record<string, unknown>[], name: string) =>
      Object.fromEntries(rows.map((row) => [row[name], row.cost_usd]));
    expect(per(spending, 'user')).toEqual({ jane: usd(2 * cost), joe: usd(cost), '=2+3': usd(cost) });
    expect(spending[0]).toMatchObject({
      team: 'research',
      requests: 2,
      input_tokens: 2000,
      output_tokens: 200,
      cost_usd_exact: '0.0024',
    });
    const tags = (await json('budgets', 'export', '--by', 'tag', '--since', '1h')).spending;
    expect(per(tags, 'tag')).toEqual({ '(none)': usd(3 * cost), batch: usd(cost), nightly: usd(cost) });
    expect((await json('budgets', 'export', '--until', '1h')).spending).toEqual([]);
    const { out } = await cli('budgets', 'export', '--by', 'user,model', '--format', 'csv');
    expect(out.split('\r\n').slice(0, 2)).toEqual([
      'user,model,requests,input_tokens,output_tokens,cost_usd,estimated_usd',
      'jane,gpt-4o,2,2000,200,0.0024,0.00',
    ]);
    expect(out).toContain("'=2+3,gpt-4o,1,");
    const table = await cli('budgets', 'export', '--by', 'project');
    expect(table.out).toMatch(
      /^PROJECT +REQUESTS +INPUT TOKENS +OUTPUT TOKENS +COST\n\(none\) +3 +3000 +300 +\$0\.0036\napollo +1 +/,
    );
    expect(await cli('budgets', 'export', '--by', 'colour')).toMatchObject({
      code: 3,
      err: expect.stringContaining("There is no spending by 'colour'; there is organization, team,"),
    });
  });

  it('of what is to come says when a budget will be spent, the first first', async () => {
    const { forecast } = await json('budgets', 'forecast');
    const total = forecast.find((one: { key: string }) => one.key === 'budget:team:research:total');
    expect(total).toMatchObject({
      limit_usd: 100,
      spent_usd: usd(4 * cost),
      resets_at: null,
      spent_at: expect.any(String),
    });
    const left_hours = (100 - usd(4 * cost)) / total.per_hour_usd;
    expect((Date.parse(total.spent_at) - Date.now()) / 3_600_000).toBeCloseTo(left_hours, 0);
    const times = forecast.map((one: { spent_at: string | null }) => one.spent_at ?? '~');
    expect(times).toEqual([...times].sort());
    expect((await cli('budgets', 'forecast')).out).toMatch(
      /^BUDGET +LIMIT +SPENT +AN HOUR +SPENT AT \(UTC\) +RESETS \(UTC\) +OVERRIDE$/m,
    );
  });

  it('is made from the data as well, where no gateway runs; changes are not', async () => {
    const { directory } = gateway;
    await gateway.close(true);
    gateway = { ...gateway, close: async () => {} };
    expect((await json('budgets', 'export')).spending).toMatchObject([{ team: 'research', requests: 4 }]);
    expect((await json('budgets', 'forecast')).forecast.length).toBeGreaterThan(2);
    expect(
      await run(directory, ['budgets', 'set', 'team:research', 'month', '5', '--config', 'gateway.yaml'], {
        env: testEnv,
      }),
    ).toMatchObject({
      code: 3,
      err: expect.stringMatching(/no gateway answers at \S+: a running one changes budgets, and records who did/),
    });
  });
});
