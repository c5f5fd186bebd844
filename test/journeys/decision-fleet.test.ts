import { expect, test } from 'vitest';
import { openAsking, type Said } from '../support/asking.ts';
import { type FleetProcess, startFleet } from '../support/fleet.ts';
import { openFleetHouse } from '../support/fleet-house.ts';
import { freePort } from '../support/free-port.ts';
import { teamKeyOf } from '../support/money.ts';
import { eventually } from '../support/wait.ts';

const policy = (model: string) => `
metadata: { id: managed, name: Managed, version: 1.0.0 }
rules:
  - id: no
    condition: { operator: eq, field: llm.model, value: ${model} }
    action: { decision: deny, reason: No }
`;
const key = teamKeyOf('research');

const house = openFleetHouse();

/** What as many connections are told as reach every worker. */
async function decisions(fleet: FleetProcess, model: string): Promise<readonly string[]> {
  const asked = Array.from({ length: 12 }, async () => {
    const response = await fetch(`${fleet.origin}/api/v1/evaluate`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, connection: 'close' },
      body: JSON.stringify({ context: { llm: { model } } }),
    });
    return ((await response.json()) as Said).decision.decision as string;
  });
  return [...new Set(await Promise.all(asked))];
}

async function admin(fleet: FleetProcess, method: string, path: string, body?: string): Promise<Said> {
  const headers = { ...fleet.adminAt.headers, ...(body === undefined ? {} : { 'content-type': 'application/yaml' }) };
  const response = await fetch(fleet.adminAt.url + path, { method, headers, ...(body === undefined ? {} : { body }) });
  return await response.json();
}

test('every worker of a gateway has what is published, those that come later and after a crash too', async () => {
  const teams = { research: { budgets: [{ window: 'total', limit_usd: 10 }] } };
  const fleet = await startFleet({
    teams,
    redisUrl: house.redis.url,
    provider: house.provider.baseUrl,
    workers: 2,
    server: { port: await freePort() },
  });
  expect(await decisions(fleet, 'x')).toEqual(['allow']);
  await admin(fleet, 'POST', '/api/v1/policies', policy('x'));
  await eventually(async () => (await decisions(fleet, 'x')).join() === 'deny');

  // A stream on a worker that is killed ends; the one in its place has the policy from its start.
  const [first, second] = await fleet.ready(2);
  const stream = await openAsking(fleet.origin, { key });
  for (const { pid } of [first!, second!]) process.kill(pid!, 'SIGKILL');
  expect((await stream.over).code).toBe(1006);
  await eventually(
    async () => (await fleet.workers()).every(({ state, crashes }) => state === 'ready' && crashes > 0),
    60_000,
  );
  expect(await decisions(fleet, 'x')).toEqual(['deny']);

  // Workers that are replaced close their streams properly.
  const again = await openAsking(fleet.origin, { key });
  await admin(fleet, 'POST', '/admin/v1/workers/restart');
  expect((await again.over).code).toBe(1001);
  await eventually(
    async () => (await fleet.workers()).every(({ state, restarts }) => state === 'ready' && restarts > 0),
    60_000,
  );

  await admin(fleet, 'POST', '/api/v1/policies', policy('y'));
  await eventually(async () => (await decisions(fleet, 'y')).join() === 'deny');
  expect(await decisions(fleet, 'x')).toEqual(['allow']);
  await admin(fleet, 'POST', '/api/v1/policies/managed/rollback', '{"version": 1}');
  await eventually(async () => (await decisions(fleet, 'x')).join() === 'deny');
  expect((await admin(fleet, 'GET', '/admin/v1/policies')).policies.map(({ id }: Said) => id)).toEqual([
    'managed',
    'quiet',
  ]);
  const { versions } = await admin(fleet, 'GET', '/api/v1/policies/managed/versions');
  expect(versions.map(({ number }: Said) => number)).toEqual([1, 2, 3]);
  // The admin listener speaks for all workers.
  const { evaluations } = await admin(fleet, 'GET', '/api/v1/evaluations?limit=1000');
  expect(evaluations.filter(({ kind }: Said) => kind === 'evaluation').length).toBeGreaterThanOrEqual(36);
}, 240_000);
