import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildDirectory, createKey, type Headers, hashKey, type Identity } from '../../src/callers/index.ts';
import { keyHash } from '../../src/callers/key.ts';
import { Failure, Secret } from '../../src/exchange/index.ts';
import { auth, budget, key, organization, serverSecret, team } from './settings.ts';

const secret = 'lpk_AbCdEfGh1234_0123456789abcdefghijABCDEFGHIJ0123456789abc';

/** The caller of these headers; keys answer at once. */
function identified(directory: ReturnType<typeof buildDirectory>, headers: Headers): Identity {
  const answer = directory.identify(headers);
  if (answer instanceof Promise) throw new Error('a key is identified synchronously');
  return answer;
}

function refusal(directory: ReturnType<typeof buildDirectory>, headers: Headers): Failure {
  try {
    directory.identify(headers);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('somebody was identified');
}

const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
const directoryOf = (...keys: (Secret | ReturnType<typeof key>)[]) =>
  buildDirectory([organization('acme', [team('research', { keys })])], auth, serverSecret);

describe('a key', () => {
  it('identifies its caller, in each of the headers clients use', () => {
    const directory = directoryOf(new Secret(secret));
    for (const headers of [
      bearer(secret),
      { authorization: `bearer  ${secret} ` },
      { 'x-api-key': secret },
      { 'x-goog-api-key': secret },
      { 'x-api-key': [secret] },
      { ...bearer(secret), 'x-api-key': secret },
    ]) {
      const { caller } = identified(directory, headers);
      expect(caller).toEqual({
        kind: 'key',
        key: { id: 'AbCdEfGh1234', scopes: ['policy:evaluate'], mayAssert: false },
        organization: { id: 'acme' },
        team: { id: 'research', name: 'research' },
        tags: [],
      });
    }
  });

  it('gives the same identity each time: it is built once', () => {
    const directory = directoryOf(new Secret(secret));
    expect(identified(directory, bearer(secret))).toBe(identified(directory, { 'x-api-key': secret }));
  });

  it('opens nothing when one character is changed, added or left out', () => {
    const directory = directoryOf(new Secret(secret));
    const place = fc.nat({ max: secret.length - 1 });
    const character = fc.stringMatching(/^[\x21-\x7e]$/);
    fc.assert(
      fc.property(place, character, fc.constantFrom('change', 'add', 'drop', 'cut'), (at, other, how) => {
        const text = {
          change: secret.slice(0, at) + other + secret.slice(at + 1),
          add: secret.slice(0, at) + other + secret.slice(at),
          drop: secret.slice(0, at) + secret.slice(at + 1),
          cut: secret.slice(0, at),
        }[how];
        fc.pre(text !== secret);
        expect(refusal(directory, bearer(text)).code).toBe('invalid_api_key');
      }),
      { numRuns: 500 },
    );
  });

  it("is stored as HMAC-SHA256 under the server's secret, whatever the lengths of both", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 200, unit: 'binary' }),
        fc.array(fc.string({ maxLength: 3000, unit: 'binary' }), { maxLength: 4 }),
        (server, texts) => {
          for (const text of texts) {
            const digest = createHmac('sha256', Buffer.from(server)).update(text).digest('base64url');
            expect(hashKey(text, new Secret(server))).toBe(`hash:v1:${digest}`);
          }
        },
      ),
    );
  });

  it('has the same hash whenever it is asked for, among keys of all lengths and more of them than are remembered', () => {
    const hashOf = keyHash(serverSecret);
    const keys = Array.from({ length: 1200 }, (_, index) => `${index}-`.repeat(1 + (index % 500)));
    const hashes = new Map(keys.map((text) => [text, hashKey(text, serverSecret)]));
    for (const text of [...keys, ...keys.toReversed(), ...keys]) expect(hashOf(text)).toBe(hashes.get(text));
  });

  it('opens nothing as anything that merely resembles one', () => {
    const directory = directoryOf(new Secret(secret), new Secret(''), key('', { id: 'empty' }));
    const hash = hashKey(secret, serverSecret);
    const others: Headers[] = [
      {},
      { authorization: '' },
      { authorization: 'Bearer' },
      { authorization: 'Bearer ' },
      { authorization: secret },
      { authorization: `Basic ${secret}` },
      bearer(`${secret} x`),
      bearer(secret.toLowerCase()),
      bearer(encodeURIComponent(`${secret}\n`)),
      { 'x-api-key': '' },
      { 'x-api-key': [] },
      { 'x-api-key': [secret, secret] },
      { 'x-api-key': `${secret}\u0000` },
      { 'x-api-key': ` ${secret}` },
      { 'x-api-key': 'x'.repeat(20_000) },
      bearer(hash),
      bearer(hash.slice('hash:v1:'.length)),
      { 'x-api-key': hash },
      bearer('[secret]'),
      bearer("' OR 1=1 --"),
      { 'x-api-key': '__proto__' },
      { ...bearer(secret), 'x-api-key': 'another' },
    ];
    for (const headers of others) {
      const failure = refusal(directory, headers);
      expect(failure.code, JSON.stringify(headers)).toBe('invalid_api_key');
      expect(failure.message).not.toContain('lpk_');
    }
  });

  it('may be configured by its keyed hash, under the same server secret', () => {
    const hash = hashKey(secret, serverSecret);
    expect(hash).toMatch(/^hash:v1:[A-Za-z0-9_-]{43}$/);
    expect(identified(directoryOf(key(hash, { id: 'one' })), bearer(secret)).caller.key.id).toBe('one');
    const elsewhere = key(hashKey(secret, new Secret('another server')));
    expect(refusal(directoryOf(elsewhere), bearer(secret)).code).toBe('invalid_api_key');
  });

  it('has a public id that shows neither the key nor its hash', () => {
    const hash = hashKey('a-key-of-another-make', serverSecret);
    const { id } = identified(directoryOf(new Secret('a-key-of-another-make')), bearer('a-key-of-another-make')).caller
      .key;
    expect(id).toMatch(/^key-[0-9a-f]{12}$/);
    expect(hash).not.toContain(id.slice(4));
  });

  it('is refused once it has expired', () => {
    let now = Date.parse('2026-01-01T00:00:00Z');
    const keys = [
      key(secret, { expires_at: '2026-01-01T01:00:00+01:00' }),
      key('other-key', { expires_at: '2026-01-02T00:00:00Z' }),
    ];
    const directory = buildDirectory([organization('acme', [team('t', { keys })])], auth, serverSecret, {
      clock: () => now,
    });
    expect(refusal(directory, bearer(secret)).message).toBe(refusal(directory, bearer('unknown')).message);
    expect(identified(directory, bearer('other-key')).caller.key.expiresAt).toBe('2026-01-02T00:00:00Z');
    now = Date.parse('2026-01-02T00:00:00Z');
    expect(refusal(directory, bearer('other-key')).code).toBe('invalid_api_key');
  });

  it('given to two teams, plain and as its hash, is refused at load', () => {
    const teams = [
      team('a', { keys: [new Secret(secret)] }),
      team('b', { keys: [key(hashKey(secret, serverSecret))] }),
    ];
    expect(() => buildDirectory([organization('acme', teams)], auth, serverSecret)).toThrow(/given twice/);
  });

  it('identifies nobody when keys are turned off', () => {
    const organizations = [organization('acme', [team('t', { keys: [new Secret(secret)] })])];
    expect(refusal(buildDirectory(organizations, { keys: false }, serverSecret), bearer(secret)).code).toBe(
      'invalid_api_key',
    );
  });

  it('is never looked up under an empty server secret', () => {
    expect(() => buildDirectory([], auth, new Secret(''))).toThrow(/empty/);
  });

  it('is random, shown once, and kept as its hash', () => {
    const made = createKey({ organization: 'acme', team: 'research' }, serverSecret, 0);
    const text = made.key.reveal();
    expect(text).toMatch(/^lpk_[A-Za-z0-9]{12}_[A-Za-z0-9]{43}$/);
    expect(text).toContain(`_${made.stored.id}_`);
    expect(JSON.stringify(made)).not.toContain(text.slice(17));
    expect(made.stored.hash).toBe(hashKey(text, serverSecret));
    expect(made.stored.created_at).toBe('1970-01-01T00:00:00.000Z');
    const many = new Set(
      Array.from({ length: 200 }, () => createKey({ organization: 'a', team: 't' }, serverSecret, 0).key.reveal()),
    );
    expect(many.size).toBe(200);
  });
});

describe('what a caller may use and spend', () => {
  it('is limited by organisation, team and key together', () => {
    const organizations = [
      organization(
        'acme',
        [
          team('research', {
            name: 'Research',
            tier: 'pro',
            budgets: [
              budget({ window: 'day', limit_usd: 50, warn_percent: [90, 75] }),
              budget({ window: 'month', limit_tokens: 9, on_exceed: 'warn' }),
            ],
            limits: { requests_per_minute: 600, tokens_per_minute: 200_000, concurrent: 50 },
            keys: [
              key(secret, {
                budgets: [budget({ window: 'total', limit_usd: 0.1, time_zone: 'Europe/Berlin' })],
                limits: { concurrent: 1 },
              }),
            ],
          }),
        ],
        { tier: 'gold', budgets: [budget({ window: 'month', limit_requests: 7 })] },
      ),
    ];
    const { caller, budgets, rates } = identified(buildDirectory(organizations, auth, serverSecret), bearer(secret));
    expect(caller).toMatchObject({
      organization: { id: 'acme', tier: 'gold' },
      team: { id: 'research', name: 'Research', tier: 'pro' },
    });
    const teamScope = { kind: 'team', id: 'research' };
    const keyScope = { kind: 'key', id: 'AbCdEfGh1234' };
    expect(budgets).toEqual([
      {
        scope: { kind: 'organization', id: 'acme' },
        window: 'month',
        unit: 'requests',
        limit: 7,
        hard: true,
        warnPercent: [],
        onExceed: 'deny',
      },
      {
        scope: teamScope,
        window: 'day',
        unit: 'nusd',
        limit: 50e9,
        hard: true,
        warnPercent: [75, 90],
        onExceed: 'deny',
      },
      { scope: teamScope, window: 'month', unit: 'tokens', limit: 9, hard: false, warnPercent: [], onExceed: 'warn' },
      {
        scope: keyScope,
        window: 'total',
        timeZone: 'Europe/Berlin',
        unit: 'nusd',
        limit: 1e8,
        hard: true,
        warnPercent: [],
        onExceed: 'deny',
      },
    ]);
    expect(rates).toEqual([
      { scope: teamScope, unit: 'requests', limit: 600, window_ms: 60_000 },
      { scope: teamScope, unit: 'tokens', limit: 200_000, window_ms: 60_000 },
      { scope: teamScope, unit: 'concurrent', limit: 50, window_ms: 0 },
      { scope: keyScope, unit: 'concurrent', limit: 1, window_ms: 0 },
    ]);
  });

  it('a key narrows the models of its team and widens none', () => {
    const teams = [
      team('t', {
        models: ['gpt-4o*', 'claude-*-5', 'fast'],
        keys: [new Secret('team-key'), key('narrow', { models: ['*-mini', 'o3', 'fast'] })],
      }),
    ];
    const directory = buildDirectory([organization('acme', teams)], auth, serverSecret);
    const wide = identified(directory, bearer('team-key'));
    const narrow = identified(directory, bearer('narrow'));
    const may = (identity: Identity) =>
      ['gpt-4o', 'gpt-4o-mini', 'claude-opus-5', 'claude-5', 'fast', 'faster', 'o3', ''].filter((model) =>
        identity.mayUse(model),
      );
    expect(may(wide)).toEqual(['gpt-4o', 'gpt-4o-mini', 'claude-opus-5', 'fast']);
    expect(may(narrow)).toEqual(['gpt-4o-mini', 'fast']);
    expect(wide.models).toEqual(['gpt-4o*', 'claude-*-5', 'fast']);
    expect(narrow.models).toEqual(['*-mini', 'o3', 'fast']);
  });
});

describe('x-llm-user, x-llm-project and x-llm-tags', () => {
  const users = { default: { budgets: [budget({ window: 'day', limit_usd: 5 })], limits: { concurrent: 2 } } };
  const said = { 'x-llm-user': 'alice@example.com', 'x-llm-project': 'apollo', 'x-llm-tags': 'a, b,a' };
  const directory = buildDirectory(
    [organization('acme', [team('t', { users, keys: [key('plain'), key('trusted', { may_assert: true })] })])],
    auth,
    serverSecret,
  );

  it('bind for keys that may assert, with the limits of each user of the team', () => {
    const { caller, budgets, rates } = identified(directory, { ...bearer('trusted'), ...said });
    expect(caller.user).toEqual({ id: 'alice@example.com', roles: [], permissions: [] });
    expect(caller.project).toEqual({ id: 'apollo' });
    expect(caller.tags).toEqual(['a', 'b']);
    const scope = { kind: 'user', id: 't/alice@example.com' };
    expect(budgets).toMatchObject([{ scope, window: 'day', limit: 5e9 }]);
    expect(rates).toMatchObject([{ scope, unit: 'concurrent', limit: 2 }]);
    const again = identified(directory, { ...bearer('trusted'), 'x-llm-user': 'alice@example.com' });
    expect(again.budgets[0]).toBe(budgets[0]);
  });

  it('mean nothing for other keys, not even when malformed', () => {
    const plain = identified(directory, bearer('plain'));
    expect(identified(directory, { ...bearer('plain'), ...said })).toBe(plain);
    expect(identified(directory, { ...bearer('plain'), 'x-llm-user': 'a b' })).toBe(plain);
    expect(plain.caller.user).toBeUndefined();
    expect(plain.budgets).toEqual([]);
  });

  it('leave no user limits where no user is named', () => {
    expect(identified(directory, { ...bearer('trusted'), 'x-llm-tags': 'x' }).budgets).toEqual([]);
  });

  it('are refused when they are malformed, naming the header', () => {
    const cases: [string, string | string[]][] = [
      ['x-llm-user', ''],
      ['x-llm-user', 'a b'],
      ['x-llm-user', 'é'],
      ['x-llm-user', 'x'.repeat(129)],
      ['x-llm-user', ['a', 'b']],
      ['x-llm-user', '{tag}'],
      ['x-llm-project', 'a\nb'],
      ['x-llm-tags', ''],
      ['x-llm-tags', 'a,,b'],
      ['x-llm-tags', 'x'.repeat(65)],
      ['x-llm-tags', Array.from({ length: 17 }, (_, i) => `t${i}`).join()],
    ];
    for (const [header, value] of cases) {
      const failure = refusal(directory, { ...bearer('trusted'), [header]: value });
      expect([failure.code, failure.detail.param], `${header}: ${value}`).toEqual(['invalid_request', header]);
    }
  });

  it('name users whose counters cannot be mistaken for others, in this team or another', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9._@+|=:/-]{1,12}$/);
    fc.assert(
      fc.property(name, name, (one, other) => {
        const scopeOf = (user: string) =>
          identified(directory, { ...bearer('trusted'), 'x-llm-user': user }).budgets[0]!.scope.id;
        expect(scopeOf(one)).toMatch(/^t\/[A-Za-z0-9._@+|=%-]+$/);
        expect(scopeOf(one) === scopeOf(other)).toBe(one === other);
      }),
    );
  });
});
