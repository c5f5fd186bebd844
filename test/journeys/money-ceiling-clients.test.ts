import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { all, type ClientHouse, providers, startClients } from '../support/clients.ts';
import { teamKey } from '../support/gateway.ts';
import { costOf, heldBy, hi, usd } from '../support/money.ts';

const piece = 'words ';
const endless = { deltas: Array.from({ length: 2000 }, () => piece), pace_ms: 1 };
/** What a stream without a limit holds at first. */
const first = 64;
const hold = (model: string) => costOf(heldBy({ model, stream: true, messages: hi }, 4 * first));

let house: ClientHouse;
afterEach(() => house.check());

async function usage(): Promise<{ limit_usd: number; spent_usd: number; held_usd: number }> {
  const response = await fetch(`${house.gateway.origin}/v1/usage`, { headers: { authorization: `Bearer ${teamKey}` } });
  const { budgets } = (await response.json()) as { budgets: Awaited<ReturnType<typeof usage>>[] };
  return budgets[0]!;
}

describe.each(providers)('real clients on a small budget, before a provider of the $format format', ({ model }) => {
  beforeAll(async () => {
    house = await startClients({
      config: { state: { driver: 'embedded', stream_hold_tokens: first } },
      team: { budgets: [{ window: 'total', limit_usd: usd(2 * hold(model)) }] },
    });
  });
  afterAll(() => house.close());

  /** The exchange is told as one that a limit ended, within the budget, and the provider was called off. */
  async function endedByCeiling(text: string, before: number): Promise<void> {
    expect(house.ending()).toBe('end');
    const pieces = text.split(piece).length - 1;
    expect(text).toBe(piece.repeat(pieces));
    // More than the first hold covers: it was extended on the way.
    expect(pieces).toBeGreaterThan(first / 4);
    expect(pieces).toBeLessThan(endless.deltas.length);
    const { limit_usd, spent_usd, held_usd } = await usage();
    expect(held_usd).toBe(0);
    expect(spent_usd).toBeGreaterThan(before);
    expect(spent_usd).toBeLessThanOrEqual(limit_usd);
    const record = await house.record(house.calls.at(-1)!.headers.get('x-request-id')!);
    expect(record).toMatchObject({ ending: 'ended_by_ceiling', cost_estimated: true });
    expect(record.limited_by).toContain("budget of team 'research'");
    const [asked] = house.provider.requests;
    await asked!.over;
    expect(asked!.aborted_ms).toBeDefined();
  }

  test("OpenAI's reads a stream without max_tokens to a proper end: length", async () => {
    house.says(endless);
    const before = (await usage()).spent_usd;
    const stream = await house.openai.chat.completions.create({ model, messages: [...hi], stream: true });
    const chunks = await all(stream);
    const said = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('length');
    await endedByCeiling(said, before);
  });

  test("Anthropic's, whose stream may take thousands of tokens and is known to take few, reads it to max_tokens", async () => {
    house.says({ text: 'Yes.', usage: { input: 1, output: 10 } });
    for (let call = 0; call < 20; call += 1) {
      await house.anthropic.messages.create({ model, max_tokens: 12, messages: [...hi] });
    }
    house.says(endless);
    const before = (await usage()).spent_usd;
    const message = await house.anthropic.messages
      .stream({ model, max_tokens: 4000, messages: [...hi] })
      .finalMessage();
    expect(message.stop_reason).toBe('max_tokens');
    const [block] = message.content;
    await endedByCeiling(block?.type === 'text' ? block.text : '', before);
  });
});
