import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { adminKey, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import { policy } from '../support/policy-house.ts';
import { recordsOf } from '../support/refusals.ts';
import { mountSmallDisk, noMount, type SmallDisk } from '../support/small-disk.ts';

if (noMount !== undefined) test.skip(`a full disk is not tried: ${noMount}`, () => {});

describe.skipIf(noMount !== undefined)('an approval and a spool that cannot be written', () => {
  let provider: FakeProvider;
  let directory: string;
  let disk: SmallDisk;
  let gateway: TestGateway;
  beforeAll(async () => {
    provider = await startFakeProvider({ key: 'upstream-secret-key' });
  });
  afterAll(() => provider.close());
  beforeEach(async () => {
    provider.reset();
    directory = mkdtempSync(join(tmpdir(), 'llm-policy-approve-disk-'));
    // The intents' disk alone: approvals are kept elsewhere, and can be used up while nothing can be recorded.
    disk = mountSmallDisk(join(directory, 'data', 'spool'), 16);
    gateway = await startGateway({
      directory,
      openai: provider.baseUrl,
      policies: {
        premium: policy(
          'premium',
          `  - id: dear
    condition: { operator: eq, field: request.userAgent, value: dear }
    action: { decision: approve, role: finance, reason: Dear. }\n`,
        ),
      },
      config: {
        audit: { sinks: [] },
        passthrough: [{ provider: 'fake-openai', methods: ['POST'], reserve_usd: 0.1 }],
      },
    });
  });
  afterEach(async () => {
    await gateway.close(true);
    disk.unmount();
    rmSync(directory, { recursive: true, force: true });
  });

  const asked: string[] = [];
  async function ask(path: string, agent: string, approval?: string) {
    asked.push(`disk-${asked.length}`);
    const response = await fetch(gateway.origin + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${teamKey}`,
        'content-type': 'application/json',
        'user-agent': agent,
        'x-request-id': asked.at(-1)!,
        ...(approval === undefined ? {} : { 'x-llm-approval': approval }),
      },
      body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] }),
    });
    const body = (await response.json()) as { error?: Record<string, unknown> };
    return { status: response.status, error: body.error ?? {} };
  }
  async function admin(method: string, path: string): Promise<unknown> {
    const response = await fetch(`${gateway.admin}/admin/v1/approvals/${path}`, {
      method,
      headers: { authorization: `Bearer ${adminKey}` },
    });
    return ((await response.json()) as { state?: unknown }).state;
  }

  test.each([
    ['a call that is read', '/v1/chat/completions'],
    ['a call that goes through unread', '/passthrough/fake-openai/chat/completions'],
  ])('%s keeps its approval while no intent can be written, and passes with it once one can', async (_what, path) => {
    asked.length = 0;
    const id = String((await ask(path, 'dear')).error.approval);
    expect(await admin('POST', `${id}/approve`)).toBe('approved');
    await eventually('the disk is felt', async () => {
      disk.fill();
      return (await ask('/v1/chat/completions', 'cheap')).error.code === 'audit_unavailable';
    });
    const reached = provider.requests.length;

    const refused = await ask(path, 'dear', id);
    expect([refused.status, refused.error.code]).toEqual([503, 'audit_unavailable']);
    expect(await admin('GET', id)).toBe('approved');
    expect(provider.requests).toHaveLength(reached);

    disk.free();
    await eventually('it passes', async () => (await ask(path, 'dear', id)).status === 200);
    expect(await admin('GET', id)).toBe('used');
    expect(provider.requests).toHaveLength(reached + 1);
    const again = await ask(path, 'dear', id);
    expect([again.status, again.error.code]).toEqual([403, 'approval_required']);
    expect(provider.requests).toHaveLength(reached + 1);
    // Whoever was refused, on whichever side of the intent, has one record and no more.
    await eventually('every call is recorded', async () => (await recordsOf(gateway)).length >= asked.length);
    const own = (await recordsOf(gateway)).filter(({ change }) => change === undefined);
    expect(own.map(({ request_id }) => request_id).sort()).toEqual([...asked].sort());
  });
});
