import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AskedBody,
  costOf,
  eventually,
  heldBy,
  hi,
  type MoneyHouse,
  startMoney,
  teamKeyOf,
  usd,
} from '../support/money.ts';
import { wellFormed } from '../support/well-formed.ts';

const plain: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const stream: AskedBody = { ...plain, stream: true };
const usage = { input: 40, output: 30 };
const deadline_ms = 1000;
/** What a busy core may add to a deadline. */
const slack_ms = 5000;
const teams = {
  research: { budgets: [{ window: 'total', limit_usd: 1 }], limits: { concurrent: 50 } },
  small: { budgets: [{ window: 'total', limit_usd: usd(3 * costOf(heldBy(plain))) }] },
};

/** A provider that waits for a word before it ends. */
function gated(house: MoneyHouse): () => void {
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  house.says(async () => {
    await gate;
    return { usage };
  });
  return open;
}

describe('a Redis that stops answering, where limits say closed', () => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({ store: 'redis', teams, state: { deadline_ms, on_loss: 'closed' } });
  });
  afterAll(() => house.close());

  const back = () => eventually('calls pass again', async () => (await house.ask('research', plain)).status === 200);

  test('calls get 503 within the deadline and reach nobody; afterwards they pass again, without a restart', async () => {
    house.says({ usage });
    expect((await house.ask('research', plain)).status).toBe(200);
    const before = await house.budget('research');
    house.redis!.freeze();
    try {
      const first = await house.ask('research', plain, { headers: { 'x-request-id': 'refused' } });
      expect([first.status, first.error.code]).toEqual([503, 'state_unavailable']);
      expect(first.ms).toBeLessThan(deadline_ms + slack_ms);
      expect(first.headers.get('retry-after')).toBe('1');
      expect(first.headers.get('x-should-retry')).toBeNull();
      const crowd = await Promise.all(
        Array.from({ length: 20 }, (_, at) => house.ask('research', at % 2 === 0 ? plain : stream)),
      );
      for (const { status, error, ms } of crowd) {
        expect([status, error.code]).toEqual([503, 'state_unavailable']);
        expect(ms).toBeLessThan(deadline_ms + slack_ms);
      }
      const own = await fetch(`${house.gateway.origin}/v1/usage`, {
        headers: { authorization: `Bearer ${teamKeyOf('research')}` },
      });
      expect(own.status).toBe(503);
      expect(house.provider.requests.length).toBe(1);
    } finally {
      house.redis!.thaw();
    }
    await back();
    expect(await house.record('refused')).toMatchObject({ ending: 'failed', failure: { code: 'state_unavailable' } });
    const after = await house.atRest('research');
    expect((after.spent - before.spent) % costOf(usage)).toBe(0);
    expect(house.provider.requests.length).toBe(1 + (after.spent - before.spent) / costOf(usage));
    expect(await house.limits('research')).toMatchObject([{ unit: 'concurrent', used: 0 }]);
  });

  test.each([
    { what: 'plain call', body: plain },
    { what: 'stream', body: stream },
  ])('a $what that runs when Redis goes ends as it should, and its settlement arrives afterwards', async ({ body }) => {
    await back();
    const before = await house.atRest('research');
    const open = gated(house);
    const running = house.ask('research', body, { headers: { 'x-request-id': `away-${body.stream}` } });
    await eventually('the provider has it', () => house.provider.requests.length === 1);
    house.redis!.freeze();
    try {
      open();
      const answer = await running;
      expect(answer.status).toBe(200);
      if (body.stream === true) expect(wellFormed('openai-chat', Buffer.from(answer.text))).toBe('end');
    } finally {
      house.redis!.thaw();
    }
    await eventually('the settlement is there', async () => {
      const now = await house.budget('research').catch(() => before);
      return now.spent - before.spent === costOf(usage) && now.held === 0;
    });
    expect(await house.record(`away-${body.stream}`)).toMatchObject({ ending: 'complete', cost_nusd: costOf(usage) });
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
  });

  test('a Redis that was away lets nobody over the budget', async () => {
    await back();
    const open = gated(house);
    const early = [house.ask('small', plain), house.ask('small', plain)];
    await eventually('the provider has both', () => house.provider.requests.length === 2);
    house.redis!.freeze();
    const lost = await Promise.all(Array.from({ length: 10 }, () => house.ask('small', plain)));
    house.redis!.thaw();
    expect(lost.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 503));
    await eventually('Redis is back', async () => (await house.budget('small').catch(() => undefined)) !== undefined);
    const late = Array.from({ length: 10 }, () => house.ask('small', plain));
    await eventually('the provider has a third', () => house.provider.requests.length === 3);
    open();
    const answers = await Promise.all([...early, ...late]);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(3);
    const { spent, limit } = await house.atRest('small');
    expect(spent).toBeLessThanOrEqual(limit);
    expect(spent).toBe(house.provider.requests.length * costOf(usage));
  });
});

describe('a Redis that stops answering, where limits say open', () => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({ store: 'redis', teams, state: { deadline_ms, on_loss: 'open' } });
  });
  afterAll(() => house.close());

  test('calls go through, their records say that nothing was held, and limits hold again afterwards', async () => {
    house.says({ usage });
    expect((await house.ask('small', plain)).status).toBe(200);
    const { spent } = await house.budget('small');
    house.redis!.freeze();
    try {
      for (const [at, body] of [plain, stream, plain, stream].entries()) {
        const answer = await house.ask('small', body, { headers: { 'x-request-id': `open-${at}` } });
        expect(answer.status).toBe(200);
        expect(answer.ms).toBeLessThan(2 * deadline_ms + slack_ms);
      }
      expect(house.provider.requests.length).toBe(5);
    } finally {
      house.redis!.thaw();
    }
    for (let at = 0; at < 4; at += 1) {
      expect(await house.record(`open-${at}`)).toMatchObject({
        ending: 'complete',
        held_nusd: 0,
        cost_nusd: costOf(usage),
      });
    }
    await eventually(
      'limits hold again',
      async () => (await house.ask('small', { ...plain, max_tokens: 4000 })).error.code === 'insufficient_quota',
    );
    expect(await house.atRest('small')).toMatchObject({ held: 0 });
    expect((await house.budget('small')).spent).toBeGreaterThanOrEqual(spent);
    expect(house.provider.violations).toEqual([]);
  });
});

describe('a Redis that stops answering, where limits say for themselves', () => {
  let house: MoneyHouse;
  beforeAll(async () => {
    house = await startMoney({
      store: 'redis',
      organization: { budgets: [{ window: 'total', limit_usd: 1, on_loss: 'open' }] },
      teams: {
        going: {
          budgets: [{ window: 'day', limit_usd: 1, on_loss: 'open' }],
          limits: { concurrent: 5, on_loss: 'open' },
        },
        strict: { budgets: [{ window: 'day', limit_usd: 1 }] },
        mixed: {
          budgets: [{ window: 'day', limit_usd: 1, on_loss: 'open' }],
          limits: { concurrent: 5, on_loss: 'closed' },
        },
      },
      state: { deadline_ms },
    });
  });
  afterAll(() => house.close());

  test('calls go on where each limit of theirs says open, and are refused where one does not', async () => {
    house.says({ usage });
    for (const team of ['going', 'strict', 'mixed']) expect((await house.ask(team, plain)).status).toBe(200);
    house.redis!.freeze();
    try {
      expect((await house.ask('going', plain)).status).toBe(200);
      for (const team of ['strict', 'mixed']) {
        const { status, error } = await house.ask(team, plain);
        expect([status, error.code]).toEqual([503, 'state_unavailable']);
      }
    } finally {
      house.redis!.thaw();
    }
    await eventually('calls pass again', async () => (await house.ask('strict', plain)).status === 200);
  });
});
