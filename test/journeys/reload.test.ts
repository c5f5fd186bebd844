import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import {
  adminKey,
  call,
  fakeOpenai,
  quietPolicy,
  ref,
  startGateway,
  type TestGateway,
  teamKey,
} from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import { recordsOf } from '../support/refusals.ts';
import { wellFormed } from '../support/well-formed.ts';

const path = '/v1/chat/completions';
const hi = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };
const denyAll = `
metadata: { id: closed, name: Closed, version: 1.0.0 }
rules: [{ id: all, action: { decision: deny, reason: We are closed. } }]
`;
const redact = `
metadata: { id: redact, name: Redact, version: 1.0.0 }
rules:
  - id: cards
    on: response
    action: { decision: modify, redact: { rails: [pii/card], with: "[card]" } }
`;
const secondKey = ['lpk', 'testteamkey2', 's'.repeat(43)].join('_');

let provider: FakeProvider;
let gateway: TestGateway;
beforeEach(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
  gateway = await startGateway({ openai: provider.baseUrl });
});
afterEach(async () => {
  await gateway.close();
  await provider.close();
});

const write = (name: string, text: string) => writeFileSync(join(gateway.directory, name), text);
/** Changes `gateway.yaml` as an editor would. */
function edit(change: (config: Record<string, Record<string, unknown>>) => void): void {
  const config = parse(readFileSync(join(gateway.directory, 'gateway.yaml'), 'utf8'));
  change(config);
  write('gateway.yaml', stringify(config));
}
async function status(body: Record<string, unknown> = hi, key = teamKey): Promise<number> {
  const response = await call(gateway, path, body, { authorization: `Bearer ${key}` });
  await response.text();
  return response.status;
}
async function reload(key = adminKey): Promise<{ status: number; applied: boolean; problems: string[] }> {
  const headers = { authorization: `Bearer ${key}` };
  const response = await fetch(`${gateway.admin}/admin/v1/config/reload`, { method: 'POST', headers });
  return { status: response.status, ...((await response.json()) as { applied: boolean; problems: string[] }) };
}
/** The last change is refused for this reason, and everything is as it was. */
async function refused(reason: RegExp): Promise<void> {
  const before = gateway.gateway.program;
  const told = await reload();
  expect([told.status, told.applied]).toEqual([409, false]);
  expect(told.problems.join('\n')).toMatch(reason);
  expect(gateway.gateway.program).toBe(before);
  expect(await status()).toBe(200);
}

describe('a change of the files', () => {
  test('is seen by itself, and in force from one call to the next', async () => {
    expect(await status()).toBe(200);
    write('policies/quiet.yaml', denyAll);
    await eventually('the new policy', async () => (await status()) === 403);
    write('policies/quiet.yaml', quietPolicy);
    await eventually('the old one again', async () => (await status()) === 200);
  });

  test('of a policy, a provider, a model, a key or a limit is in force on the next call', async () => {
    write('policies/redact.yaml', redact);
    expect(await reload()).toEqual({ status: 200, applied: true, problems: [] });
    provider.reply = () => ({ text: 'It is 4111 1111 1111 1111.' });
    expect(await (await call(gateway, path, hi)).text()).toContain('[card]');

    expect(await status({ ...hi, model: 'later' })).toBe(404);
    write('providers/later.yaml', stringify({ ...fakeOpenai(provider.baseUrl), id: 'later', models: { later: {} } }));
    edit((config) => {
      config.models = { fast: { candidates: [{ provider: 'later', model: 'later' }] } };
    });
    await reload();
    expect(await status({ ...hi, model: 'later' })).toBe(200);
    expect(await status({ ...hi, model: 'fast' })).toBe(200);

    expect(await status(hi, secondKey)).toBe(401);
    write('second.key', `${secondKey}\n`);
    edit((config) => {
      config.organizations = [
        {
          id: 'acme',
          teams: [
            { id: 'research', keys: [ref('TEST_TEAM_KEY')] },
            { id: 'ops', keys: [ref('file:second.key')], limits: { requests_per_minute: 1 } },
          ],
        },
      ] as never;
    });
    await reload();
    expect([await status(hi, secondKey), await status(hi, secondKey), await status()]).toEqual([200, 429, 200]);
    // A rotated secret is a change of a file that is only referred to.
    write('second.key', `${secondKey}x\n`);
    await eventually('the old key opens nothing', async () => (await status(hi, secondKey)) === 401);
  });

  test('of the admin keys is in force for the next one who asks', async () => {
    const other = ['lpa', 'otheradmin00', 'o'.repeat(43)].join('_');
    write('admin.key', other);
    edit((config) => {
      config.admin!.keys = [ref('file:admin.key')];
    });
    await reload();
    expect(
      (await fetch(`${gateway.admin}/admin/v1/keys`, { headers: { authorization: `Bearer ${adminKey}` } })).status,
    ).toBe(401);
    expect((await reload(other)).status).toBe(200);
  });
});

describe('a change that is wrong', () => {
  test('is refused with file, line and reason, and what was in force stays; mended, it is taken', async () => {
    write('policies/wrong.yaml', denyAll.replace('decision: deny', 'decision: dney'));
    await refused(/wrong\.yaml:3:\d+: .*deny/);
    write('policies/wrong.yaml', denyAll);
    expect((await reload()).applied).toBe(true);
    expect(await status()).toBe(403);
  });

  test('is refused as a whole: what is right beside it waits as well', async () => {
    write('providers/good.yaml', stringify({ ...fakeOpenai(provider.baseUrl), id: 'good', models: { good: {} } }));
    edit((config) => {
      config.routing = { retires: 3 };
    });
    await refused(/gateway\.yaml:\d+:\d+: unknown key 'retires'; did you mean 'retries'\?/);
    expect(await status({ ...hi, model: 'good' })).toBe(404);
  });

  test('never means allow: policies that vanish, or that no pattern finds, are refused', async () => {
    const policies = join(gateway.directory, 'policies');
    write('policies/quiet.yaml', denyAll.replace('deny', 'warn'));
    await reload();
    renameSync(policies, `${policies}-away`);
    await refused(/policies does not exist/);
    renameSync(`${policies}-away`, policies);
    rmSync(join(policies, 'quiet.yaml'));
    await refused(/holds no policy/);
    write('policies/quiet.yaml', quietPolicy);
    edit((config) => {
      config.policies!.enabled = ['security/*'];
    });
    await refused(/'security\/\*' matches no policy/);
  });

  const fixed: Record<string, (config: Record<string, Record<string, unknown>>) => void> = {
    'server.port': (config) => (config.server!.port = 18_080),
    'server.host': (config) => (config.server!.host = '127.0.0.2'),
    'server.body_bytes_max': (config) => (config.server!.body_bytes_max = 2048),
    'server.in_flight_bytes_max': (config) => (config.server!.in_flight_bytes_max = 2048),
    'server.trusted_proxies': (config) => (config.server!.trusted_proxies = ['10.0.0.0/8']),
    'admin.port': (config) => (config.admin!.port = 18_081),
    'metrics.port': (config) => (config.metrics!.port = 19_090),
    'state.path': (config) => (config.state!.path = './elsewhere'),
    'state.fsync': (config) => (config.state!.fsync = 'always'),
    'state.key_prefix': (config) => (config.state!.key_prefix = 'other'),
    'audit.sinks': (config) => (config.audit!.sinks = []),
    'auth.hash_secret': (config) => (config.auth = { hash_secret: ref('FAKE_KEY') }),
  };
  test.each(Object.entries(fixed))(
    'in what is read only at a start is refused, never taken silently: %s',
    async (key, change) => {
      write('policies/quiet.yaml', denyAll);
      edit(change);
      await refused(
        new RegExp(`gateway\\.yaml: '${key.replace('.', '\\.')}' cannot change while the gateway runs: restart it`),
      );
    },
  );
});

test('an exchange that runs keeps its program, its provider and its prices to the end', async () => {
  write('policies/redact.yaml', redact);
  await reload();
  const before = gateway.gateway.program;
  provider.reply = () => ({
    text: 'The number is 4111 1111 1111 1111, and that is all there is to it.',
    delta_characters: 4,
    pace_ms: 40,
  });
  const response = await call(gateway, path, { ...hi, stream: true }, { 'x-request-id': 'running' });
  const reader = response.body!.getReader();
  const chunks: Uint8Array[] = [(await reader.read()).value!];

  // Everything it stands on goes away: the rule that redacts, the provider, the team's key.
  rmSync(join(gateway.directory, 'policies', 'redact.yaml'));
  write(
    'providers/fake-openai.yaml',
    stringify({ ...fakeOpenai(provider.baseUrl), id: 'other', models: { other: {} } }),
  );
  write('second.key', secondKey);
  edit((config) => {
    config.organizations = [{ id: 'acme', teams: [{ id: 'ops', keys: [ref('file:second.key')] }] }] as never;
  });
  expect((await reload()).applied).toBe(true);
  expect(gateway.gateway.program).not.toBe(before);
  expect(provider.requests[0]?.finished).toBe(false);
  expect([await status(hi), await status(hi, secondKey)]).toEqual([401, 404]);

  for (let next = await reader.read(); !next.done; next = await reader.read()) chunks.push(next.value);
  const body = Buffer.concat(chunks);
  expect(wellFormed('openai-chat', body)).toBe('end');
  const said = body
    .toString()
    .split('\n')
    .flatMap((line) => (line.startsWith('data: {') ? (JSON.parse(line.slice(6)).choices[0]?.delta.content ?? '') : []));
  expect(said.join('')).toBe('The number is [card], and that is all there is to it.');
  await eventually('its record', async () =>
    (await recordsOf(gateway)).some(({ request_id }) => request_id === 'running'),
  );
  const records = (await recordsOf(gateway)).filter(({ request_id }) => request_id === 'running');
  expect(records).toMatchObject([
    { program: before, provider: 'fake-openai', ending: 'complete', cost_estimated: false },
  ]);
  expect(records[0]?.cost_nusd).toBeGreaterThan(0);
});

test('many changes under load: every call is answered by one configuration or the other', async () => {
  let on = true;
  const answers: number[] = [];
  const callers = Array.from({ length: 4 }, async () => {
    while (on) answers.push(await status());
  });
  for (let round = 0; round < 6; round += 1) {
    write('policies/quiet.yaml', round % 2 === 0 ? denyAll : quietPolicy);
    expect((await reload()).applied).toBe(true);
  }
  on = false;
  await Promise.all(callers);
  expect(new Set(answers)).toEqual(new Set([200, 403]));
});
