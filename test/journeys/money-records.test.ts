import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuditRecord, queryTrail, verifyTrail } from '../../src/observe/index.ts';
import type { FakeReply } from '../support/fake-provider.ts';
import { fakeAnthropic, fakeOpenai, prices } from '../support/gateway.ts';
import {
  type AskedBody,
  costOf,
  eventually,
  heldBy,
  hi,
  type MoneyHouse,
  startMoney,
  stores,
  teamKeyOf,
  usd,
} from '../support/money.ts';

const plain: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const stream: AskedBody = { ...plain, stream: true };
const policies = {
  guard: `
metadata: { id: guard, name: Guard, version: 1.0.0 }
rules:
  - id: no-mini
    condition: { operator: eq, field: llm.model, value: gpt-4o-mini }
    action: { decision: deny, reason: not this model }
  - id: no-secrets
    on: response
    condition: { operator: eq, field: rails.secrets.found, value: true }
    action: { decision: deny, reason: a secret would have left }
`,
};
const secret = ['AKIA', 'IOSFODNN7', 'ABCDEFG'].join('');

interface Kind {
  readonly kind: string;
  readonly ending: AuditRecord['ending'];
  readonly status: number;
  readonly code?: string;
  readonly team?: string;
  readonly body?: AskedBody | string;
  readonly headers?: Record<string, string>;
  readonly says?: FakeReply;
  readonly leaves?: true;
}

const kinds: readonly Kind[] = [
  { kind: 'no key', ending: 'denied', status: 401, code: 'invalid_api_key', headers: { authorization: '' } },
  {
    kind: 'a wrong key',
    ending: 'denied',
    status: 401,
    code: 'invalid_api_key',
    headers: { authorization: 'Bearer wrong' },
  },
  { kind: 'no JSON', ending: 'denied', status: 400, code: 'invalid_request', body: '{"model": ' },
  { kind: 'a wrong field', ending: 'denied', status: 400, code: 'invalid_request', body: { ...plain, messages: 'Hi' } },
  {
    kind: 'an unknown model',
    ending: 'denied',
    status: 404,
    code: 'model_not_found',
    body: { ...plain, model: 'nobody-has-it' },
  },
  { kind: 'a large body', ending: 'denied', status: 413, code: 'request_too_large', body: 'x'.repeat(70_000) },
  {
    kind: 'an encoded body',
    ending: 'denied',
    status: 400,
    code: 'invalid_request',
    headers: { 'content-encoding': 'gzip' },
  },
  { kind: 'a rule', ending: 'denied', status: 403, code: 'policy_denied', body: { ...plain, model: 'gpt-4o-mini' } },
  { kind: 'a budget', ending: 'denied', status: 429, code: 'insufficient_quota', team: 'poor' },
  { kind: 'a rate', ending: 'denied', status: 429, code: 'rate_limit_exceeded', team: 'slow' },
  { kind: 'no price', ending: 'denied', status: 403, code: 'price_unknown', body: { ...plain, model: 'unpriced' } },
  { kind: 'a dry run', ending: 'complete', status: 200, headers: { 'x-llm-dry-run': '1' } },
  { kind: 'plain', ending: 'complete', status: 200 },
  { kind: 'streamed', ending: 'complete', status: 200, body: stream },
  { kind: 'in Anthropic', ending: 'complete', status: 200, body: { ...stream, model: 'claude-sonnet-4-5' } },
  { kind: 'refused upstream', ending: 'failed', status: 400, code: 'upstream_error', says: { status: 400 } },
  { kind: 'failed upstream', ending: 'failed', status: 500, code: 'upstream_error', says: { status: 500 } },
  { kind: 'our key refused', ending: 'failed', status: 502, code: 'upstream_auth', says: { status: 401 } },
  {
    kind: 'not begun',
    ending: 'failed',
    status: 502,
    code: 'upstream_error',
    body: stream,
    says: { die: 'first_frame' },
  },
  { kind: 'broken off', ending: 'cut', status: 200, code: 'upstream_error', body: stream, says: { die: 'middle' } },
  {
    kind: 'a rail on a reply',
    ending: 'ended_by_rail',
    status: 400,
    code: 'content_blocked',
    says: { text: `It is ${secret}.` },
  },
  {
    kind: 'a rail on a stream',
    ending: 'ended_by_rail',
    status: 200,
    code: 'content_blocked',
    body: stream,
    says: { text: `As you wished, it is ${secret} and more.` },
  },
  {
    kind: 'a client gone',
    ending: 'aborted',
    status: 200,
    body: stream,
    says: { endless: true, pace_ms: 5 },
    leaves: true,
  },
];

describe.each(stores)('one exchange of every kind on the %s store', (store) => {
  const directory = mkdtempSync(join(tmpdir(), 'llm-policy-records-'));
  const idOf = (kind: string) => `${store}-${kind.replaceAll(' ', '-')}`;
  const statuses = new Map<string, number>();
  const codes = new Map<string, unknown>();
  let records: AuditRecord[];

  beforeAll(async () => {
    const house = await startMoney({
      store,
      directory,
      policies,
      teams: {
        research: { budgets: [{ window: 'total', limit_usd: 1 }] },
        poor: { budgets: [{ window: 'total', limit_usd: usd(costOf(heldBy(plain)) - 1) }] },
        slow: { limits: { requests_per_minute: 0 } },
      },
      providers: (baseUrl) => ({
        openai: {
          ...fakeOpenai(baseUrl),
          models: { 'gpt-4o': prices, 'gpt-4o-mini': prices, unpriced: { output_tokens_max: 100 } },
        },
        anthropic: fakeAnthropic(baseUrl),
      }),
      config: { server: { port: 0, body_bytes_max: 65_536, shutdown_grace_ms: 2000 } },
    });
    await Promise.all(kinds.map((kind) => one(house, kind)));
    await eventually('every record is in the sink', async () => (await house.records()).length >= kinds.length);
    // What the sink had not taken yet comes when the trail is closed: a second record would be among it.
    await house.close(true);
    records = [];
    for await (const { record } of queryTrail(join(directory, 'data', 'audit'), {})) records.push(record);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  async function one(house: MoneyHouse, { kind, team = 'research', body = plain, headers, says, leaves }: Kind) {
    const script = house.provider.reply;
    house.provider.reply = (request) =>
      request.headers['x-request-id'] === idOf(kind) ? (says ?? {}) : script(request);
    const leaving = new AbortController();
    const path = typeof body !== 'string' && body.model.startsWith('claude') ? '/v1/messages' : '/v1/chat/completions';
    const response = await fetch(house.gateway.origin + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${teamKeyOf(team)}`,
        'content-type': 'application/json',
        'x-request-id': idOf(kind),
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      signal: leaving.signal,
    });
    statuses.set(kind, response.status);
    if (leaves === true) {
      await response.body!.getReader().read();
      leaving.abort();
      return;
    }
    const text = await response.text();
    if (!response.ok) codes.set(kind, (JSON.parse(text) as { error: { code: unknown } }).error.code);
  }

  test.each(kinds)('$kind: one record, $ending', ({ kind, ending, status, code }) => {
    expect(statuses.get(kind)).toBe(status);
    const found = records.filter(({ request_id }) => request_id === idOf(kind));
    expect(found.map((record) => record.ending)).toEqual([ending]);
    const [record] = found;
    if (code === undefined) expect(record!.failure).toBeUndefined();
    else expect(record!.failure?.code).toBe(code);
    if (ending === 'denied' || ending === 'failed') expect(record!.failure!.status).toBe(status);
    if (ending === 'denied') expect([record!.cost_nusd, record!.attempts]).toEqual([0, []]);
    const told = codes.get(kind);
    // A provider's own error keeps the provider's own word for it.
    if (told !== undefined && code !== 'upstream_error') expect(told).toBe(code);
  });

  test('what was let through is recorded with the price book it was paid by', () => {
    const paid = records.filter(({ ending }) => ending !== 'denied').map((record) => record.prices);
    expect(paid.length).toBeGreaterThan(8);
    expect([...new Set(paid)]).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)]);
  });

  test('there is no record beside, and the trail holds', async () => {
    expect(records.length).toBe(kinds.length);
    expect(new Set(records.map(({ exchange }) => exchange)).size).toBe(kinds.length);
    const report = await verifyTrail(join(directory, 'data', 'audit'), join(directory, 'data', 'spool'));
    expect(report).toMatchObject({ ok: true, records: kinds.length });
  });
});
