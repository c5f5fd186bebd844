import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, exportSPKI, type GenerateKeyPairResult, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AuthSettings, buildDirectory, type Directory } from '../../src/callers/index.ts';
import { Failure } from '../../src/exchange/index.ts';
import { budget, organization, serverSecret, team } from './settings.ts';

let server: Server;
let url: string;
let signing: GenerateKeyPairResult;
let strange: GenerateKeyPairResult;
let published: object[];
let fetches = 0;
let answer: (() => { status: number; body: string }) | undefined;

const issuer = 'https://issuer.test';
const now = Math.floor(Date.now() / 1000);

beforeAll(async () => {
  signing = await generateKeyPair('ES256', { extractable: true });
  strange = await generateKeyPair('ES256', { extractable: true });
  published = [{ ...(await exportJWK(signing.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }];
  server = createServer((_, reply) => {
    fetches += 1;
    const { status, body } = answer?.() ?? { status: 200, body: JSON.stringify({ keys: published }) };
    reply.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
});
afterAll(() => new Promise((done) => server.close(done)));

const jwt = (given: object = {}): AuthSettings => ({
  keys: true,
  jwt: {
    issuer,
    audience: 'gateway',
    jwks_url: url,
    algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
    clock_tolerance_seconds: 0,
    claims: { team: 'team', user: 'sub', roles: 'realm.roles', email: 'email', scopes: 'scope' },
    ...given,
  },
});
const users = { default: { budgets: [budget({ window: 'day', limit_usd: 5 })], limits: {} } };
const organizations = [
  organization('acme', [team('research', { users }), team('ops')]),
  organization('other', [team('ops')]),
];
const directoryOf = (settings = jwt(), clock = Date.now) =>
  buildDirectory(organizations, settings, serverSecret, { clock });

const claims: JWTPayload = {
  iss: issuer,
  aud: 'gateway',
  sub: 'alice',
  team: 'research',
  email: 'alice@example.com',
  realm: { roles: ['admin', 'dev'] },
  scope: 'openid policy:read policy:everything',
  exp: now + 600,
};
const sign = (payload: JWTPayload, key: GenerateKeyPairResult['privateKey'] = signing.privateKey, header = {}) =>
  new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'one', ...header }).sign(key);
const without = (name: string) => Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
const ask = async (directory: Directory, token: string) =>
  await directory.identify({ authorization: `Bearer ${token}` });
const code = async (directory: Directory, token: string): Promise<string> => {
  try {
    await ask(directory, token);
    return 'identified';
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return `${error.code} ${error.status}`;
  }
};

describe('a token', () => {
  it('of the issuer identifies its user, with roles, scopes we know and the limits of the team', async () => {
    const identity = await ask(directoryOf(), await sign(claims));
    expect(identity.caller).toEqual({
      kind: 'jwt',
      key: {
        id: 'alice',
        scopes: ['policy:evaluate', 'policy:read'],
        expiresAt: new Date((now + 600) * 1000).toISOString(),
        mayAssert: false,
      },
      organization: { id: 'acme' },
      team: { id: 'research', name: 'research' },
      user: { id: 'alice', email: 'alice@example.com', roles: ['admin', 'dev'], permissions: [] },
      tags: [],
    });
    expect(identity.budgets).toMatchObject([{ scope: { kind: 'user', id: 'research/alice' }, limit: 5e9 }]);
  });

  it('is verified once while it is believed, and answers at once then', async () => {
    let time = Date.now();
    const directory = directoryOf(jwt(), () => time);
    const token = await sign(claims);
    const first = directory.identify({ authorization: `Bearer ${token}` });
    expect(first).toBeInstanceOf(Promise);
    expect(directory.identify({ authorization: `Bearer ${await sign(claims)}` })).toBeInstanceOf(Promise);
    const identity = await first;
    expect(directory.identify({ 'x-api-key': token })).toBe(identity);
    time += 61_000;
    expect(directory.identify({ authorization: `Bearer ${token}` })).toBeInstanceOf(Promise);
    time = (now + 601) * 1000;
    expect(await code(directory, token)).toBe('invalid_api_key 401');
  });

  it('that shares all but its signature with a believed one is refused', async () => {
    const directory = directoryOf();
    const token = await sign(claims);
    await ask(directory, token);
    const [head, body] = token.split('.');
    const [, , signature] = (await sign(claims, strange.privateKey)).split('.');
    expect(await code(directory, `${head}.${body}.${signature}`)).toBe('invalid_api_key 401');
    expect(await code(directory, `${head}.${body}.`)).toBe('invalid_api_key 401');
  });

  it('is refused where anything about it does not hold', async () => {
    const directory = directoryOf();
    const refused = {
      expired: await sign({ ...claims, exp: now - 1 }),
      'without an end': await sign(without('exp')),
      'not yet valid': await sign({ ...claims, nbf: now + 600 }),
      'of another issuer': await sign({ ...claims, iss: 'https://other.test' }),
      'without an issuer': await sign(without('iss')),
      'for someone else': await sign({ ...claims, aud: 'other' }),
      'for nobody': await sign(without('aud')),
      'signed by a stranger': await sign(claims, strange.privateKey),
      'with an unknown key id': await sign(claims, strange.privateKey, { kid: 'two' }),
      'without a team': await sign(without('team')),
      'of an unknown team': await sign({ ...claims, team: 'nobody' }),
      'of a team that is a list': await sign({ ...claims, team: ['research'] }),
      'of a team that two organisations have': await sign({ ...claims, team: 'ops' }),
      'of an inherited name': await sign({ ...claims, team: 'constructor' }),
      'without a user': await sign(without('sub')),
      'with an empty user': await sign({ ...claims, sub: '' }),
      'with half a character in its user': await sign({ ...claims, sub: 'jane\ud800' }),
    };
    for (const [what, token] of Object.entries(refused))
      expect(await code(directory, token), what).toBe('invalid_api_key 401');
  });

  it('is refused where what its limits go by is no name: it would go past them, or share those of others', async () => {
    const named = directoryOf(jwt({ claims: { ...jwt().jwt?.claims, user: 'login', project: 'project' } }));
    const token = { ...claims, login: 'jane', project: 'apollo' };
    expect((await ask(named, await sign(token))).caller).toMatchObject({
      key: { id: 'alice' },
      project: { id: 'apollo' },
    });
    expect((await ask(named, await sign({ ...token, project: '' }))).caller.project).toBeUndefined();
    for (const odd of [{ project: 'a'.repeat(257) }, { project: 'a\udc00' }, { project: 7 }, { sub: 'a'.repeat(257) }])
      expect(await code(named, await sign({ ...token, ...odd })), Object.keys(odd).join()).toBe('invalid_api_key 401');
  });

  it('is refused with a symmetric algorithm or none, whatever it says', async () => {
    const directory = directoryOf();
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const spki = await exportSPKI(signing.publicKey);
    for (const alg of ['HS256', 'none', 'None', '']) {
      const unsigned = `${part({ alg, kid: 'one' })}.${part(claims)}`;
      const signature = createHmac('sha256', spki).update(unsigned).digest('base64url');
      expect(await code(directory, `${unsigned}.${signature}`), alg).toBe('invalid_api_key 401');
    }
  });

  it('may name the organisation where teams share a name', async () => {
    const directory = directoryOf(jwt({ claims: { ...jwt().jwt?.claims, organization: 'org' } }));
    const { caller } = await ask(directory, await sign({ ...claims, team: 'ops', org: 'other' }));
    expect(caller.organization.id).toBe('other');
    expect(await code(directory, await sign({ ...claims, team: 'ops' }))).toBe('invalid_api_key 401');
  });

  it('of a key that was published later is accepted, without asking for each call', async () => {
    const directory = directoryOf();
    const before = fetches;
    for (let call = 0; call < 5; call += 1) await ask(directory, await sign({ ...claims, jti: String(call) }));
    expect(fetches - before).toBe(1);
  });

  it('cannot be judged while the issuer cannot be asked, and that is not the caller’s fault', async () => {
    try {
      answer = () => ({ status: 500, body: 'down' });
      expect(await code(directoryOf(), await sign(claims))).toBe('internal_error 503');
      answer = () => ({ status: 302, body: '' });
      expect(await code(directoryOf(), await sign(claims))).toBe('internal_error 503');
    } finally {
      answer = undefined;
    }
    const nowhere = directoryOf(jwt({ jwks_url: 'http://127.0.0.1:9/jwks' }));
    expect(await code(nowhere, await sign(claims))).toBe('internal_error 503');
  });

  it('is only asked after where the credential has the form of one, and never where tokens are off', async () => {
    const before = fetches;
    expect(await code(directoryOf(), 'not-a-token')).toBe('invalid_api_key 401');
    expect(await code(buildDirectory(organizations, { keys: true }, serverSecret), await sign(claims))).toBe(
      'invalid_api_key 401',
    );
    expect(fetches).toBe(before);
  });
});
