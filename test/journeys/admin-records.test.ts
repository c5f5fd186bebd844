import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AuditRecord } from '../../src/observe/index.ts';
import { type AdminHouse, hi, startAdmin } from '../support/admin-house.ts';
import type { FakeProvider } from '../support/fake-provider.ts';
import { adminKey, call, type TestGateway, teamKey } from '../support/gateway.ts';
import { costOf, eventually, usd } from '../support/money.ts';

let house: AdminHouse;
let provider: FakeProvider;
let gateway: TestGateway;
beforeAll(async () => {
  house = await startAdmin();
  ({ provider, gateway } = house);
});
afterEach(() => expect(provider.violations).toEqual([]));
afterAll(() => house.close());

const admin: AdminHouse['admin'] = (...args) => house.admin(...args);
const ask: AdminHouse['ask'] = (...args) => house.ask(...args);

const path = '/v1/chat/completions';

describe('records and budgets', () => {
  const usage = { input: 100, output: 10 };
  let ids: Record<'plain' | 'denied' | 'jane', string>;
  let begun: string;

  beforeAll(async () => {
    begun = new Date(Date.now() - 1).toISOString();
    provider.reply = () => ({ text: 'The card is 4111 1111 1111 1111.', usage });
    ids = { plain: 'r-plain', denied: 'r-denied', jane: 'r-jane' };
    expect((await ask(hi, { 'x-request-id': ids.plain })).status).toBe(200);
    expect((await ask({ ...hi, model: 'gpt-4o-mini' }, { 'x-request-id': ids.denied })).status).toBe(403);
    expect((await ask(hi, { 'x-request-id': ids.jane, 'x-llm-user': 'jane' })).status).toBe(200);
    await eventually('the records', async () => (await found()).length === 3);
  });
  /** Of this block's calls, those that fit, by their names. */
  async function found(query: Record<string, string> = {}): Promise<string[]> {
    const { status, body } = await admin(`/admin/v1/records?${new URLSearchParams({ since: begun, ...query })}`);
    expect(status, JSON.stringify(body)).toBe(200);
    return (body.records as AuditRecord[]).map(({ request_id }) => request_id).filter((id) => id.startsWith('r-'));
  }

  test('are found by what is asked for', async () => {
    const { plain, denied, jane } = ids;
    expect(await found()).toEqual([plain, denied, jane]);
    expect(await found({ limit: '1' })).toEqual([jane]);
    expect(await found({ decision: 'deny' })).toEqual([denied]);
    expect(await found({ decision: 'denied' })).toEqual([denied]);
    expect(await found({ model: 'gpt-4o' })).toEqual([plain, jane]);
    expect(await found({ user: 'jane' })).toEqual([jane]);
    expect(await found({ team: 'research' })).toHaveLength(3);
    expect(await found({ team: 'other' })).toEqual([]);
    expect(await found({ until: begun })).toEqual([]);
    const { body } = await admin('/admin/v1/records?user=jane');
    expect(body.records[0].caller).toMatchObject({ team: 'research', user: 'jane' });
    expect(await found({ exchange: body.records[0].exchange })).toEqual([jane]);
  });

  test('a filter that is misspelt or wrong shows nothing, not everything', async () => {
    for (const query of [
      'teem=x',
      'limit=all',
      'limit=0',
      'limit=1001',
      'since=yesterday',
      'since=1',
      'team=a&team=b',
    ]) {
      const told = await admin(`/admin/v1/records?${query}`);
      expect([told.status, told.body.error.code, told.body.error.param], query).toEqual([
        400,
        'invalid_request',
        query.split('=')[0],
      ]);
    }
  });

  test('budgets are told in their own unit, and agree with their entries', async () => {
    const { body } = await admin('/admin/v1/budgets?organization=acme');
    const month = body.budgets.find(({ key }: { key: string }) => key.startsWith('budget:team:research:month'));
    expect(month).toMatchObject({ limit_usd: 10, held_usd: 0 });
    expect(month.spent_usd).toBeGreaterThanOrEqual(usd(2 * costOf(usage)));
    const tokens = body.budgets.find(({ key }: { key: string }) => key.startsWith('budget:team:research:day'));
    expect(tokens).toMatchObject({ limit_tokens: 1_000_000, held_tokens: 0 });
    expect((await admin('/admin/v1/budgets')).body).toEqual(body);
    expect((await admin('/admin/v1/budgets/reconcile', { method: 'POST' })).body).toEqual({
      drift: [],
      repaired: false,
    });
    expect((await admin('/admin/v1/budgets/reconcile?organization=acme&repair=true', { method: 'POST' })).body).toEqual(
      { drift: [], repaired: true },
    );
    for (const [target, param] of [
      ['/admin/v1/budgets?organization=nobody', 'organization'],
      ['/admin/v1/budgets?team=x', 'team'],
    ] as const) {
      const told = await admin(target);
      expect([told.status, told.body.error.param]).toEqual([400, param]);
    }
    for (const query of ['organization=nobody', 'repair=yes'])
      expect((await admin(`/admin/v1/budgets/reconcile?${query}`, { method: 'POST' })).status).toBe(400);
  });

  test('metrics have every name of the contract, and no user, key, prompt or reply in a label', async () => {
    provider.reply = () => ({ text: 'The card is 4111 1111 1111 1111.', usage });
    await (await call(gateway, path, { ...hi, stream: true }, { 'x-llm-user': 'jane' })).text();
    await eventually('it is delivered', async () => (await admin('/admin/v1/health')).body.audit.live === 0);
    const text = await (await fetch(`${gateway.metrics}/metrics`)).text();
    const gatewayNames =
      'requests_total overhead_seconds upstream_seconds first_token_seconds tokens_total cost_usd_total budget_limit_usd budget_spent_usd budget_held_usd reservations ledger_drift_usd rail_findings_total rail_seconds held_characters provider_circuit_open inflight event_loop_lag_seconds';
    const names = [
      ...gatewayNames.split(' ').map((name) => `llm_gateway_${name}`),
      ...['evaluations_total', 'evaluation_seconds', 'program_info'].map((name) => `llm_policy_${name}`),
      ...['spooled_total', 'delivered_total', 'spool_bytes'].map((name) => `llm_audit_${name}`),
    ];
    const measured = (name: string) => new RegExp(`^${name}(_count)?(\\{[^}]*\\})? [0-9.e+-]+$`, 'm').test(text);
    expect(names.filter((name) => !measured(name))).toEqual([]);
    for (const name of ['llm_gateway_retries_total', 'llm_audit_failed_total'])
      expect(text).toContain(`# TYPE ${name} counter`);
    expect(text).toMatch(
      /llm_gateway_requests_total\{team="research",model="gpt-4o",provider="fake-openai",decision="allow",status="200"\} [1-9]/,
    );
    expect(text).toMatch(/llm_gateway_rail_findings_total\{rail="pii",type="card"\} [1-9]/);
    // A duration may have any digits: what is said in words and labels is looked at.
    const said = text.replace(/ [0-9.e+-]+$/gm, '');
    for (const secret of ['jane', 'Jane', '4111', teamKey, adminKey, 'testteamkey1', 'upstream-secret-key'])
      expect(said).not.toContain(secret);
  });
});
