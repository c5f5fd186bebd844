import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { adminKey, startGateway, type TestGateway, writeGatewayFiles } from '../support/gateway.ts';
import {
  type AskedBody,
  type Asker,
  askerOf,
  costOf,
  eventually,
  heldBy,
  hi,
  moneyConfig,
  usd,
} from '../support/money.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const body: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const hold = costOf(heldBy(body));
const teams = (limit_usd: number) => ({
  research: { budgets: [{ window: 'total', limit_usd }] },
  watched: { budgets: [{ window: 'month', limit_usd: usd(20 * hold), warn_percent: [50, 90] }] },
});

/** One of several gateways on one Redis. */
interface Member extends Asker {
  readonly gateway: TestGateway;
  configure(limit_usd: number): Promise<void>;
}

describe('two gateways on one Redis', () => {
  let redis: RedisServer;
  let provider: FakeProvider;
  let one: Member;
  let other: Member;
  const directories: string[] = [];

  async function start(): Promise<Member> {
    const directory = mkdtempSync(join(tmpdir(), 'llm-policy-shared-'));
    directories.push(directory);
    const options = (limit: number) => {
      const made = moneyConfig({ store: 'redis', teams: teams(limit) }, directory, redis.url);
      return { ...made, directory, openai: provider.baseUrl, anthropic: provider.baseUrl };
    };
    const gateway = await startGateway(options(usd(1.5 * hold)));
    return {
      ...askerOf(gateway),
      gateway,
      async configure(limit) {
        writeGatewayFiles(options(limit));
        await gateway.gateway.reload();
      },
    };
  }
  beforeAll(async () => {
    redis = await startRedis();
    provider = await startFakeProvider({ key: 'upstream-secret-key' });
    provider.reply = () => ({ usage: heldBy(body) });
    [one, other] = await Promise.all([start(), start()]);
  });
  afterAll(async () => {
    await Promise.all([one.gateway.close(), other.gateway.close()]);
    await provider.close();
    await redis.stop();
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });

  const overrides = async (member: Member, method: string, target: string, asked?: unknown) => {
    const response = await fetch(`${member.gateway.admin}/admin/v1/budgets/overrides${target}`, {
      method,
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      ...(asked === undefined ? {} : { body: JSON.stringify(asked) }),
    });
    return { status: response.status, body: await response.json() };
  };
  const status = async (member: Member) => (await member.ask('research', body)).status;

  test('a limit raised through one is in force at the other with its next call, and taken back as well', async () => {
    expect([await status(one), await status(other)]).toEqual([200, 429]);
    const wish = { scope: 'team:research', window: 'total', limit_usd: usd(2.5 * hold) };
    const set = await overrides(one, 'POST', '', wish);
    expect(set).toEqual({
      status: 201,
      body: {
        organization: 'acme',
        key: 'budget:team:research:total',
        limit_usd: usd(2.5 * hold),
        configured_limit_usd: usd(1.5 * hold),
        expires_at: null,
      },
    });
    expect(await status(other)).toBe(200);
    const refused = await other.ask('research', body);
    expect(refused.error).toMatchObject({
      limit_usd: usd(2.5 * hold),
      configured_limit_usd: usd(1.5 * hold),
      spent_usd: usd(2 * hold),
    });
    expect(refused.headers.get('x-llm-budget-remaining-usd')).toBe(usd(0.5 * hold).toFixed(6));
    expect((await overrides(other, 'GET', '')).body).toEqual({ overrides: [set.body] });
    expect(await other.budget('research')).toMatchObject({ limit: 2.5 * hold });
    expect(await overrides(other, 'DELETE', '?scope=team:research&window=total')).toEqual({
      status: 200,
      body: { cleared: true },
    });
    expect((await one.ask('research', body)).error).toMatchObject({ limit_usd: usd(1.5 * hold) });
  });

  test('a raise that has an end ends by itself, for both', async () => {
    const expires_at = new Date(Date.now() + 700).toISOString();
    await overrides(one, 'POST', '', { scope: 'team:research', window: 'total', limit_usd: 1, expires_at });
    expect([await status(one), await status(other)]).toEqual([200, 200]);
    await new Promise((resolve) => setTimeout(resolve, Date.parse(expires_at) - Date.now() + 50));
    expect([await status(one), await status(other)]).toEqual([429, 429]);
    expect((await overrides(one, 'GET', '')).body).toEqual({ overrides: [] });
  });

  test('a limit changed in the configuration is in force with the next call that is judged by it', async () => {
    await one.configure(usd(10 * hold));
    await other.configure(usd(10 * hold));
    expect([await status(one), await status(other)]).toEqual([200, 200]);
    await other.configure(usd(2 * hold));
    expect((await other.ask('research', body)).error).toMatchObject({ limit_usd: usd(2 * hold) });
  });

  test('an alert is raised once for each percent, whoever crosses it (record, metric, header)', async () => {
    const warnings: (string | null)[] = [];
    for (let call = 0; call < 20; call += 1) {
      const answer = await [one, other][call % 2]!.ask('watched', body);
      expect(answer.status).toBe(200);
      warnings.push(answer.headers.get('x-llm-warning'));
    }
    expect(warnings.slice(0, 9)).toEqual(Array(9).fill(null));
    expect(warnings.slice(9, 17)).toEqual(Array(8).fill("The month budget of team 'watched' is over 50 % used."));
    expect(warnings.slice(17)).toEqual(Array(3).fill("The month budget of team 'watched' is over 90 % used."));
    const alerts = async () =>
      (await Promise.all([one.records(), other.records()])).flat().filter(({ kind }) => kind === 'alert');
    await eventually('both percents are recorded', async () => (await alerts()).length >= 2);
    expect(
      (await alerts())
        .map(({ alert, caller }) => [alert?.percent, alert?.limit_usd, alert?.window, caller.team])
        .sort(),
    ).toEqual([
      [50, (20 * hold) / 1e9, 'month', 'watched'],
      [90, (20 * hold) / 1e9, 'month', 'watched'],
    ]);
    const counted = await Promise.all(
      [one, other].map(async ({ gateway }) => await (await fetch(`${gateway.metrics}/metrics`)).text()),
    );
    const name =
      'llm_gateway_budget_warnings_total{organization="acme",scope="team",id="watched",window="month",percent=';
    for (const percent of [50, 90]) {
      const lines = counted.flatMap((text) =>
        text.split('\n').filter((line) => line.startsWith(`${name}"${percent}"`)),
      );
      expect(lines.map((line) => line.split(' ').at(-1))).toEqual(['1']);
    }
  });

  test('the marks of alerts are no budgets, and the books agree', async () => {
    const { budgets } = await one.admin<{ budgets: { key: string }[] }>('/admin/v1/budgets');
    expect(budgets.map(({ key }) => key.replace(/:\d{4}-\d\d$/, '')).sort()).toEqual([
      'budget:team:research:total',
      'budget:team:watched:month',
    ]);
    expect(await one.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
  });
});
