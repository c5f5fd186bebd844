import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAsking, type Said } from '../support/asking.ts';
import { call, ref, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';

const otherKey = ['lpk', 'otherkey0001', 'o'.repeat(43)].join('_');
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({
    providers: { demo: { id: 'demo', format: 'demo', models: { demo: {} } } },
    config: { policies: { evaluations_per_minute: 6, default: 'allow' } },
    team: { keys: [ref('TEST_TEAM_KEY'), { key: ref('OTHER_KEY') }] },
    env: { OTHER_KEY: otherKey },
  });
});
afterAll(() => gateway.close());

test('a key has so many evaluations a minute, over REST and WebSocket together', async () => {
  const one = { context: {} };
  expect((await call(gateway, '/api/v1/evaluate', one)).status).toBe(200);
  expect((await call(gateway, '/api/v1/evaluate/batch', [one, one, one])).status).toBe(200);
  expect((await call(gateway, '/api/v1/evaluate/explain', one)).status).toBe(200);
  const stream = await openAsking(gateway.origin);
  stream.say({ id: 1, ...one });
  stream.say({ id: 2, ...one });
  expect(await stream.next()).toMatchObject({ id: 1, decision: { decision: 'allow' } });
  expect(await stream.next()).toMatchObject({
    id: 2,
    error: { code: 'rate_limit_exceeded', scope: 'key:testteamkey1', limit: 6, unit: 'evaluations' },
  });
  stream.socket.terminate();
  const refused = await call(gateway, '/api/v1/evaluate', one);
  const said = (await refused.json()) as Said;
  expect([refused.status, said.error.code]).toEqual([429, 'rate_limit_exceeded']);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(10);
  // Another key has its own; calls of the gateway are none of it.
  expect((await call(gateway, '/api/v1/evaluate', one, { authorization: `Bearer ${otherKey}` })).status).toBe(200);
  const body = { model: 'demo', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 5 };
  for (let i = 0; i < 8; i += 1) {
    expect((await call(gateway, '/v1/chat/completions', body, { authorization: `Bearer ${teamKey}` })).status).toBe(
      200,
    );
  }
});
