import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { corpora, withoutTimes, writeModules } from '../decisions/corpus.ts';
import { type AskingStream, openAsking } from '../support/asking.ts';
import { call, startGateway, type TestGateway } from '../support/gateway.ts';

const gateways: TestGateway[] = [];
afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.close()));
});

/** What a surface said, without the question's id and its own moment. */
const told = ({ id: _id, ...response }: Record<string, unknown>): string => withoutTimes(response);

describe.each(corpora)('$name', (corpus) => {
  const { file, text, requests, default: otherwise } = corpus;
  test('is decided over REST, in batches and over WebSocket as by the library, to the byte', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'llm-policy-corpus-'));
    await writeModules(corpus, join(directory, 'policies'));
    const gateway = await startGateway({
      directory,
      policies: { corpus: text },
      // Where the corpus sends calls to.
      providers: {
        demo: { id: 'demo', format: 'demo', models: { demo: {}, small: {} } },
        'eu-one': { id: 'eu-one', format: 'demo', models: { 'one*': {} } },
        'eu-two': { id: 'eu-two', format: 'demo', models: { 'small*': {} } },
      },
      config: { policies: { default: otherwise } },
    });
    gateways.push(gateway);
    const stream: AskingStream = await openAsking(gateway.origin);
    expect(requests.length).toBeGreaterThan(0);
    const single: string[] = [];
    const streamed: string[] = [];
    const expected: string[] = [];
    for (const { context, expected: byLibrary } of requests) {
      const body = JSON.stringify({ requestId: 'r-1', context });
      const response = await call(gateway, '/api/v1/evaluate', body);
      single.push(told((await response.json()) as Record<string, unknown>));
      stream.say(`{"id": 1, ${body.slice(1)}`);
      streamed.push(told(await stream.next()));
      expected.push(await byLibrary());
    }
    stream.socket.terminate();
    const asked = requests.map(({ context }) => ({ requestId: 'r-1', context }));
    const response = await call(gateway, '/api/v1/evaluate/batch', asked);
    const { results } = (await response.json()) as { results: Record<string, unknown>[] };
    const batched = results.map(told);
    expect([file, single]).toEqual([file, expected]);
    expect([file, streamed]).toEqual([file, expected]);
    expect([file, batched]).toEqual([file, expected]);
  });
});
