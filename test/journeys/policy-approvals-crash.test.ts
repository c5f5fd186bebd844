import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts';
import { policy } from '../support/policy-house.ts';

const issuer = 'https://issuer.test';
let provider: FakeProvider;
let signing: GenerateKeyPairResult;
let keys: Server;
let jwks_url: string;
beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
  signing = await generateKeyPair('ES256');
  const published = { keys: [{ ...(await exportJWK(signing.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] };
  keys = createServer((_, reply) => {
    reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(published));
  });
  await new Promise<void>((done) => keys.listen(0, '127.0.0.1', done));
  jwks_url = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/jwks`;
});
afterAll(async () => {
  await provider.close();
  await new Promise((done) => keys.close(done));
});

let directory: string;
let gateway: GatewayProcess;
beforeEach(() => {
  provider.reset();
  directory = mkdtempSync(join(tmpdir(), 'llm-policy-approvals-'));
});
afterEach(async () => {
  await gateway.kill();
  rmSync(directory, { recursive: true, force: true });
});

async function start(more = ''): Promise<void> {
  const ask = policy(
    'premium',
    `  - id: dear
    condition: { operator: eq, field: llm.model, value: gpt-4o }
    action: { decision: approve, role: finance, reason: "The dear model."${more} }\n`,
  );
  gateway = await startGatewayProcess({
    directory,
    provider: provider.baseUrl,
    store: 'embedded',
    teams: { research: {}, ops: {} },
    policies: { premium: ask },
    config: {
      auth: {
        keys: true,
        jwt: {
          issuer,
          audience: 'gateway',
          jwks_url,
          claims: { team: 'team', user: 'sub', roles: 'roles', scopes: 'scope' },
        },
      },
    },
  });
}

/** As a crash does it, and on again with what is on disk. */
async function crash(more = ''): Promise<void> {
  await gateway.kill();
  await start(more);
}

/** A person's token, fresh from the issuer. */
function token(sub: string, roles: readonly string[], scope = '', team = 'research'): Promise<string> {
  return new SignJWT({ team, roles, scope })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .setIssuer(issuer)
    .setAudience('gateway')
    .setSubject(sub)
    .setExpirationTime('10m')
    .sign(signing.privateKey);
}

interface Told {
  readonly status: number;
  readonly error: Record<string, unknown>;
}

async function call(bearer: string, approval?: string, content = 'Hi'): Promise<Told> {
  const response = await fetch(`${gateway.origin}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${bearer}`,
      'content-type': 'application/json',
      ...(approval === undefined ? {} : { 'x-llm-approval': approval }),
    },
    body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content }] }),
  });
  const body = (await response.json()) as { error?: Record<string, unknown> };
  return { status: response.status, error: body.error ?? {} };
}

async function word(
  bearer: string,
  id: string,
  said = 'approve',
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${gateway.adminOrigin}/admin/v1/approvals/${id}/${said}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}` },
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const standing = async (id: string) =>
  (await gateway.admin<Record<string, unknown>>(`/admin/v1/approvals/${id}`)).state;

describe('an approval outlives the gateway', { timeout: 120_000 }, () => {
  test('asked for before a crash, given after it by somebody with the role, used once after another', async () => {
    await start();
    const ann = await token('ann', ['dev']);
    const refused = await call(ann);
    expect([refused.status, refused.error.code, refused.error.role]).toEqual([403, 'approval_required', 'finance']);
    const id = String(refused.error.approval);

    await crash();
    expect(await standing(id)).toBe('pending');
    // Who asks again asks for the same, whichever process answers.
    expect((await call(ann)).error.approval).toBe(id);

    // Without the role, without the scope, for oneself: nobody of these may say.
    const approve = 'policy:approve';
    const others: [string, string, number][] = [
      ['carl, of no role', await token('carl', ['dev'], approve), 403],
      ['bob, without the scope', await token('bob', ['finance']), 403],
      ['ann herself', await token('ann', ['finance'], approve), 403],
      ['nobody', 'no-token', 401],
    ];
    for (const [who, bearer, status] of others) expect([who, (await word(bearer, id)).status]).toEqual([who, status]);
    expect(await standing(id)).toBe('pending');
    expect((await call(ann, id)).status).toBe(403);

    const bob = await token('bob', ['finance'], approve);
    const given = await word(bob, id);
    expect(given).toMatchObject({ status: 200, body: { state: 'approved', decided_by: 'user:research/bob' } });
    // Said once, whoever says it again.
    expect((await word(await token('eve', ['finance'], approve), id, 'reject')).status).toBe(409);

    await crash();
    expect(await standing(id)).toBe('approved');
    // It is for her and for these bytes.
    expect((await call(await token('carl', ['dev']), id)).status).toBe(403);
    expect((await call(ann, id, 'Something else')).status).toBe(403);
    expect(provider.requests).toHaveLength(0);
    const passed = await Promise.all(Array.from({ length: 5 }, () => call(ann, id)));
    expect(passed.map(({ status }) => status).sort()).toEqual([200, 403, 403, 403, 403]);
    expect(provider.requests).toHaveLength(1);

    await crash();
    expect(await standing(id)).toBe('used');
    const again = await call(ann, id);
    expect([again.status, again.error.state]).toEqual([403, 'pending']);
    expect(again.error.approval).not.toBe(id);
    expect(provider.requests).toHaveLength(1);
  });

  test('a crash between the word and the call loses neither, and of two words at once one counts', async () => {
    await start();
    const ann = await token('ann', ['dev']);
    const id = String((await call(ann)).error.approval);
    const people = await Promise.all(['bob', 'eve', 'dan'].map((name) => token(name, ['finance'], 'policy:approve')));
    const words = await Promise.all(people.map((bearer) => word(bearer, id)));
    expect(words.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    const by = words.find(({ status }) => status === 200)?.body.decided_by;
    await crash();
    expect((await gateway.admin<Record<string, unknown>>(`/admin/v1/approvals/${id}`)).decided_by).toBe(by);
    expect((await call(ann, id)).status).toBe(200);
  });

  test('its time goes on while nothing runs: late words and late calls are refused', async () => {
    const short = ', ttl_seconds: 2';
    await start(short);
    const ann = await token('ann', ['dev']);
    const bob = await token('bob', ['finance'], 'policy:approve');
    const [first, second] = [await call(ann), await call(ann, undefined, 'Other')].map(({ error }) =>
      String(error.approval),
    );
    await word(bob, second!);
    await crash(short);
    await expect.poll(() => standing(first!)).toBe('expired');
    await expect.poll(() => standing(second!)).toBe('expired');
    expect((await word(bob, first!)).status).toBe(409);
    for (const [id, content] of [
      [first!, 'Hi'],
      [second!, 'Other'],
    ] as const) {
      const late = await call(ann, id, content);
      expect(late.status).toBe(403);
      expect(late.error.approval).not.toBe(id);
    }
    expect(provider.requests).toHaveLength(0);
  });
});
