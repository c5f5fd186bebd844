import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiProvider, startApiProvider } from '../support/api-provider.ts';
import { type GatewayProcess, type ProcessOptions, startGatewayProcess } from '../support/gateway-process.ts';
import { eventually, teamKeyOf } from '../support/money.ts';
import { cent, entriesOf, passProvider } from '../support/passing.ts';

const directory = mkdtempSync(join(tmpdir(), 'llm-policy-pass-crash-'));
let api: ApiProvider;
let gateway: GatewayProcess;
beforeAll(async () => {
  api = await startApiProvider();
});
afterAll(async () => {
  await gateway?.stop();
  await api?.close();
  rmSync(directory, { recursive: true, force: true });
});

test('a call under way when the process is killed is recorded as lost and unread, and what was held for it counts', async () => {
  const options: ProcessOptions = {
    store: 'embedded',
    directory,
    provider: api.baseUrl,
    state: { lease_ms: 1000 },
    teams: { research: { budgets: [{ window: 'total', limit_usd: 1 }] } },
    config: { passthrough: entriesOf([{}]) },
  };
  gateway = await startGatewayProcess(options);
  api.answer = () => {};
  const headers = { authorization: `Bearer ${teamKeyOf('research')}`, 'x-request-id': 'killed' };
  const call = fetch(`${gateway.origin}/passthrough/${passProvider}/images/1`, { headers }).catch(() => undefined);
  await eventually('it is under way', () => api.calls.length === 1);
  await gateway.kill();
  await call;
  gateway = await startGatewayProcess(options);
  expect(await gateway.record('killed')).toMatchObject({
    ending: 'lost',
    uninspected: true,
    route: '/passthrough/{provider}/*',
    provider: passProvider,
    passed: { method: 'GET', path: '/images/1' },
    caller: { team: 'research' },
    held_nusd: cent,
    cost_nusd: cent,
    cost_estimated: true,
  });
  await eventually('its lease is over', async () => (await gateway.reservations()) === 0);
  expect(await gateway.budget('research')).toMatchObject({ spent: cent, held: 0 });
});
