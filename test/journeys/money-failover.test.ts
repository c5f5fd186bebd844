import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type AskedBody, type Asker, askerOf, costOf, heldBy, hi, moneyConfig, usd } from '../support/money.ts';
import { type SentinelHouse, startSentinels } from '../support/sentinel.ts';
import { eventually } from '../support/wait.ts';

const plain: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const usage = heldBy(plain);
const fits = 150;
const teams = { research: { budgets: [{ window: 'total', limit_usd: usd(fits * costOf(usage)) }] } };

describe('two gateways behind sentinels whose primary dies with writes that were acknowledged', () => {
  let house: SentinelHouse;
  let provider: FakeProvider;
  const gateways: TestGateway[] = [];
  const askers: Asker[] = [];
  beforeAll(async () => {
    house = await startSentinels();
    provider = await startFakeProvider({ key: 'upstream-secret-key' });
    provider.reply = () => ({ usage });
    for (let at = 0; at < 2; at++) {
      const directory = mkdtempSync(join(tmpdir(), 'llm-policy-failover-'));
      const sentinel = { name: house.name, nodes: house.nodes };
      const state = { driver: 'redis', sentinel, deadline_ms: 500, on_loss: 'closed' };
      const { config, env } = moneyConfig({ store: 'redis', teams, state }, directory, undefined);
      const gateway = await startGateway({ directory, openai: provider.baseUrl, config, env });
      gateways.push(gateway);
      askers.push(askerOf(gateway));
    }
  });
  afterAll(async () => {
    for (const gateway of gateways) await gateway.close();
    await provider.close();
    await house.stop();
  });

  test('pay for no more calls than the budget fits, and agree on what was spent', async () => {
    let answered = 0;
    let spentOut = false;
    const caller = async (asker: Asker): Promise<void> => {
      while (!spentOut) {
        const { status, error } = await asker.ask('research', plain);
        if (status === 200) answered++;
        else if (status === 503) await sleep(50);
        else if (error.code === 'insufficient_quota') {
          // What is held may come back; what is spent does not.
          const { spent, limit } = await asker.budget('research').catch(() => ({ spent: 0, limit: 1 }));
          if (spent >= limit) spentOut = true;
          await sleep(20);
        } else throw new Error(`${status} ${JSON.stringify(error)}`);
      }
    };
    const callers = askers.flatMap((asker) => [1, 2, 3].map(() => caller(asker)));
    await eventually(() => answered > 30);
    await house.cut();
    const atCut = answered;
    await eventually(() => answered > atCut + 30);
    await house.primary.kill();
    await Promise.all(callers);
    expect(answered).toBe(provider.requests.length);
    expect(answered).toBeLessThanOrEqual(fits);
    // A settlement under way when the primary died may count twice: there were no more of them than callers.
    expect(answered).toBeGreaterThanOrEqual(fits - callers.length);
    for (const asker of askers) {
      expect(await asker.atRest('research')).toMatchObject({ spent: fits * costOf(usage), held: 0 });
      expect(await asker.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
    }
  });
});
