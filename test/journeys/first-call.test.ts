import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { call, startGateway, type TestGateway } from '../support/gateway.ts';

let provider: FakeProvider;
let gateway: TestGateway;

beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
  gateway = await startGateway({ openai: provider.baseUrl, anthropic: provider.baseUrl });
});

afterAll(async () => {
  await gateway.close();
  await provider.close();
});

const ask = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };

test('a plain call walks from the client to the provider and back', async () => {
  const response = await call(gateway, '/v1/chat/completions', ask);
  const body = (await response.json()) as { choices: { message: { content: string } }[] };
  expect(response.status).toBe(200);
  expect(body.choices[0]?.message.content).toBe('Hello from the fake provider.');
  expect(response.headers.get('x-llm-provider')).toBe('fake-openai');
  expect(Number(response.headers.get('x-llm-cost-usd'))).toBeGreaterThan(0);
});

test('a streamed call arrives frame by frame and ends with [DONE]', async () => {
  const response = await call(gateway, '/v1/chat/completions', { ...ask, stream: true });
  const text = await response.text();
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true);
  expect(text).toContain('Hello');
});

test('a wrong key gets 401 and reaches nobody', async () => {
  const before = provider.requests.length;
  const response = await call(gateway, '/v1/chat/completions', ask, { authorization: 'Bearer wrong' });
  expect(response.status).toBe(401);
  expect(provider.requests.length).toBe(before);
});

test('nothing that must not reach a provider did', () => {
  expect(provider.violations).toEqual([]);
});
