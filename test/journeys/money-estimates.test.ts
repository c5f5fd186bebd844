import { Tiktoken } from 'js-tiktoken/lite';
import o200k from 'js-tiktoken/ranks/o200k_base';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fakeAnthropic, fakeOpenai, prices } from '../support/gateway.ts';
import {
  type AskedBody,
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

const oracle = new Tiktoken(o200k);
const prompt = 'Tell me, in a few plain sentences, how a gateway counts what a call may cost. '.repeat(60);
const long: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: [{ role: 'user', content: prompt }] };
const counted = oracle.encode(prompt).length;
/** A pixel and a half megabyte of nothing behind its head: as long as a photograph, and 512 by 512 by its own word. */
const png = Buffer.concat([
  Buffer.from('89504e470d0a1a0a0000000d494844520000020000000200', 'hex'),
  Buffer.alloc(500_000),
]).toString('base64');

const policies = {
  affordable: `
metadata: { id: affordable, name: Affordable, version: 1.0.0 }
rules:
  - id: lower
    condition: { operator: in, field: team.id, value: [lowered, lowerstream, lowermuch, lowerboth, lowerrate] }
    action: { decision: modify, cap_max_tokens: { affordable_tokens_min: 20 }, reason: what is left is used }
`,
  priced: `
metadata: { id: priced, name: Priced, version: 1.0.0 }
rules:
  - id: known
    condition:
      operator: and
      conditions:
        - { operator: eq, field: team.id, value: careful }
        - { operator: eq, field: llm.priceKnown, value: false }
    action: { decision: deny, reason: nobody knows what it costs }
`,
};

const calling = { stream: true, messages: hi } as const;
const tool = { type: 'function', function: { name: 'write', parameters: { type: 'object' } } };
const openaiTools = { ...calling, tools: [tool] };
const anthropicTools = { ...calling, tools: [{ name: 'write', input_schema: { type: 'object' } }] };
/** What a call with tools holds besides: 512 tokens. */
const toolPrompt = costOf({ input: 512, output: 0 });
/** Arguments of a tool in flight when the budget ends, in both languages, as they are and translated. */
const inFlight = [
  { team: 'toolsa', body: { model: 'plain', ...openaiTools }, path: '/v1/chat/completions' },
  { team: 'toolsb', body: { model: 'claude-sonnet-4-5', ...openaiTools }, path: '/v1/chat/completions' },
  { team: 'toolsc', body: { model: 'plain', ...anthropicTools }, path: '/v1/messages' },
] as const;

describe.each(stores)('on the %s store', (store) => {
  let house: MoneyHouse;
  let count = 0;
  beforeAll(async () => {
    const total = (nusd: number) => ({ budgets: [{ window: 'total', limit_usd: usd(nusd) }] });
    const small = total(costOf(heldBy({ ...long, max_tokens: 400 }, 100)));
    house = await startMoney({
      store,
      policies,
      teams: {
        // Four bytes of the prompt are about a token: the bound is far over this, the count is not.
        counted: total(costOf({ input: counted + 200, output: 50 })),
        bytes: total(costOf({ input: counted + 200, output: 50 })),
        tokens: { budgets: [{ window: 'day', limit_tokens: counted + 250 }] },
        photos: total(costOf({ input: 2000, output: 50 })),
        blind: total(costOf({ input: 2000, output: 50 })),
        lowered: small,
        lowerstream: small,
        lowerrate: {
          budgets: [{ window: 'month', limit_usd: usd(costOf({ input: 21 * heldBy(long).input, output: 100 })) }],
          limits: { output_tokens_per_minute: 200 },
        },
        lowermuch: total(costOf(heldBy({ ...long, max_tokens: 400 }, 10))),
        lowerboth: {
          budgets: [
            { window: 'total', limit_usd: usd(costOf(heldBy({ ...long, max_tokens: 400 }, 100))) },
            { window: 'day', limit_tokens: heldBy({ ...long, max_tokens: 400 }, 60).input + 60 },
          ],
        },
        learns: total(1e9),
        debtor: total(1e9),
        thinks: total(costOf(heldBy({ model: 'thinks', stream: true, messages: hi }, 3000))),
        ...Object.fromEntries(
          inFlight.map(({ team, body }) => [
            team,
            total(costOf(heldBy({ ...body, model: 'claude-sonnet-4-5' }, 300)) + toolPrompt),
          ]),
        ),
        nears: total(costOf(heldBy({ model: 'plain', stream: true, messages: hi }, 1000))),
        careful: {},
        careless: {},
        silent: total(1e9),
        agents: total(1e8),
      },
      state: { stream_hold_tokens: 64 },
      providers: (baseUrl) => ({
        'fake-openai': {
          ...fakeOpenai(baseUrl),
          models: {
            'gpt-4o': { ...prices, tokenizer: 'o200k_base', image_tokens: { by: 'tiles', base: 85, tile: 170 } },
            plain: prices,
            unpriced: { output_tokens_max: 100 },
            thinks: { ...prices, reasoning: true },
            'gpt-4o-mini': prices,
          },
        },
        'fake-anthropic': fakeAnthropic(baseUrl),
        spare: { ...fakeOpenai(baseUrl), id: 'spare', models: { second: prices } },
      }),
      config: {
        models: {
          two: {
            candidates: [
              { provider: 'fake-openai', model: 'plain' },
              { provider: 'spare', model: 'second' },
            ],
          },
        },
        routing: { retries: 0, first_token_timeout_ms: 2000, circuit: { failures: 1000 } },
      },
    });
  });
  afterAll(() => house.close());

  const ask = async (team: string, body: AskedBody) => {
    count += 1;
    const id = `${store}-${count}`;
    const answer = await house.ask(team, body, { headers: { 'x-request-id': id } });
    return { ...answer, record: () => house.record(id) };
  };

  test('a call that fits is let through though the bound of its bytes does not fit', async () => {
    house.says({ usage: { input: counted + 7, output: 10 } });
    const answer = await ask('counted', long);
    expect(answer.status).toBe(200);
    const { held_nusd } = await answer.record();
    // Every token of the text, and the bytes around it: never fewer than what is billed.
    expect(held_nusd).toBeGreaterThanOrEqual(costOf({ input: counted + 7, output: 50 }));
    expect(held_nusd).toBeLessThan(costOf(heldBy(long)) / 2);
    expect(await ask('tokens', long)).toMatchObject({ status: 200 });
  });

  test('a model whose tokeniser nobody published is held for by its bytes', async () => {
    house.says({});
    const answer = await ask('bytes', { ...long, model: 'plain' });
    expect([answer.status, answer.error.code]).toEqual([429, 'insufficient_quota']);
    expect(answer.error.asked_usd).toBe(usd(costOf(heldBy({ ...long, model: 'plain' }))));
    expect(house.provider.requests).toEqual([]);
  });

  test('an image is held for by its size, not by its bytes; one of a model without a rule by the dearest there is', async () => {
    const body = (model: string): AskedBody => ({
      model,
      max_tokens: 50,
      messages: [
        { role: 'user', content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } }] },
      ],
    });
    house.says({ usage: { input: 790, output: 5 } });
    const answer = await ask('photos', body('gpt-4o'));
    expect(answer.status).toBe(200);
    expect((await answer.record()).held_nusd).toBeGreaterThanOrEqual(costOf({ input: 790, output: 50 }));
    expect((await ask('blind', body('plain'))).status).toBe(429);
  });

  test('a rule lowers the limit to what the budget affords: all of it is held, sent, told and recorded', async () => {
    house.says({ usage: { input: 10, output: 100 } });
    const body = { ...long, model: 'plain', max_tokens: 400 };
    const answer = await ask('lowered', body);
    expect(answer.status).toBe(200);
    const sent = Number(house.provider.requests[0]?.body.max_tokens);
    const limit = costOf(heldBy({ ...long, max_tokens: 400 }, 100));
    const held = costOf(heldBy(body, sent));
    expect(held).toBeLessThanOrEqual(limit);
    expect(costOf(heldBy(body, sent + 1))).toBeGreaterThan(limit);
    expect(answer.headers.get('x-llm-warning')).toContain(`max_tokens is ${sent}: the total budget of team 'lowered'`);
    expect(await answer.record()).toMatchObject({ held_nusd: held, limited_by: "the total budget of team 'lowered'" });
    expect(house.provider.violations).toEqual([]);
  });

  test('a limit is lowered to the tightest of several budgets', async () => {
    house.says({ usage: { input: 10, output: 10 } });
    const body = { ...long, model: 'gpt-4o-mini', max_tokens: 400 };
    const answer = await ask('lowerboth', body);
    expect(answer.status).toBe(200);
    expect((await answer.record()).limited_by).toBe("the day budget of team 'lowerboth'");
    expect(Number(house.provider.requests[0]?.body.max_tokens)).toBeLessThanOrEqual(60);
  });

  test('a limit is lowered to what a budget has left though all of it would be more than a rate ever lets through', async () => {
    house.says({ usage: { input: 20 * heldBy(long).input, output: 1 } });
    expect((await ask('lowerrate', { ...long, model: 'plain', max_tokens: 20 })).status).toBe(200);
    house.says({ usage: { input: 10, output: 10 } });
    const answer = await ask('lowerrate', { ...long, model: 'plain', max_tokens: 400 });
    expect(answer.status).toBe(200);
    expect((await answer.record()).limited_by).toBe("the month budget of team 'lowerrate'");
  });

  test('a limit that would be lower than the rule wants is a refusal, and nothing stays held', async () => {
    house.says({});
    const answer = await ask('lowermuch', { ...long, model: 'plain', max_tokens: 400 });
    expect([answer.status, answer.error.code]).toEqual([429, 'insufficient_quota']);
    expect(house.provider.requests).toEqual([]);
    expect(await house.budget('lowermuch')).toMatchObject({ spent: 0, held: 0 });
  });

  test('a hold is never shrunk to what is left without the limit being lowered as well', async () => {
    house.says({});
    const answer = await ask('bytes', { model: 'plain', max_tokens: 4000, messages: hi });
    expect(answer.status).toBe(429);
    expect(house.provider.requests).toEqual([]);
  });

  test('that nobody knows a price is a fact a rule may read, where no budget asks for one', async () => {
    house.says({});
    const body: AskedBody = { model: 'unpriced', max_tokens: 10, messages: hi };
    const denied = await ask('careful', body);
    expect([denied.status, denied.error.code]).toEqual([403, 'policy_denied']);
    expect((await ask('careful', { ...body, model: 'plain' })).status).toBe(200);
    expect((await ask('careless', body)).status).toBe(200);
  });

  test('what replies without a limit came to is what the next one holds at first', async () => {
    const body: AskedBody = { model: 'plain', stream: true, messages: hi };
    for (let call = 0; call < 20; call += 1) {
      house.says({ text: 'Hi.', usage: { input: 9, output: 400 } });
      const { record } = await ask('learns', body);
      if (call === 0) expect((await record()).held_nusd).toBe(costOf(heldBy(body, 64)));
    }
    house.says({ text: 'Hi.', usage: { input: 9, output: 400 } });
    const { held_nusd } = await (await ask('learns', body)).record();
    expect(held_nusd).toBeGreaterThanOrEqual(costOf(heldBy(body, 400)));
    expect(held_nusd).toBeLessThan(costOf(heldBy(body, 500)));
    // It says nothing of another caller's replies, nor of another model's.
    const mini = { ...body, model: 'gpt-4o-mini' };
    for (const [team, other] of [
      ['debtor', body],
      ['learns', mini],
    ] as const) {
      house.says({ text: 'Hi.', usage: { input: 9, output: 400 } });
      expect((await (await ask(team, other)).record()).held_nusd, team).toBe(costOf(heldBy(other, 64)));
    }
    // An agent that asks for much more than it takes holds what it takes.
    house.says({ text: 'Hi.', usage: { input: 9, output: 400 } });
    const huge = await (await ask('learns', { ...body, max_tokens: 4000 })).record();
    expect(huge.held_nusd).toBeLessThan(costOf(heldBy({ ...body, max_tokens: 4000 }, 500)));
    // A plain call cannot be ended in the middle: it holds all it may take, whatever was observed.
    house.says({ text: 'Hi.', usage: { input: 9, output: 400 } });
    const { stream: _, ...plain } = body;
    const whole = await (await ask('learns', plain as AskedBody)).record();
    expect(whole.held_nusd).toBe(costOf(heldBy(plain as AskedBody, 4096)));
  });

  test('a model that reasons out of sight holds its cap, and is refused where that does not fit', async () => {
    house.says({});
    const answer = await ask('thinks', { model: 'thinks', stream: true, messages: hi });
    expect(answer.status).toBe(429);
    expect(answer.error.asked_usd).toBe(usd(costOf(heldBy({ model: 'thinks', stream: true, messages: hi }, 4096))));
  });

  test('a stream goes on to the end of its budget, not to half of it, and the record says which limit ended it', async () => {
    house.says({ deltas: Array.from({ length: 3000 }, () => 'word '), pace_ms: 1 });
    const answer = await ask('nears', { model: 'plain', stream: true, messages: hi });
    expect(answer.status).toBe(200);
    expect(wellFormed('openai-chat', Buffer.from(answer.text))).toBe('end');
    const pieces = answer.text.split('word ').length - 1;
    // A piece counts six at most until it is known better; of a thousand tokens 9 in 10 are used.
    expect(pieces * 6).toBeGreaterThan(900);
    expect(pieces * 6).toBeLessThanOrEqual(1000);
    expect(await answer.record()).toMatchObject({
      ending: 'ended_by_ceiling',
      limited_by: "the total budget of team 'nears'",
    });
    const [asked] = house.provider.requests;
    await eventually('the provider was called off', () => asked!.aborted_ms !== undefined);
  });

  test.each(inFlight)(
    'arguments of a tool in flight are ended properly: $body.model on $path',
    async ({ team, body, path }) => {
      house.says({
        tools: [{ name: 'write', arguments: JSON.stringify({ text: 'word '.repeat(2000) }) }],
        delta_characters: 6,
        pace_ms: 1,
      });
      const requestId = `${store}-${team}`;
      const answer = await house.ask(team, body, { path, headers: { 'x-request-id': requestId } });
      expect(answer.status).toBe(200);
      const client = path === '/v1/messages' ? 'anthropic-messages' : 'openai-chat';
      expect(wellFormed(client, Buffer.from(answer.text))).toBe('end');
      expect(answer.text).toContain(
        client === 'openai-chat' ? '"finish_reason":"length"' : '"stop_reason":"max_tokens"',
      );
      expect(await house.record(requestId)).toMatchObject({ ending: 'ended_by_ceiling', cost_estimated: true });
      const { spent, held, limit } = await house.budget(team);
      expect([held, spent > 0, spent <= limit]).toEqual([0, true, true]);
      expect(house.provider.violations).toEqual([]);
    },
  );

  test("an agent's huge limit is no hold: its stream grows and is ended properly in Anthropic's own words", async () => {
    const body: AskedBody = { model: 'claude-sonnet-4-5', max_tokens: 4000, stream: true, messages: hi };
    for (let call = 0; call < 20; call += 1) {
      house.says({ text: 'Hi.', usage: { input: 9, output: 60 } });
      expect((await ask('agents', body)).status).toBe(200);
    }
    const { remaining } = await house.budget('agents');
    // Spends all but what 300 tokens cost.
    house.says({ usage: { input: 0, output: Math.floor((remaining - costOf(heldBy(body, 300))) / 2000) } });
    expect((await ask('agents', { ...body, stream: false })).status).toBe(200);
    house.says({ deltas: Array.from({ length: 2000 }, () => 'word '), pace_ms: 1 });
    const answer = await ask('agents', body);
    expect(answer.status).toBe(200);
    expect(wellFormed('anthropic-messages', Buffer.from(answer.text))).toBe('end');
    expect(answer.text).toContain('"stop_reason":"max_tokens"');
    expect(await answer.record()).toMatchObject({
      ending: 'ended_by_ceiling',
      limited_by: "the total budget of team 'agents'",
    });
    const { spent, held, limit } = await house.budget('agents');
    expect([held, spent <= limit]).toEqual([0, true]);
  });

  test('a stream that breaks off is settled by an exact count of what it said', async () => {
    const said = Array.from({ length: 20 }, (_, at) => `tokenisation${at} `);
    house.says({ deltas: said, die: 'middle' });
    const answer = await ask('learns', { model: 'gpt-4o', stream: true, messages: hi });
    const pieces = sseMessages(Buffer.from(answer.text)).flatMap(({ data }) => {
      const { choices = [] } = data === '[DONE]' ? {} : JSON.parse(data);
      return choices.map(({ delta }: { delta: { content?: string } }) => delta.content ?? '');
    });
    const record = await answer.record();
    expect(pieces.join('').length).toBeGreaterThan(0);
    expect(record).toMatchObject({
      cost_estimated: true,
      usage: { output: oracle.encode(pieces.join('')).length, input: oracle.encode('Hi').length + 6 },
    });
  });

  test('what a provider bills beyond what was held is debt, and a metric tells how much', async () => {
    house.says({ usage: { input: 5000, output: 5000 } });
    const debt = async () => {
      const text = await (await fetch(`${house.gateway.metrics}/metrics`)).text();
      return Number(/^llm_gateway_debt_usd_total (\S+)$/m.exec(text)?.[1] ?? 0);
    };
    const before = await debt();
    const body: AskedBody = { model: 'plain', max_tokens: 10, messages: hi };
    expect((await ask('debtor', body)).status).toBe(200);
    expect((await debt()) - before).toBeCloseTo(usd(costOf({ input: 5000, output: 5000 }) - costOf(heldBy(body))), 9);
  });

  test('a first try that fell silent is paid for beside the one that answers, and was held for beside it', async () => {
    let heldThen = 0;
    const body: AskedBody = { model: 'two', max_tokens: 50, stream: true, messages: hi };
    house.says(async (request) => {
      if (request.body.model === 'plain') return { stall: 'head' };
      heldThen = (await house.budget('silent')).held;
      return { usage: { input: 40, output: 30 } };
    });
    const answer = await ask('silent', body);
    expect(answer.status).toBe(200);
    const record = await answer.record();
    const [first, second] = record.attempts;
    expect(first!.cost_nusd).toBeGreaterThan(0);
    expect(second!.cost_nusd).toBeUndefined();
    expect(record).toMatchObject({
      cost_nusd: costOf({ input: 40, output: 30 }) + first!.cost_nusd!,
      cost_estimated: true,
      usage: { input: 40, output: 30 },
    });
    expect(heldThen).toBe(costOf(heldBy(body)) + first!.cost_nusd!);
    expect((await house.budget('silent')).spent).toBe(record.cost_nusd);
  });

  test('the books agree, and nothing came to the provider that must not', async () => {
    expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
    expect(house.provider.violations).toEqual([]);
  });
});
