import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { queryTrail } from '../../src/observe/index.ts';
import { openEmbeddedLedger } from '../../src/stores/index.ts';
import { json } from '../support/api-provider.ts';
import { testEnv } from '../support/gateway.ts';
import {
  cent,
  errorOf,
  type PassingHouse,
  type PassingOptions,
  passProvider,
  standing,
  startPassing,
} from '../support/passing.ts';

async function house(options: PassingOptions = {}): Promise<PassingHouse> {
  const started = await startPassing(options);
  onTestFinished(() => started.close());
  return started;
}

describe('the way through is off', () => {
  test('for every provider, while nothing is listed', async () => {
    const { pass, api } = await house({ entries: [] });
    for (const headers of [{}, { authorization: 'Bearer wrong' }]) {
      const response = await pass('/models', { headers });
      expect(response.status).toBe(404);
      expect(await errorOf(response)).toMatchObject({ code: 'not_supported' });
    }
    expect(api.calls).toEqual([]);
  });

  test('for providers, methods and paths that are not listed', async () => {
    const { gateway, pass, api } = await house({ entries: [{ methods: ['GET'], paths: ['/files', '/files/*'] }] });
    const other = await fetch(`${gateway.origin}/passthrough/demo/files`, {
      headers: { authorization: `Bearer ${testEnv.TEST_TEAM_KEY}` },
    });
    const refused = [
      other,
      await pass('/files', { method: 'POST', body: '{}' }),
      await pass('/files', { method: 'DELETE' }),
      await pass('/files', { method: 'HEAD' }),
      await pass('/filesystem'),
      await pass('/models'),
      await pass('/'),
    ];
    expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 404));
    expect(await errorOf(other)).toMatchObject({ code: 'not_supported' });
    expect(api.calls).toEqual([]);
    expect((await pass('/files/file-1/content')).status).toBe(200);
    expect(api.calls.map(({ url }) => url)).toEqual(['/v1/files/file-1/content']);
  });

  test('again as soon as the configuration no longer lists it, and on as soon as it does', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'llm-policy-pass-'));
    const { pass, gateway, api } = await house({ directory });
    const file = join(directory, 'gateway.yaml');
    const listed = readFileSync(file, 'utf8');
    expect((await pass('/models')).status).toBe(200);
    writeFileSync(file, listed.replace(/^passthrough:[\s\S]*?(?=^\S)/m, '').replace(/^passthrough:[\s\S]*$/m, ''));
    await gateway.gateway.reload();
    expect(gateway.gateway.settings.passthrough).toEqual([]);
    expect((await pass('/models')).status).toBe(404);
    writeFileSync(file, listed);
    await gateway.gateway.reload();
    expect((await pass('/models')).status).toBe(200);
    expect(api.calls.length).toBe(2);
  });
});

describe('a call that goes through unread walks the ladder', () => {
  let shared: PassingHouse;
  beforeAll(async () => {
    shared = await startPassing({ entries: [{ methods: ['GET', 'POST', 'DELETE'] }] });
  });
  beforeEach(() => shared.api.reset());
  afterAll(() => shared.close());

  test('it is identified: without a key of a caller nothing leaves', async () => {
    for (const authorization of ['', 'Bearer wrong', `Bearer ${testEnv.FAKE_KEY}`]) {
      const response = await shared.pass('/models', { headers: { authorization } });
      expect(response.status).toBe(401);
      expect(await errorOf(response)).toMatchObject({ code: 'invalid_api_key' });
    }
    expect(shared.api.calls).toEqual([]);
  });

  test("its entry's amount is held before the provider hears of it, and settled once it is over", async () => {
    const before = await standing(shared);
    let during = before;
    shared.api.answer = async (response) => {
      during = await standing(shared);
      json(response, 200, '{}');
    };
    expect((await shared.pass('/files')).status).toBe(200);
    expect(during).toEqual({ spent: before.spent, held: cent });
    expect(await standing(shared)).toEqual({ spent: before.spent + cent, held: 0 });
  });

  test('it leaves one record: who, where, what of it, what it held and cost, and that nobody read it', async () => {
    shared.api.answer = (response) => json(response, 200, '{"deleted":true}');
    const requestId = 'one-record';
    const response = await shared.pass('/files/file-7?force=yes', {
      method: 'DELETE',
      headers: { 'x-request-id': requestId },
    });
    await response.text();
    const record = await shared.asker.record(requestId);
    expect(record).toMatchObject({
      route: '/passthrough/{provider}/*',
      caller: { organization: 'acme', team: 'research', key: 'testteamkey1' },
      provider: passProvider,
      uninspected: true,
      passed: { method: 'DELETE', path: '/files/file-7', bytes_in: 0, bytes_out: 16 },
      attempts: [{ provider: passProvider, status: 200 }],
      decision: { request: { decision: 'allow' } },
      held_nusd: cent,
      cost_nusd: cent,
      cost_estimated: true,
      ending: 'complete',
    });
    expect(record.program).toBe(shared.gateway.gateway.program);
    expect(record.format).toBeUndefined();
    expect((await shared.asker.records()).filter((one) => one.request_id === requestId).length).toBe(1);
  });

  test('a refusal is recorded as well, with the reason', async () => {
    await (
      await shared.pass('/models', { headers: { authorization: 'Bearer wrong', 'x-request-id': 'no-key' } })
    ).text();
    await (await shared.pass('/a//b', { headers: { 'x-request-id': 'two-readings' } })).text();
    expect(await shared.asker.record('no-key')).toMatchObject({
      ending: 'denied',
      failure: { code: 'invalid_api_key' },
      attempts: [],
      uninspected: true,
    });
    expect(await shared.asker.record('two-readings')).toMatchObject({
      caller: { team: 'research' },
      failure: { code: 'invalid_request' },
    });
  });

  test('it is counted: requests, time and cost by team, provider and decision', async () => {
    await (await shared.pass('/models')).text();
    const metrics = await (await fetch(`${shared.gateway.metrics}/metrics`)).text();
    const labels = `team="research",model="[^"]*",provider="${passProvider}"`;
    expect(metrics).toMatch(new RegExp(`llm_gateway_requests_total{${labels},decision="allow",status="200"} \\d`));
    expect(metrics).toMatch(/^llm_gateway_inflight 0$/m);
  });

  test('our headers tell of it; a dry run tells what would happen and asks nobody', async () => {
    const response = await shared.pass('/models', { headers: { 'x-request-id': 'mine' } });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-request-id': 'mine',
      'x-llm-provider': passProvider,
      'x-llm-decision': 'allow',
      'x-llm-attempts': '1',
    });
    expect(Number(response.headers.get('x-llm-budget-remaining-usd'))).toBeGreaterThan(0);
    expect(shared.api.calls.length).toBe(1);
    const before = await standing(shared);
    const dry = await shared.pass('/models', { headers: { 'x-llm-dry-run': '1' } });
    expect(await dry.json()).toMatchObject({
      object: 'llm_policy.dry_run',
      decision: { decision: 'allow' },
      provider: passProvider,
      model: null,
      estimated_cost_usd: 0.01,
    });
    expect(shared.api.calls.length).toBe(1);
    expect(await standing(shared)).toEqual(before);
  });
});

describe('money and rates hold', () => {
  test('a budget that cannot hold the entry refuses, and nothing leaves', async () => {
    const { pass, api } = await house({
      entries: [{ reserve_usd: 0.5 }],
      team: { budgets: [{ window: 'day', limit_usd: 1.2 }] },
    });
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) statuses.push((await pass('/images')).status);
    expect(statuses).toEqual([200, 200, 429]);
    const refused = await pass('/images');
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(await errorOf(refused)).toMatchObject({
      code: 'insufficient_quota',
      scope: 'team',
      limit_usd: 1.2,
      spent_usd: 1,
      asked_usd: 0.5,
    });
    expect(api.calls.length).toBe(2);
  });

  test('of calls at once as many are let in as the budget can hold', async () => {
    const { pass, api } = await house({
      entries: [{ reserve_usd: 0.3 }],
      team: { budgets: [{ window: 'day', limit_usd: 1 }] },
    });
    const replies = await Promise.all(Array.from({ length: 12 }, () => pass('/images')));
    expect(replies.filter(({ status }) => status === 200).length).toBe(3);
    expect(replies.filter(({ status }) => status === 429).length).toBe(9);
    expect(api.calls.length).toBe(3);
  });

  test('rates count it: the second call in a minute is told when to come back', async () => {
    const { pass, api } = await house({ team: { limits: { requests_per_minute: 1 } } });
    expect((await pass('/models')).status).toBe(200);
    const refused = await pass('/models');
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await errorOf(refused)).toMatchObject({ code: 'rate_limit_exceeded' });
    expect(api.calls.length).toBe(1);
  });

  test('of two entries of a provider the first that fits says what is held', async () => {
    const started = await house({
      entries: [
        { paths: ['/images/*'], reserve_usd: 1 },
        { paths: ['/*'], reserve_usd: 0 },
      ],
    });
    await (await started.pass('/models')).text();
    expect(await standing(started)).toEqual({ spent: 0, held: 0 });
    await (await started.pass('/im%61ges/1')).text();
    expect(await standing(started)).toEqual({ spent: 100 * cent, held: 0 });
    expect(started.api.calls.map(({ url }) => url)).toEqual(['/v1/models', '/v1/images/1']);
  });

  test('the ledger has one entry for the exchange, under its own id', async () => {
    const started = await startPassing();
    await (await started.pass('/models', { headers: { 'x-request-id': 'entry' } })).text();
    await started.close(true);
    const { directory } = started.gateway;
    const records = [];
    for await (const { record } of queryTrail(join(directory, 'data', 'audit'), {})) records.push(record);
    const exchange = records.find((record) => record.request_id === 'entry')?.exchange;
    const ledger = await openEmbeddedLedger({ path: join(directory, 'data', 'ledger') });
    const entries = [];
    for await (const entry of ledger.entries('acme')) entries.push(entry);
    await ledger.close();
    expect(entries).toMatchObject([{ id: exchange, amount: { nusd: cent }, estimated: true, provisional: false }]);
  });
});

test('the built-in demo provider has an API to pass through to as well', async () => {
  const demo = { id: 'demo', format: 'demo', models: { 'demo-small': {} } };
  const { gateway } = await house({ providers: { demo }, entries: [{ provider: 'demo', reserve_usd: 0 }] });
  const response = await fetch(`${gateway.origin}/passthrough/demo/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${testEnv.TEST_TEAM_KEY}` },
    body: JSON.stringify({ model: 'demo-small', messages: [{ role: 'user', content: 'Hi' }] }),
  });
  expect(await response.json()).toMatchObject({ object: 'chat.completion', model: 'demo-small' });
});

describe('who may use it', () => {
  test('a caller whose models are limited must have the way itself on its list', async () => {
    const limited = await house({ team: { models: ['gpt-4o-mini'] } });
    const refused = await limited.pass('/models');
    expect(refused.status).toBe(403);
    expect(await errorOf(refused)).toMatchObject({
      code: 'policy_denied',
      message: expect.stringContaining(`passthrough/${passProvider}`),
    });
    expect(limited.api.calls).toEqual([]);
    const named = await house({ team: { models: ['gpt-4o-mini', `passthrough/${passProvider}`] } });
    expect((await named.pass('/models')).status).toBe(200);
  });
});
