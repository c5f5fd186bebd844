import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FormatName } from '../../src/exchange/index.ts';
import {
  type Answered,
  type AskedBody,
  type CallMore,
  costOf,
  eventually,
  heldBy,
  hi,
  type MoneyHouse,
  startMoney,
  stores,
  usd,
} from '../support/money.ts';
import { sseMessages, wellFormed } from '../support/well-formed.ts';

/** Tokens a stream without a limit holds at first; a piece of the text is never counted with more than seven. */
const first = 32;
const piece = 'words ';
/** Longer than a busy machine keeps a process from its turn. */
const lease_ms = 2000;
const stream: AskedBody = { model: 'gpt-4o', stream: true, messages: hi };
const budget = { window: 'total', limit_usd: usd(costOf(heldBy(stream, 300))) };

interface Speaks {
  readonly client: FormatName;
  readonly provider: string;
  readonly body: AskedBody;
  readonly more: CallMore;
}
const speaks: readonly Speaks[] = [
  { client: 'openai-chat', provider: "OpenAI's format", body: stream, more: {} },
  {
    client: 'openai-chat',
    provider: "Anthropic's format",
    body: { ...stream, model: 'claude-sonnet-4-5' },
    more: { path: '/v1/chat/completions' },
  },
  { client: 'anthropic-messages', provider: "OpenAI's format", body: stream, more: { path: '/v1/messages' } },
];

/** How the stream says it ended, in its own word. */
function reasonOf(client: FormatName, { text }: Answered): unknown {
  const said = sseMessages(Buffer.from(text)).flatMap(({ data }) => (data === '[DONE]' ? [] : [JSON.parse(data)]));
  return client === 'openai-chat'
    ? said.flatMap(({ choices }) => choices ?? []).findLast(({ finish_reason }) => finish_reason !== null)
        ?.finish_reason
    : said.findLast(({ type }) => type === 'message_delta')?.delta.stop_reason;
}

describe.each(stores)('a stream without a limit on the %s store', (store) => {
  let house: MoneyHouse;
  beforeAll(async () => {
    const teams = Object.fromEntries(
      ['extends', 'renews', 'short', 'shared', 'tells', ...speaks.map((_, at) => `ends-${at}`)].map((team) => [
        team.replace('-', ''),
        { budgets: [budget] },
      ]),
    );
    house = await startMoney({ store, teams, state: { stream_hold_tokens: first, lease_ms } });
  });
  afterAll(() => house.close());

  test('holds little at first, more while it runs, and its cost in the end', async () => {
    let least = 0;
    const seen: number[] = [];
    house.says(async () => {
      least = (await house.budget('extends')).held;
      seen.push(least);
      return { deltas: Array.from({ length: 30 }, () => piece), pace_ms: 50, usage: { input: 9, output: 60 } };
    });
    const answer = house.ask('extends', stream);
    let over = false;
    void answer.finally(() => {
      over = true;
    });
    while (!over) seen.push((await house.budget('extends')).held);
    expect(wellFormed('openai-chat', Buffer.from((await answer).text))).toBe('end');
    expect(least).toBe(costOf(heldBy(stream, first)));
    const running = seen.slice(seen.indexOf(least)).filter((held) => held > 0);
    expect(running).toEqual([...running].sort((a, b) => a - b));
    expect(running.at(-1)!).toBeGreaterThan(least);
    expect(running.at(-1)!).toBeLessThanOrEqual(costOf(heldBy(stream, 300)));
    expect(await house.atRest('extends')).toMatchObject({ held: 0, spent: costOf({ input: 9, output: 60 }) });
  });

  test('keeps what it holds when its lease is renewed', async () => {
    // Half of it is said: at four to eight tokens a piece it holds eight times its first hold then, and needs no more.
    house.says({ deltas: Array.from({ length: 30 }, () => piece), stall: 'middle' });
    const leaving = new AbortController();
    const response = await house.send('renews', stream, { signal: leaving.signal });
    const held = costOf(heldBy(stream, 8 * first));
    await eventually('the hold has grown', async () => (await house.budget('renews')).held === held);
    // Longer than the lease: it was renewed several times, or the hold would be gone.
    const until = Date.now() + 1.3 * lease_ms;
    while (Date.now() < until) {
      expect((await house.budget('renews')).held).toBe(held);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    leaving.abort();
    await response.text().catch(() => {});
    await house.atRest('renews');
  });

  test.each(speaks.map((one, at) => ({ ...one, team: `ends${at}` })))(
    'ends with the reason length where the hold cannot grow: a client of $client before $provider',
    async ({ client, body, more, team }) => {
      house.says({ deltas: Array.from({ length: 400 }, () => piece), pace_ms: 1 });
      const requestId = `${store}-${team}`;
      const answer = await house.ask(team, body, { ...more, headers: { 'x-request-id': requestId } });
      expect(answer.status).toBe(200);
      expect(wellFormed(client, Buffer.from(answer.text))).toBe('end');
      expect(reasonOf(client, answer)).toBe(client === 'openai-chat' ? 'length' : 'max_tokens');
      const pieces = answer.text.split(piece).length - 1;
      expect(pieces).toBeGreaterThan(first / 7);
      expect(pieces).toBeLessThan(300);
      const [asked] = house.provider.requests;
      await eventually('the provider was called off', () => asked!.aborted_ms !== undefined);
      const { spent, held, limit } = await house.atRest(team);
      expect(held).toBe(0);
      expect(spent).toBeGreaterThan(0);
      expect(spent).toBeLessThanOrEqual(limit);
      expect(await house.record(requestId)).toMatchObject({
        ending: 'ended_by_ceiling',
        cost_nusd: spent,
        cost_estimated: true,
      });
      expect(house.provider.violations).toEqual([]);
    },
  );

  test('grows, and ends, by what its provider tells while it runs, where that is more than it shows', async () => {
    const chunk = (content: string, output: number, finish_reason: string | null = null) =>
      `data: ${JSON.stringify({
        id: 'x',
        choices: [{ index: 0, delta: { content }, finish_reason }],
        usage: { prompt_tokens: 9, completion_tokens: output },
      })}\n\n`;
    // Nothing of what it thinks is shown.
    const chunks = Array.from({ length: 60 }, (_, at) => chunk('w ', 20 * (at + 1)));
    chunks.push(chunk('', 1200, 'stop'), 'data: [DONE]\n\n');
    house.says({ raw: { contentType: 'text/event-stream', chunks }, pace_ms: 20 });
    const requestId = `${store}-tells`;
    const answer = await house.ask('tells', stream, { headers: { 'x-request-id': requestId } });
    expect(wellFormed('openai-chat', Buffer.from(answer.text), { provider: true })).toBe('end');
    expect(reasonOf('openai-chat', answer)).toBe('length');
    const { spent, limit } = await house.atRest('tells');
    expect(spent).toBeGreaterThan(limit / 2);
    // The piece that told it had passed the limit is paid for.
    expect(spent).toBeLessThanOrEqual(limit + costOf({ input: 0, output: 20 }));
    expect(await house.record(requestId)).toMatchObject({ ending: 'ended_by_ceiling', cost_nusd: spent });
  });

  test('is refused where not even its first hold fits', async () => {
    house.says({});
    const answer = await house.ask('short', { ...stream, messages: [{ role: 'user', content: 'x'.repeat(2000) }] });
    expect([answer.status, answer.error.code]).toEqual([429, 'insufficient_quota']);
    expect(house.provider.requests).toEqual([]);
  });

  test('two on one budget never pass it together, however they grow', async () => {
    house.says({ deltas: Array.from({ length: 400 }, () => piece), pace_ms: 1 });
    const answers = [house.ask('shared', stream), house.ask('shared', stream)];
    let over = false;
    void Promise.allSettled(answers).then(() => {
      over = true;
    });
    while (!over) {
      const { spent, held, limit } = await house.budget('shared');
      expect(spent + held).toBeLessThanOrEqual(limit);
    }
    for (const answer of await Promise.all(answers)) expect(reasonOf('openai-chat', answer)).toBe('length');
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
  });
});
