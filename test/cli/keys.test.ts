import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildDirectory, ensureServerSecret, openKeyStore } from '../../src/callers/index.ts';
import { Place } from '../config/place.ts';
import { run } from './world.ts';

const gateway = `organizations:
  - { id: acme, teams: [{ id: research, keys: ["\${HASH:-}"] }, { id: ops }] }
  - { id: other, teams: [{ id: ops }] }
`;

let place: Place;
beforeEach(() => {
  place = new Place(gateway);
});
afterEach(() => place.remove());

const keys = (...args: string[]) => run(place.path, ['keys', ...args, '--config', 'gateway.yaml']);
const keysJson = async (...args: string[]) => JSON.parse((await keys(...args, '--json')).out);

/** Whether a key opens anything in a gateway of this place. */
async function opens(key: string, env: Record<string, string> = {}): Promise<string | undefined> {
  const { settings } = await place.load(env);
  const store = openKeyStore(join(place.path, 'data/keys.json'), { poll_ms: 0 });
  try {
    const directory = buildDirectory(
      settings!.organizations,
      settings!.auth,
      ensureServerSecret(settings!.state.path),
      { store },
    );
    return (await directory.identify({ authorization: `Bearer ${key}` })).caller.team.id;
  } catch {
    return undefined;
  } finally {
    await store.close();
  }
}

describe('keys', () => {
  it('are shown once when they are made, and open the gateway', async () => {
    const { code, out, err } = await keys('create', '--team', 'research', '--name', 'ci');
    expect(code).toBe(0);
    const [, key = '', id = ''] = /^key {3}(\S+)\nid {4}(\S+)\nhash {2}hash:v1:\S+\n$/.exec(out) ?? [];
    expect(err).toContain('shown this once');
    expect(await opens(key)).toBe('research');
    const listed = await keys('list');
    expect(listed.out).toContain(id);
    expect(listed.out).toMatch(/ci +active +never/);
    expect(listed.out + JSON.stringify(await keysJson('list'))).not.toMatch(/hash:v1|lpk_/);
    expect(readFileSync(join(place.path, 'data/keys.json'), 'utf8')).not.toContain(key);
  });

  it('carry what they were made for', async () => {
    const args = [
      '--team',
      'ops',
      '--organization',
      'other',
      '--models',
      'a,b*',
      '--scopes',
      'policy:read',
      '--may-assert',
      '--expires-days',
      '1',
    ];
    const made = await keysJson('create', ...args);
    expect(made).toMatchObject({
      organization: 'other',
      models: ['a', 'b*'],
      scopes: ['policy:read'],
      may_assert: true,
    });
    expect(Date.parse(made.expires_at) - Date.now()).toBeGreaterThan(86_000_000);
  });

  it('are made for teams there are, and for one of them', async () => {
    expect(await keys('create', '--team', 'nobody')).toMatchObject({ code: 3, out: '' });
    expect((await keys('create', '--team', 'ops')).err).toContain('several organizations have a team');
    expect((await keys('create', '--team', 'research', '--scopes', 'policy:all')).err).toContain(
      "no scope 'policy:all'",
    );
  });

  it('open nothing once they are revoked', async () => {
    const { id, key } = await keysJson('create', '--team', 'research');
    expect((await keys('revoke', id)).out).toBe(`The key ${id} of team research opens nothing any more.\n`);
    expect(await opens(key)).toBeUndefined();
    expect((await keys('list')).out).toContain('revoked');
    expect(await keys('revoke', 'nobody')).toMatchObject({ code: 3, err: "llm-policy: there is no key 'nobody'\n" });
  });

  it('are replaced at once, or while the old one lives on for a grace', async () => {
    const first = await keysJson('create', '--team', 'research', '--name', 'ci', '--may-assert');
    const second = await keysJson('rotate', first.id);
    expect(second).toMatchObject({ name: 'ci', team: 'research', may_assert: true, rotated_from: first.id });
    expect([await opens(first.key), await opens(second.key)]).toEqual([undefined, 'research']);
    const third = await keysJson('rotate', second.id, '--grace-seconds', '3600');
    expect([await opens(second.key), await opens(third.key)]).toEqual(['research', 'research']);
    const [, ends = ''] = /ending +(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)/.exec((await keys('list')).out) ?? [];
    const left_ms = Date.parse(`${ends.replace(' ', 'T')}Z`) - Date.now();
    expect(left_ms).toBeGreaterThan(3_500_000);
    expect(left_ms).toBeLessThanOrEqual(3_600_000);
    expect((await keys('rotate', first.id)).code).toBe(3);
  });

  it('may be made for the configuration alone: the hash stands there, nothing is stored', async () => {
    const { key, hash } = await keysJson('create', '--team', 'research', '--only-show');
    expect(await keysJson('list')).toEqual({ keys: [] });
    expect(await opens(key)).toBeUndefined();
    expect(await opens(key, { HASH: hash })).toBe('research');
    place.write('gateway.yaml', gateway.replace(`\${HASH:-}`, hash));
    expect(await opens(key)).toBe('research');
    expect(await opens(hash)).toBeUndefined();
  });
});
