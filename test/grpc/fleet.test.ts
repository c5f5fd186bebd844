import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { startFleet } from '../support/fleet.ts';
import { openFleetHouse } from '../support/fleet-house.ts';
import { freePort } from '../support/free-port.ts';
import { ref } from '../support/gateway.ts';
import { drained, GrpcClient, type Json, jsonOf, struct } from '../support/grpc-client.ts';
import { teamKeyOf } from '../support/money.ts';
import { eventually } from '../support/wait.ts';

const service = 'llm.policy.v1.PolicyService';
const healthService = 'grpc.health.v1.Health';
const bearer = { authorization: `Bearer ${teamKeyOf('research')}` };
const writerKey = ['lpk', 'writerkey002', 'w'.repeat(43)].join('_');
const writer = { 'x-api-key': writerKey };
const of = (id: string, model: string) =>
  `metadata: { id: ${id}, version: 1.0.0 }\nrules:\n  - { id: r, when: llm.model == "${model}", action: { decision: deny, reason: ${id} } }\n`;

const house = openFleetHouse();

test('a gateway with workers has one decision point over gRPC, whatever becomes of the workers', async () => {
  const port = await freePort();
  const fleet = await startFleet({
    teams: {
      research: { keys: [ref('KEY_RESEARCH'), { key: ref('WRITER_KEY'), scopes: ['policy:write', 'policy:read'] }] },
    },
    redisUrl: house.redis.url,
    provider: house.provider.baseUrl,
    workers: 2,
    server: { port: await freePort() },
    config: { grpc: { port, publishing: true } },
    env: { WRITER_KEY: writerKey, KEY_RESEARCH: teamKeyOf('research') },
  });
  const client = new GrpcClient(`127.0.0.1:${port}`);
  const decided = async (model: string): Promise<string> => {
    const { body } = await client.ask(service, 'Evaluate', { context: struct({ llm: { model } }) }, bearer);
    return body.decision.decision;
  };
  /** What connections that reach every worker are told. */
  const overRest = async (model: string): Promise<string> => {
    const asked = Array.from({ length: 12 }, async () => {
      const response = await fetch(`${fleet.origin}/api/v1/evaluate`, {
        method: 'POST',
        headers: { ...bearer, connection: 'close' },
        body: JSON.stringify({ context: { llm: { model } } }),
      });
      return ((await response.json()) as Json).decision.decision as string;
    });
    return [...new Set(await Promise.all(asked))].join();
  };
  expect((await client.ask(healthService, 'Check', {}, {})).body.status).toBe('SERVING');
  expect(await decided('x')).toBe('allow');

  const updates = client.listen(service, 'SubscribeUpdates', {}, writer);
  const told: Json[] = [];
  updates.on('data', (message) => told.push(jsonOf(message, 'llm.policy.v1.PolicyUpdate')));
  updates.on('error', () => {});
  await eventually(() => told.length === 1);

  // Published here, in force in every worker; published there, told here.
  await client.ask(service, 'LoadPolicy', { texts: [of('here', 'x')] }, writer);
  expect(await decided('x')).toBe('deny');
  await eventually(async () => (await overRest('x')) === 'deny');
  const headers = { ...fleet.adminAt.headers, 'content-type': 'application/yaml' };
  const published = await fetch(`${fleet.adminAt.url}/api/v1/policies`, {
    method: 'POST',
    headers,
    body: of('there', 'y'),
  });
  expect(published.status).toBe(201);
  expect(await decided('y')).toBe('deny');
  await eventually(() => told.length === 3);
  expect(told.slice(1).map(({ loaded }) => loaded)).toEqual([['default/here'], ['default/there']]);

  // Workers that die take no answer with them.
  const stream = client.duplex(service, 'EvaluateStream', bearer);
  const answers = drained(stream);
  stream.write({ requestId: 'before', context: struct({ llm: { model: 'x' } }) });
  for (const { pid } of await fleet.ready(2)) process.kill(pid!, 'SIGKILL');
  expect(await decided('x')).toBe('deny');
  stream.write({ requestId: 'after', context: struct({ llm: { model: 'y' } }) });
  stream.end();
  const { messages } = await answers;
  expect(messages.map(({ requestId, decision }) => [requestId, decision.decision])).toEqual([
    ['before', 'deny'],
    ['after', 'deny'],
  ]);
  await eventually(
    async () => (await fleet.workers()).every(({ state, crashes }) => state === 'ready' && crashes > 0),
    60_000,
  );
  await eventually(async () => (await client.ask(healthService, 'Check', {}, {})).body.status === 'SERVING');
  expect(await overRest('x')).toBe('deny');

  const ended = drained(updates);
  expect(await fleet.stop()).toBe(0);
  expect((await ended).error?.code).toBe(status.UNAVAILABLE);
  await expect(decided('x')).rejects.toMatchObject({ code: status.UNAVAILABLE });
  client.close();
});
