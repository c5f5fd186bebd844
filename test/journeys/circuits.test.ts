import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { call, fakeOpenai, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';

const path = '/v1/chat/completions';
const hi = { model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: 'Hi' }] };

describe('a provider whose replies break off', () => {
  let provider: FakeProvider;
  let gateway: TestGateway;
  beforeEach(async () => {
    provider = await startFakeProvider();
    gateway = await startGateway({
      providers: {
        one: { ...fakeOpenai(provider.baseUrl), id: 'one' },
        other: { ...fakeOpenai(provider.baseUrl), id: 'other', models: { 'gpt-x': {} } },
      },
      config: { routing: { retries: 0, circuit: { failures: 3, open_ms: 3_600_000 } } },
    });
  });
  afterEach(async () => {
    await gateway.close();
    await provider.close();
  });
  async function ask(body: Record<string, unknown> = hi): Promise<{ status: number; text: string }> {
    const response = await call(gateway, path, body);
    return { status: response.status, text: await response.text().catch(() => 'cut') };
  }
  /** Changes a provider's file, and takes it in. */
  async function edit(id: string, change: Record<string, unknown>): Promise<void> {
    const file = join(gateway.directory, 'providers', `${id}.yaml`);
    writeFileSync(file, stringify({ ...parse(readFileSync(file, 'utf8')), ...change }));
    await gateway.gateway.reload();
  }
  const open = async () => {
    const text = await (await fetch(`${gateway.metrics}/metrics`)).text();
    return /^llm_gateway_provider_circuit_open\{provider="one"\} (\d)$/m.exec(text)?.[1];
  };

  test('is tried no more after so many in a row, though each began well', async () => {
    provider.reply = () => ({ die: 'middle' });
    for (let broken = 0; broken < 3; broken += 1) {
      const { status, text } = await ask();
      expect(status).toBe(200);
      expect(text).not.toContain('[DONE]');
    }
    const { status, text } = await ask();
    expect([status, JSON.parse(text).error.code]).toEqual([503, 'no_healthy_provider']);
    expect(await open()).toBe('1');
    expect(provider.requests).toHaveLength(3);
  });

  test('is tried on where one comes to its end between', async () => {
    for (const die of ['middle', 'middle', undefined, 'middle', 'middle'] as const) {
      provider.reply = () => (die === undefined ? {} : { die });
      expect((await ask()).status).toBe(200);
    }
    provider.reply = () => ({});
    expect((await ask()).status).toBe(200);
  });

  test('is not blamed for clients that leave', async () => {
    provider.reply = () => ({ endless: true });
    for (let left = 0; left < 4; left += 1) {
      const gone = new AbortController();
      const response = await fetch(gateway.origin + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${teamKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(hi),
        signal: gone.signal,
      });
      await response.body?.getReader().read();
      gone.abort();
      await provider.requests.at(-1)?.over;
    }
    provider.reply = () => ({});
    expect((await ask()).status).toBe(200);
  });

  test('stays out of use through a change of the configuration, until it is changed itself', async () => {
    provider.reply = () => ({ status: 500 });
    for (let failed = 0; failed < 3; failed += 1) await ask();
    provider.reply = () => ({});
    await edit('other', { region: 'eu' });
    expect((await ask()).status).toBe(503);
    const { models } = fakeOpenai('');
    await edit('one', { models: { ...(models as object), another: {} } });
    expect((await ask()).status).toBe(503);
    await edit('one', { auth: { type: 'none' } });
    expect((await ask()).status).toBe(200);
  });
});
