import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AskedBody, costOf, eventually, heldBy, hi, type MoneyHouse, startMoney, usd } from '../support/money.ts';

const plain: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const stream: AskedBody = { ...plain, stream: true };
const usage = { input: 40, output: 30 };
const price = costOf(heldBy(stream));
const limit = 4 * price;
const teams = {
  research: { budgets: [{ window: 'total', limit_usd: usd(limit) }] },
  unseen: { budgets: [{ window: 'total', limit_usd: 1 }] },
};

describe.each(['exact', 'leased'])('a Redis that stops answering, where limits say local_share, mode %s', (mode) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    const state = { mode, deadline_ms: 1000, on_loss: 'local_share' };
    house = await startMoney({ store: 'redis', teams, state });
  });
  afterAll(() => house.close());

  test('calls go on within what was left, then are refused; a budget never seen refuses', async () => {
    house.says({ usage });
    expect((await house.ask('research', stream)).status).toBe(200);
    await eventually('it is told', async () => (await house.budget('research')).spent === costOf(usage));
    // What is left is seen with a call, as the one before went on its way.
    expect((await house.ask('research', stream)).status).toBe(200);
    house.redis!.freeze();
    const statuses: number[] = [];
    try {
      for (let at = 0; at < 12; at++) {
        const answer = await house.ask('research', stream, { headers: { 'x-request-id': `share-${at}` } });
        statuses.push(answer.status);
        if (answer.status !== 200) expect(answer.error).toMatchObject({ code: 'insufficient_quota', scope: 'team' });
      }
      const passed = statuses.filter((status) => status === 200).length;
      expect(passed).toBeGreaterThanOrEqual(1);
      expect(statuses.at(-1)).toBe(429);
      expect((await house.ask('unseen', stream)).status).toBe(429);
      expect(house.provider.requests.length).toBe(2 + passed);
    } finally {
      house.redis!.thaw();
    }
    const spent = house.provider.requests.length * costOf(usage);
    await eventually(
      'all of it is told',
      async () => (await house.budget('research').catch(() => undefined))?.spent === spent,
    );
    expect(await house.atRest('research')).toMatchObject({ spent, limit });
    expect(spent).toBeLessThanOrEqual(limit);
    await eventually('the books agree', async () => {
      const { drift } = await house.admin<{ drift: unknown[] }>('/admin/v1/budgets/reconcile', 'POST');
      return drift.length === 0;
    });
    expect(await house.record('share-0')).toMatchObject({ ending: 'complete', cost_nusd: costOf(usage) });
  });
});
