import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { freePort } from '../support/free-port.ts';
import { ref, startGateway, type TestGateway, testEnv } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import { run } from './world.ts';

let provider: FakeProvider;
let gateway: TestGateway;
beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
  const admin = { port: await freePort(), keys: [ref('TEST_ADMIN_KEY')] };
  gateway = await startGateway({ openai: provider.baseUrl, config: { admin } });
});
afterAll(async () => {
  await gateway.close();
  await provider.close();
});

const keys = async (...args: string[]) => {
  const all = ['keys', ...args, '--config', 'gateway.yaml', '--json'];
  const { code, out, err } = await run(gateway.directory, all, { env: testEnv });
  return { code, said: out + err, told: code === 0 ? JSON.parse(out) : undefined };
};
const opens = async (key: string) => {
  const response = await fetch(`${gateway.origin}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  return response.status;
};
const changes = async () => {
  const headers = { authorization: `Bearer ${testEnv.TEST_ADMIN_KEY}` };
  const response = await fetch(`${gateway.admin}/admin/v1/records?limit=1000`, { headers });
  const { records } = (await response.json()) as { records: { change?: { action: string; target: string } }[] };
  return records.flatMap(({ change }) => (change === undefined ? [] : [`${change.action} ${change.target}`]));
};

it('keys are changed by the gateway that runs: at once, and with a record of each', async () => {
  const { told: made } = await keys('create', '--team', 'research', '--name', 'ci', '--expires-days', '1');
  expect(made).toMatchObject({ team: 'research', name: 'ci', key: expect.stringMatching(/^lpk_/) });
  expect(made.hash).toMatch(/^hash:v1:/);
  expect(await opens(made.key)).toBe(200);
  const { told: next } = await keys('rotate', made.id);
  expect(next).toMatchObject({ rotated_from: made.id, name: 'ci' });
  expect([await opens(made.key), await opens(next.key)]).toEqual([401, 200]);
  expect((await keys('list')).told.keys.map(({ id }: { id: string }) => id)).toEqual([made.id, next.id]);
  expect((await keys('revoke', next.id)).told.revoked_at).toBeDefined();
  expect(await opens(next.key)).toBe(401);
  const wanted = [`key.create ${made.id}`, `key.rotate ${next.id}`, `key.revoke ${next.id}`];
  await eventually('each is recorded', async () => (await changes()).length === wanted.length);
  expect(await changes()).toEqual(wanted);
});

it('what the gateway refuses is told in its words', async () => {
  expect(await keys('revoke', 'nobody')).toMatchObject({ code: 3, said: expect.stringContaining("No key 'nobody'") });
  expect(await keys('rotate', 'nobody')).toMatchObject({ code: 3, said: expect.stringContaining("No key 'nobody'") });
});

it('a key that is only shown is kept nowhere', async () => {
  const { told } = await keys('create', '--team', 'research', '--only-show');
  expect(await opens(told.key)).toBe(401);
});
