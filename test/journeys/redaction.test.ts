import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { call, startGateway, type TestGateway } from '../support/gateway.ts';

const card = '4111 1111 1111 1111';
const redactAll = `
metadata: { id: redact, name: Redact, version: 1.0.0 }
rules:
  - id: pii
    on: response
    action: { decision: modify, redact: { rails: [pii, secrets], with: "[\${type}]" }, reason: personal data }
`;

let provider: FakeProvider;
let gateway: TestGateway;

beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
  gateway = await startGateway({
    openai: provider.baseUrl,
    anthropic: provider.baseUrl,
    policies: { redact: redactAll },
  });
});

afterAll(async () => {
  await gateway.close();
  await provider.close();
});

/** The text a client of OpenAI's stream ends up with. */
function streamedText(body: string): string {
  let text = '';
  for (const line of body.split('\n')) {
    if (!line.startsWith('data: {')) continue;
    const chunk = JSON.parse(line.slice(6)) as { choices: { delta: { content?: string } }[] };
    text += chunk.choices[0]?.delta.content ?? '';
  }
  return text;
}

const said = `The card is ${card}, and the mail is jane.doe@example.com. Bye.`;
const redacted = 'The card is [card], and the mail is [email]. Bye.';

test('a plain reply arrives redacted', async () => {
  provider.reply = () => ({ text: said });
  const response = await call(gateway, '/v1/chat/completions', {
    model: 'gpt-4o',
    messages: [{ role: 'user', content: 'Hi' }],
  });
  const body = (await response.json()) as { choices: { message: { content: string } }[] };
  expect(body.choices[0]?.message.content).toBe(redacted);
});

test('a streamed reply arrives redacted, however it is cut', async () => {
  for (const delta_characters of [1, 2, 3, 7, 100]) {
    provider.reply = () => ({ text: said, delta_characters });
    const response = await call(gateway, '/v1/chat/completions', {
      model: 'gpt-4o',
      stream: true,
      messages: [{ role: 'user', content: 'Hi' }],
    });
    const body = await response.text();
    expect(streamedText(body)).toBe(redacted);
    expect(body).not.toContain('4111');
    expect(body.trimEnd().endsWith('[DONE]')).toBe(true);
  }
});

test('a translated stream arrives redacted too', async () => {
  provider.reply = () => ({ text: said, delta_characters: 3 });
  const response = await call(gateway, '/v1/chat/completions', {
    model: 'claude-sonnet-4-5',
    stream: true,
    messages: [{ role: 'user', content: 'Hi' }],
  });
  expect(streamedText(await response.text())).toBe(redacted);
});
