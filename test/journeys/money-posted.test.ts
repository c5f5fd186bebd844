import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AskedBody, costOf, eventually, hi, type MoneyHouse, startMoney } from '../support/money.ts';
import { wellFormed } from '../support/well-formed.ts';

const plain: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const stream: AskedBody = { ...plain, stream: true };
const usage = { input: 40, output: 30 };
const teams = {
  research: { budgets: [{ window: 'total', limit_usd: 1 }] },
  crowded: { limits: { concurrent: 1, queue_ms: 60_000 } },
};

describe('what a call cost, where Redis takes its time', () => {
  let house: MoneyHouse;
  beforeAll(async () => {
    // Nobody who waited for an answer of a frozen Redis would be through before the test is over.
    house = await startMoney({ store: 'redis', teams, state: { deadline_ms: 120_000, on_loss: 'closed' } });
  });
  afterAll(() => house.close());

  test.each([
    { what: 'a plain reply', body: plain },
    { what: 'a stream', body: stream },
  ])('is written down before the end of $what leaves, and the end waits for nobody', async ({ body }) => {
    const before = await house.atRest('research');
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    house.says(async () => {
      await gate;
      return { usage };
    });
    const requestId = `posted-${body.stream}`;
    const running = house.ask('research', body, { headers: { 'x-request-id': requestId } });
    await eventually('the provider has it', () => house.provider.requests.length === 1);
    house.redis!.freeze();
    try {
      open();
      const answer = await running;
      expect(answer.status).toBe(200);
      if (body.stream === true) expect(wellFormed('openai-chat', Buffer.from(answer.text))).toBe('end');
      const written = readFileSync(join(house.gateway.directory, 'data', 'ledger-outbox'), 'utf8')
        .trim()
        .split('\n');
      const last = JSON.parse(written.at(-1)!) as Record<string, unknown>;
      expect(last).toMatchObject({ op: 'settle', organization: 'acme', nusd: costOf(usage), tokens: 70 });
    } finally {
      house.redis!.thaw();
    }
    await eventually(
      'it is counted',
      async () => (await house.budget('research')).spent === before.spent + costOf(usage),
    );
    expect(await house.budget('research')).toMatchObject({ held: 0 });
    expect(await house.record(requestId)).toMatchObject({ cost_nusd: costOf(usage), cost_estimated: false });
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
  });

  test('makes room for who waits in line, one after the other', async () => {
    let running = 0;
    let most = 0;
    house.says(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 10));
      running -= 1;
      return { usage };
    });
    const answers = await Promise.all(Array.from({ length: 8 }, () => house.ask('crowded', plain)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(most).toBe(1);
    expect(await house.limits('crowded')).toMatchObject([{ unit: 'concurrent', used: 0 }]);
  });
});
