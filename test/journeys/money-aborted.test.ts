import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FakeReply } from '../support/fake-provider.ts';
import {
  type AskedBody,
  costOf,
  eventually,
  heldBy,
  hi,
  type MoneyHouse,
  startMoney,
  stores,
} from '../support/money.ts';

const plain: AskedBody = { model: 'gpt-4o', max_tokens: 100, messages: hi };
const stream: AskedBody = { ...plain, stream: true };
const anthropic: AskedBody = { ...stream, model: 'claude-sonnet-4-5' };
const endless: FakeReply = { text: 'All work and no play.', endless: true, pace_ms: 5 };

describe.each(stores)('a client that leaves, on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    const teams = {
      research: { budgets: [{ window: 'day', limit_usd: 1 }], limits: { concurrent: 4, tokens_per_minute: 1_000_000 } },
    };
    house = await startMoney({ store, teams });
  });
  afterAll(() => house.close());

  test.each<{ when: string; body: AskedBody; says: FakeReply; reads: boolean }>([
    { when: 'in the middle of a stream', body: stream, says: endless, reads: true },
    { when: "in the middle of a stream of Anthropic's", body: anthropic, says: endless, reads: true },
    { when: 'before the head of a stream', body: stream, says: { stall: 'head' }, reads: false },
    { when: 'before the first event of a stream', body: stream, says: { stall: 'first_frame' }, reads: false },
    { when: 'while a plain reply is made', body: plain, says: { stall: 'head' }, reads: false },
    { when: 'while a plain reply is on its way', body: plain, says: { stall: 'first_frame' }, reads: false },
  ])(
    '$when: called off at the provider within a second, paid for what was seen, its seat free (PITFALLS 9, 10)',
    async ({ when, body, says, reads }) => {
      house.says(says);
      const before = (await house.atRest('research')).spent;
      const leaving = new AbortController();
      const requestId = `${store}-${when.replaceAll(/[^a-z]/g, '-')}`;
      const call = house.send('research', body, { signal: leaving.signal, headers: { 'x-request-id': requestId } });
      call.catch(() => {});
      if (reads) {
        const reader = (await call).body!.getReader();
        for (let chunks = 0; chunks < 10; chunks += 1) await reader.read();
      }
      await eventually('the provider has the call', () => house.provider.requests.length === 1);
      const [asked] = house.provider.requests;
      const left_ms = performance.now();
      leaving.abort();
      await eventually('the provider sees the abort', () => asked!.aborted_ms !== undefined);
      expect(asked!.aborted_ms! - left_ms).toBeLessThan(5000);

      const { spent, held } = await house.atRest('research');
      expect(held).toBe(0);
      expect(spent).toBeGreaterThan(before);
      expect(spent - before).toBeLessThan(costOf(heldBy(body)));
      const record = await house.record(requestId);
      expect(record).toMatchObject({ ending: 'aborted', cost_estimated: true, cost_nusd: spent - before });
      expect(record.failure).toBeUndefined();
      const seats = (await house.limits('research')).find(({ unit }) => unit === 'concurrent');
      expect(seats).toMatchObject({ used: 0, remaining: 4 });
    },
  );

  test('what was seen counts more than nothing: the longer it listened the more it pays', async () => {
    const costs: number[] = [];
    for (const deltas of [20, 200]) {
      house.says({ deltas: Array.from({ length: deltas }, () => 'word '), stall: 'middle' });
      const before = (await house.atRest('research')).spent;
      const leaving = new AbortController();
      const response = await house.send('research', stream, { signal: leaving.signal });
      const [asked] = house.provider.requests;
      const reader = response.body!.getReader();
      await eventually('half of it is written', () => asked!.frames >= deltas / 2);
      for (let heard = ''; heard.split('word ').length < deltas / 2; ) {
        heard += new TextDecoder().decode((await reader.read()).value);
      }
      leaving.abort();
      costs.push((await house.atRest('research')).spent - before);
    }
    expect(costs[1]!).toBeGreaterThan(costs[0]! * 1.5);
  });

  test('the books agree, and nothing came to the provider that must not', async () => {
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
    expect(house.provider.violations).toEqual([]);
  });
});
