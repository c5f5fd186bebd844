import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { call, fakeAnthropic, fakeOpenai, startGateway, type TestGateway } from '../support/gateway.ts';

describe('the query of a call', () => {
  let provider: FakeProvider;
  let gateway: TestGateway;
  beforeAll(async () => {
    provider = await startFakeProvider();
    gateway = await startGateway({
      providers: { openai: fakeOpenai(provider.baseUrl), anthropic: fakeAnthropic(provider.baseUrl) },
    });
  });
  beforeEach(() => provider.reset());
  afterAll(async () => {
    await gateway.close();
    await provider.close();
  });
  const ask = async (path: string, model: string) => {
    const body = { model, max_tokens: 5, messages: [{ role: 'user', content: 'Hi' }] };
    const response = await call(gateway, path, body);
    await response.text();
    return {
      status: response.status,
      url: provider.requests.at(-1)?.url,
      warning: response.headers.get('x-llm-warning') ?? '',
    };
  };

  test('goes on as far as it is a switch of the format, to a provider that speaks it', async () => {
    expect(await ask('/v1/messages?beta=true', 'claude-haiku-4-5')).toEqual({
      status: 200,
      url: '/v1/messages?beta=true',
      warning: '',
    });
    expect(await ask('/v1/messages', 'claude-haiku-4-5')).toMatchObject({ status: 200, url: '/v1/messages' });
  });

  test('is left out and told where it is no switch, or the provider speaks another format', async () => {
    const odd = await ask('/v1/messages?key=AKIA&beta=true&beta=false&api%2Dversion=1', 'claude-haiku-4-5');
    expect(odd).toMatchObject({ status: 200, url: '/v1/messages?beta=true' });
    expect(odd.warning).toContain('query parameter key: not passed on');
    expect(odd.warning).not.toContain('AKIA');
    expect(await ask('/v1/messages?beta=some%20text', 'claude-haiku-4-5')).toMatchObject({ url: '/v1/messages' });
    const translated = await ask('/v1/messages?beta=true', 'gpt-4o');
    expect(translated).toMatchObject({ status: 200, url: '/v1/chat/completions' });
    expect(translated.warning).toContain('query parameter beta: not passed on');
    expect(await ask('/v1/chat/completions?x=1#y', 'gpt-4o')).toMatchObject({ url: '/v1/chat/completions' });
  });
});
