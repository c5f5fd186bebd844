import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  buildDirectory,
  createKey,
  ensureServerSecret,
  type KeyStore,
  type KeyStoreOptions,
  openKeyStore,
} from '../../src/callers/index.ts';
import { Secret } from '../../src/exchange/index.ts';
import { auth, organization, serverSecret, team } from './settings.ts';

let directory: string;
let file: string;
const stores: KeyStore[] = [];
const open = (options: KeyStoreOptions = {}) => {
  const store = openKeyStore(file, options);
  stores.push(store);
  return store;
};
const make = (given = {}) => createKey({ organization: 'acme', team: 't', ...given }, serverSecret, Date.now());
const now = () => new Date().toISOString();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keys-'));
  file = join(directory, 'keys.json');
});
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  rmSync(directory, { recursive: true });
});

describe('the key store', () => {
  it('keeps keys over restarts, readable by their owner alone, and never the key itself', async () => {
    const { key, stored } = make({ name: 'ci', models: ['fast'], expires_at: '2030-01-01T00:00:00Z' });
    await open().add(stored);
    expect(open().list()).toEqual([stored]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).not.toContain(key.reveal().slice(17));
  });

  it('takes neither a second key with the same id nor the same key again', async () => {
    const store = open();
    const { stored } = make();
    await store.add(stored);
    await expect(store.add({ ...make().stored, id: stored.id })).rejects.toThrow(/already/);
    await expect(store.add({ ...make().stored, hash: stored.hash })).rejects.toThrow(/already/);
    await expect(store.revoke('nobody', now())).rejects.toThrow("there is no key 'nobody'");
    expect(store.list()).toHaveLength(1);
  });

  it('loses no key when many processes add at once', async () => {
    const parties = Array.from({ length: 4 }, () => open({ poll_ms: 0 }));
    await Promise.all(parties.flatMap((store) => Array.from({ length: 5 }, () => store.add(make().stored))));
    expect(open().list()).toHaveLength(20);
  });

  it('is not held up by a lock that a dead process left behind', async () => {
    const { pid } = spawnSync('true');
    writeFileSync(`${file}.lock`, `${pid} gone`);
    const long_ago = Date.now() / 1000 - 60;
    utimesSync(`${file}.lock`, long_ago, long_ago);
    await open().add(make().stored);
    expect(open().list()).toHaveLength(1);
  });

  it('an end is moved nearer and never away', async () => {
    const store = open();
    const { stored } = make();
    await store.add(stored);
    expect((await store.revoke(stored.id, '2026-01-02T00:00:00.000Z')).revoked_at).toBe('2026-01-02T00:00:00.000Z');
    expect((await store.revoke(stored.id, '2026-01-01T00:00:00.000Z')).revoked_at).toBe('2026-01-01T00:00:00.000Z');
    expect((await store.revoke(stored.id, '2027-01-01T00:00:00.000Z')).revoked_at).toBe('2026-01-01T00:00:00.000Z');
  });

  it('does not open a file that is something else, and keeps its keys when the file becomes that', async () => {
    writeFileSync(file, '{"keys": [{"id": 1}]}');
    expect(() => open()).toThrow(/is not a key file/);
    rmSync(file);
    const problems: Error[] = [];
    const store = open({ poll_ms: 20, onProblem: (error) => problems.push(error) });
    await store.add(make().stored);
    writeFileSync(file, 'garbage');
    await vi.waitFor(() => expect(problems.length).toBeGreaterThan(0), { timeout: 60_000 });
    rmSync(file);
    await new Promise((done) => setTimeout(done, 60));
    expect(store.list()).toHaveLength(1);
  });
});

describe('a key made at run time', () => {
  const organizations = [organization('acme', [team('t')])];
  const bearer = (key: Secret) => ({ authorization: `Bearer ${key.reveal()}` });

  it('opens at once, with what it was made for', async () => {
    const store = open();
    const directory = buildDirectory(organizations, auth, serverSecret, { store });
    const { key, stored } = make({ may_assert: true, models: ['fast'], scopes: ['policy:read'] });
    expect(() => directory.identify(bearer(key))).toThrow('The API key is not valid.');
    await store.add(stored);
    const identity = await directory.identify({ ...bearer(key), 'x-llm-user': 'alice' });
    expect(identity.caller).toMatchObject({
      key: { id: stored.id, scopes: ['policy:read'], mayAssert: true },
      user: { id: 'alice' },
    });
    expect([identity.mayUse('fast'), identity.mayUse('slow')]).toEqual([true, false]);
    expect(await directory.identify(bearer(key))).toBe(await directory.identify(bearer(key)));
  });

  it('is refused from the call after it was revoked', async () => {
    const store = open();
    const directory = buildDirectory(organizations, auth, serverSecret, { store });
    const { key, stored } = make();
    await store.add(stored);
    directory.identify(bearer(key));
    await store.revoke(stored.id, now());
    expect(() => directory.identify(bearer(key))).toThrow('The API key is not valid.');
  });

  it('is refused soon after another process revoked it', async () => {
    const store = open({ poll_ms: 50 });
    const directory = buildDirectory(organizations, auth, serverSecret, { store });
    const { key, stored } = make();
    await open({ poll_ms: 0 }).add(stored);
    await vi.waitFor(() => directory.identify(bearer(key)), { timeout: 60_000, interval: 5 });
    await open({ poll_ms: 0 }).revoke(stored.id, now());
    await vi.waitFor(() => expect(() => directory.identify(bearer(key))).toThrow(), { timeout: 60_000, interval: 5 });
  });

  it('is refused at once where the system tells of each new file, however rarely the file is looked at', async () => {
    const other = open({ poll_ms: 0 });
    const first = make();
    await other.add(first.stored);
    const store = open({ poll_ms: 3_600_000 });
    for (const { stored } of [make(), make(), make()]) {
      await other.add(stored);
      await vi.waitFor(() => expect(store.byHash(stored.hash)).toBeDefined(), { timeout: 60_000, interval: 5 });
    }
    await other.revoke(first.stored.id, now());
    const revoked = () => expect(store.byHash(first.stored.hash)?.revoked_at).toBeDefined();
    await vi.waitFor(revoked, { timeout: 60_000, interval: 5 });
  });

  it('of a team that is no longer configured opens nothing', async () => {
    const store = open();
    const { key, stored } = make({ team: 'gone' });
    await store.add(stored);
    expect(() => buildDirectory(organizations, auth, serverSecret, { store }).identify(bearer(key))).toThrow();
  });
});

describe('the secret of the keyed hashes', () => {
  it('is made once, kept in the data directory for its owner alone, or taken from the configuration', () => {
    const first = ensureServerSecret(directory);
    expect(ensureServerSecret(directory).reveal()).toBe(first.reveal());
    expect(statSync(join(directory, 'hash.secret')).mode & 0o777).toBe(0o600);
    expect(ensureServerSecret(directory, new Secret('mine')).reveal()).toBe('mine');
    expect(() => ensureServerSecret(directory, new Secret(''))).toThrow(/empty/);
  });

  it('is not replaced when it was lost', () => {
    writeFileSync(join(directory, 'hash.secret'), '');
    expect(() => ensureServerSecret(directory)).toThrow(/is empty/);
  });
});
