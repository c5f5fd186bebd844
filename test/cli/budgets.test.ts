import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { freePort } from '../support/free-port.ts';
import { call, ref, startGateway, type TestGateway, testEnv } from '../support/gateway.ts';
import { costOf, eventually, usd } from '../support/money.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { run } from './world.ts';

const usage = { input: 1000, output: 100 };
const hi = { model: 'gpt-4o', max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }] };
const team = {
  budgets: [
    { window: 'month', limit_usd: 10 },
    { window: 'day', limit_tokens: 50_000 },
  ],
};

let provider: FakeProvider;
beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
  provider.reply = () => ({ usage });
});
afterAll(() => provider.close());

let gateway: TestGateway | undefined;
let env: Record<string, string>;
/** Starts a gateway whose admin listener the command line finds by the configuration, and makes one call. */
async function start(config: Record<string, unknown> = {}, more: Record<string, string> = {}): Promise<TestGateway> {
  const admin = { port: await freePort(), keys: [ref('TEST_ADMIN_KEY')] };
  gateway = await startGateway({ openai: provider.baseUrl, team, env: more, config: { admin, ...config } });
  env = { ...testEnv, ...more };
  const response = await call(gateway, '/v1/chat/completions', hi);
  expect(response.status).toBe(200);
  await response.text();
  return gateway;
}
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

const cli = (...args: string[]) => run(gateway!.directory, [...args, '--config', 'gateway.yaml'], { env });
const json = async (...args: string[]) => {
  const { code, out, err } = await cli(...args, '--json');
  expect(err).toBe('');
  return { code, ...JSON.parse(out) };
};
const spent = usd(costOf(usage));

/** What both ways of asking must say. */
async function listed(): Promise<void> {
  const { code, budgets } = await json('budgets', 'list');
  expect(code).toBe(0);
  expect(budgets).toHaveLength(2);
  expect(budgets).toContainEqual(
    expect.objectContaining({
      organization: 'acme',
      limit_usd: 10,
      spent_usd: spent,
      held_usd: 0,
      requests: 1,
      tokens: 1100,
    }),
  );
  expect(budgets).toContainEqual(expect.objectContaining({ limit_tokens: 50_000, spent_tokens: 1100, held_tokens: 0 }));
  const table = await cli('budgets', 'list', '--organization', 'acme');
  expect(table.out.split('\n')[0]).toMatch(/^BUDGET +LIMIT +SPENT +HELD +USED +RESETS \(UTC\) +REQUESTS +TOKENS$/);
  expect(table.out).toMatch(
    /^team:research:month:\d{4}-\d\d +\$10\.00 +\$0\.0012 +\$0\.00 +0\.0 % +\S+ 00:00:00 +1 +1100$/m,
  );
  expect(table.out).toMatch(/^team:research:day:\S+:tokens +50000 +1100 +0 +2\.2 % +\S+ 00:00:00 +1 +1100$/m);
  expect(await cli('budgets', 'reconcile')).toEqual({
    code: 0,
    out: 'Every counter agrees with the entries.\n',
    err: '',
  });
  expect(await json('budgets', 'reconcile', '--repair')).toEqual({ code: 0, drift: [], repaired: true });
}

describe('budgets', () => {
  it('are those of the running gateway, and without one those of its data', async () => {
    await start();
    await listed();
    expect((await cli('budgets', 'list', '--organization', 'nobody')).err).toMatch(
      /^llm-policy: the gateway at \S+ says: There is no organization 'nobody'/,
    );
    const { directory } = gateway!;
    await gateway!.close(true);
    gateway = { ...gateway!, directory, close: async () => {} };
    await listed();
    expect(await cli('budgets', 'list', '--organization', 'nobody')).toEqual({
      code: 3,
      out: '',
      err: "llm-policy: there is no organization 'nobody' in the configuration\n",
    });
  });

  it('are not guessed where what listens is not ours', async () => {
    await start();
    const stranger = await run(gateway!.directory, ['budgets', 'list', '--config', 'gateway.yaml'], {
      env: { ...env, TEST_ADMIN_KEY: ['lpa', 'other'].join('_') },
    });
    expect(stranger).toMatchObject({ code: 3, out: '' });
    expect(stranger.err).toContain('does not know this admin key');
  });

  it('cannot be read while another gateway holds the data and tells nothing', async () => {
    await start();
    const elsewhere = await run(gateway!.directory, ['budgets', 'list', '--config', 'gateway.yaml'], {
      env: { ...env, ADMIN_PORT: String(await freePort()) },
    });
    expect(elsewhere).toMatchObject({ code: 3, out: '' });
    expect(elsewhere.err).toMatch(
      /no gateway answers at its admin listener, and the data cannot be opened: .*only one process/,
    );
  });

  it('are used wrongly with 2, and say what was meant', async () => {
    await start();
    for (const args of [
      ['budgets'],
      ['budgets', 'lits'],
      ['budgets', 'list', 'x'],
      ['budgets', 'list', '--organisation', 'a'],
      ['budgets', 'reconcile', '--repiar'],
      ['budgets', 'reset', 'team:research'],
      ['budgets', 'set', 'team:research', 'day'],
      ['budgets', 'set', 'team:research', 'day', 'much'],
      ['budgets', 'set', 'team:research', 'day', '5', '--for', 'ever'],
      ['budgets', 'set', 'team:research', 'day', '5', '--for', '2h', '--until', '2030-01-01'],
      ['budgets', 'export', '--format', 'xml'],
      ['budgets', 'export', '--since', 'lately'],
    ])
      expect((await cli(...args)).code, args.join(' ')).toBe(2);
    expect((await cli('budgets', 'reconcile', '--repiar')).err).toContain("did you mean '--repair'?");
  });
});

describe('budgets in Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  it('that were tampered with are found with 1, repaired, and agree again; the metric says by how much', async () => {
    const directory = { state: { path: './data', driver: 'redis', url: ref('TEST_REDIS'), deadline_ms: 5000 } };
    await start(directory, { TEST_REDIS: redis.url });
    await listed();
    const [key] = (await redis.client().keys('llm:{acme}:budget:team:research:month:*')).filter(
      (one) => !one.endsWith(':tokens'),
    );
    await redis.client().hincrby(key!, 'spent', 2_500_000_000);
    const found = await json('budgets', 'reconcile');
    expect(found).toEqual({
      code: 1,
      repaired: false,
      drift: [
        {
          organization: 'acme',
          key: expect.stringMatching(/^budget:team:research:month/),
          what: 'spent',
          counted_usd: 2.5 + spent,
          rebuilt_usd: spent,
        },
      ],
    });
    const table = await cli('budgets', 'reconcile');
    expect(table.code).toBe(1);
    expect(table.out).toMatch(/^team:research:month:\S+ +spent +\$2\.5012 +\$0\.0012$/m);
    expect(table.out).toContain('Nothing was changed; --repair writes the rebuilt ones.');
    await eventually('the metric', async () =>
      /^llm_gateway_ledger_drift_usd 2\.5$/m.test(await (await fetch(`${gateway!.metrics}/metrics`)).text()),
    );
    expect(await cli('budgets', 'reconcile', '--repair')).toMatchObject({
      code: 0,
      out: expect.stringContaining('The rebuilt counters were written.'),
    });
    await listed();
    // Redis is shared: it is read beside a gateway whose admin listener is not found.
    env = { ...env, ADMIN_PORT: String(await freePort()) };
    await listed();
  });
});
