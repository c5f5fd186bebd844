import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { all, anthropicModel, type ClientHouse, openaiModel, providers, startClients } from '../support/clients.ts';
import { call } from '../support/gateway.ts';

const rules = `
metadata: { id: house, name: House rules, version: 1.0.0 }
rules:
  - id: no-mini
    condition: { operator: eq, field: llm.model, value: gpt-4o-mini }
    action: { decision: deny, reason: Mini is not for us. }
  - id: no-secrets
    condition: { operator: eq, field: rails.secrets.found, value: true }
    action: { decision: deny, reason: A secret must not leave. }
  - id: no-cards-out
    on: response
    condition: { operator: eq, field: rails.pii.found, value: true }
    action: { decision: deny, reason: Personal data stays here. }
`;
const secret = `AKIA${'Z7Q4M2XW'}${'R5T3K6PL'}`;
const card = '4111 1111 1111 1111';

let house: ClientHouse;
let poor: ClientHouse;
beforeAll(async () => {
  house = await startClients({ policies: { house: rules } });
  poor = await startClients({ team: { budgets: [{ window: 'day', limit_usd: 0.0001 }] } });
});
afterEach(() => {
  house.check();
  poor.check();
});
afterAll(async () => {
  await house.close();
  await poor.close();
});

const say = (content: string) => [{ role: 'user' as const, content }];

/** What a client throws for a call, plain or streamed: its class, status, the members of `error`. */
async function refused(
  call: Promise<unknown>,
): Promise<{ thrown: unknown; status: unknown; error: Record<string, unknown>; headers: Headers }> {
  const thrown = await call.catch((error: unknown) => error);
  if (thrown instanceof OpenAI.APIError) {
    const { status, error, headers } = thrown;
    return { thrown, status, error: error as Record<string, unknown>, headers: headers as Headers };
  }
  if (!(thrown instanceof Anthropic.APIError)) throw new Error(`no error of the API: ${String(thrown)}`);
  const { error } = thrown.error as { error: Record<string, unknown> };
  return { thrown, status: thrown.status, error, headers: thrown.headers as Headers };
}

const openaiCall = (to: ClientHouse, model: string, content: string, stream: boolean) =>
  to.openai.chat.completions.create({ model, messages: say(content), stream });
const anthropicCall = (to: ClientHouse, model: string, content: string, stream: boolean) =>
  to.anthropic.messages.create({ model, max_tokens: 4000, messages: say(content), stream });

describe.each([
  { client: 'OpenAI', ask: openaiCall, classes: OpenAI as unknown as Record<string, unknown> },
  { client: 'Anthropic', ask: anthropicCall, classes: Anthropic as unknown as Record<string, unknown> },
])("$client's client", ({ client, ask, classes }) => {
  test('is denied by a rule with its reason, and nobody is asked', async () => {
    for (const stream of [false, true]) {
      house.says({});
      const { thrown, error, headers } = await refused(ask(house, 'gpt-4o-mini', 'Hi', stream));
      expect(thrown).toBeInstanceOf(classes.PermissionDeniedError);
      expect(error).toMatchObject({
        message: 'Mini is not for us.',
        code: 'policy_denied',
        policy: 'house',
        rule: 'house/no-mini',
      });
      expect(headers.get('x-llm-decision')).toBe('deny');
      expect(headers.get('x-llm-policy')).toBe('house/no-mini');
      expect(house.provider.requests).toHaveLength(0);
      expect(house.calls).toHaveLength(1);
    }
  });

  test('is refused a secret on its way out as content_blocked', async () => {
    for (const model of [openaiModel, anthropicModel]) {
      house.says({});
      const { thrown, error } = await refused(ask(house, model, `My key is ${secret}.`, true));
      expect(thrown).toBeInstanceOf(classes.BadRequestError);
      expect(error).toMatchObject({ code: 'content_blocked', message: 'A secret must not leave.' });
      expect(house.provider.requests).toHaveLength(0);
    }
  });

  test('with a spent budget is told which, in figures, and does not ask again', async () => {
    for (const stream of [false, true]) {
      poor.says({});
      const { thrown, error, headers } = await refused(ask(poor, openaiModel, 'Hi', stream));
      expect(thrown).toBeInstanceOf(classes.RateLimitError);
      expect(error).toMatchObject({
        code: 'insufficient_quota',
        scope: 'team',
        scope_id: 'research',
        window: 'day',
        limit_usd: 0.0001,
        spent_usd: 0,
        held_usd: 0,
      });
      expect(error.asked_usd).toBeGreaterThan(0.0001);
      if (client === 'OpenAI') expect(error.type).toBe('insufficient_quota');
      expect(headers.get('x-should-retry')).toBe('false');
      // Both clients try 429 twice more unless they are told not to.
      expect(poor.calls).toHaveLength(1);
      expect(poor.provider.requests).toHaveLength(0);
    }
  });

  test('gets a plain reply with forbidden text not at all', async () => {
    for (const model of [openaiModel, anthropicModel]) {
      house.says({ text: `The card is ${card}.` });
      const { thrown, error } = await refused(ask(house, model, 'Hi', false));
      expect(thrown).toBeInstanceOf(classes.BadRequestError);
      expect(error).toMatchObject({ code: 'content_blocked', message: 'Personal data stays here.' });
      expect(house.calls).toHaveLength(1);
    }
  });
});

describe.each(providers)('a stream of a provider of the $format format that comes to forbidden text', ({ model }) => {
  const safe = 'Here is what you asked for, dear friend. The card is';

  test("ends by the filter in OpenAI's client, with what was said before and nothing after", async () => {
    house.says({ text: `${safe} ${card}. Bye.`, delta_characters: 4 });
    const chunks = await all(await house.openai.chat.completions.create({ model, messages: say('Hi'), stream: true }));
    const heard = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    expect(safe.startsWith(heard.trimEnd())).toBe(true);
    expect(heard.length).toBeGreaterThan(20);
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('content_filter');
    expect(house.ending()).toBe('end');
  });

  test("is a refusal in Anthropic's client", async () => {
    house.says({ text: `${safe} ${card}. Bye.`, delta_characters: 4 });
    const message = await house.anthropic.messages
      .stream({ model, max_tokens: 100, messages: say('Hi') })
      .finalMessage();
    expect(message.stop_reason).toBe('refusal');
    const [block] = message.content;
    expect(block?.type === 'text' && safe.startsWith(block.text.trimEnd())).toBe(true);
    expect(house.ending()).toBe('end');
  });
});

test.each([false, true])('what a reply said before it broke is not given out unseen (streamed: %s)', async (stream) => {
  const delta = { role: 'assistant', content: `The card is ${card}.` };
  const broken = JSON.stringify({
    id: 'x',
    choices: [{ index: 0, ...(stream ? { delta } : { message: delta }) }],
    error: { message: 'Out of memory.', type: 'server_error' },
  });
  house.says({
    raw: stream
      ? { contentType: 'text/event-stream', chunks: [`data: ${broken}\n\n`] }
      : { contentType: 'application/json', chunks: [broken] },
  });
  const ask = { model: openaiModel, messages: say('Hi'), stream };
  const response = await call(house.gateway, '/v1/chat/completions', ask);
  const body = await response.text();
  expect(body).toContain('Out of memory.');
  expect(body).not.toContain('4111');
  const reply = house.openai.withOptions({ maxRetries: 0 }).chat.completions.create(ask);
  await expect(reply).rejects.toThrow('Out of memory.');
});

test('a rate of requests is kept, and the client is told when to come back', async () => {
  const slow = await startClients({ team: { limits: { requests_per_minute: 2 } } });
  try {
    slow.says({});
    const once = slow.openai.withOptions({ maxRetries: 0 });
    const ask = { model: openaiModel, messages: say('Hi') };
    const { response } = await once.chat.completions.create(ask).withResponse();
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('2');
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('1');
    await once.chat.completions.create(ask);
    const { thrown, error, headers } = await refused(once.chat.completions.create(ask));
    expect(thrown).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error).toMatchObject({ code: 'rate_limit_exceeded', type: 'rate_limit_error', limit: 2 });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(headers.get('x-should-retry')).toBeNull();
    expect(slow.provider.requests).toHaveLength(2);
  } finally {
    await slow.close();
  }
});

test("the list of models is what the caller may use, in OpenAI's client", async () => {
  const some = await startClients({
    team: { models: ['gpt-4o*', 'fast'] },
    config: { models: { fast: { candidates: [{ provider: 'fake-anthropic', model: anthropicModel }] } } },
  });
  try {
    const models = await all(some.openai.models.list());
    expect(models.map(({ id }) => id).toSorted()).toEqual(['fast', 'gpt-4o', 'gpt-4o-mini']);
    expect(models.every(({ object }) => object === 'model')).toBe(true);
    expect(await some.openai.models.retrieve('fast')).toMatchObject({ id: 'fast', object: 'model' });
    await expect(some.openai.models.retrieve(anthropicModel)).rejects.toThrow(OpenAI.NotFoundError);
    const denied = refused(some.openai.chat.completions.create({ model: anthropicModel, messages: say('Hi') }));
    expect((await denied).error).toMatchObject({ code: 'model_not_found' });
    some.says({ text: 'By another name.' });
    const reply = await some.openai.chat.completions.create({ model: 'fast', messages: say('Hi') });
    expect(reply.model).toBe('fast');
    expect(some.sent().model).toBe(anthropicModel);
    some.check();
  } finally {
    await some.close();
  }
});
