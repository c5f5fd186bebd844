import { randomUUID } from 'node:crypto';
import type { AuditRecord } from '../../src/observe/index.ts';
import { type FakeProvider, type FakeReply, startFakeProvider } from './fake-provider.ts';
import { call, prices, ref, startGateway, type TestGateway } from './gateway.ts';
import { eventually } from './money.ts';
import { recordsOf } from './refusals.ts';

/** Three providers one behind the other, and names that lead to them. `c` speaks Anthropic's language, the others OpenAI's. */
export interface FailingHouse {
  readonly a: FakeProvider;
  readonly b: FakeProvider;
  readonly c: FakeProvider;
  readonly gateway: TestGateway;
  /** Sets what each answers, in turn and then the last for ever, and forgets what came before. */
  says(replies: { a?: readonly FakeReply[]; b?: readonly FakeReply[]; c?: readonly FakeReply[] }): void;
  ask(language: 'OpenAI' | 'Anthropic', model: string, stream: boolean): Promise<FailedCall>;
  close(): Promise<void>;
}

export interface FailedCall {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The error of a plain body. */
  readonly error: Record<string, unknown>;
  readonly ms: number;
  record(): Promise<AuditRecord>;
}

export const paths = { OpenAI: '/v1/chat/completions', Anthropic: '/v1/messages' } as const;

export async function startFailing(
  routing: Record<string, unknown>,
  more: Record<string, unknown> = {},
  policies?: Record<string, string>,
): Promise<FailingHouse> {
  const key = 'upstream-secret-key';
  const [a, b, c] = await Promise.all([
    startFakeProvider({ key }),
    startFakeProvider({ key }),
    startFakeProvider({ key }),
  ]);
  const openai = (id: string, baseUrl: string) => ({
    id,
    format: 'openai',
    base_url: baseUrl,
    auth: { type: 'bearer', key: ref('FAKE_KEY') },
    models: { [`model-${id}`]: prices },
  });
  const to = (...ids: string[]) => ({
    candidates: ids.map((provider) => ({ provider, model: `model-${provider}` })),
    strategy: 'fallback',
  });
  const gateway = await startGateway({
    ...(policies === undefined ? {} : { policies }),
    providers: {
      a: openai('a', a.baseUrl),
      b: openai('b', b.baseUrl),
      c: {
        ...openai('c', c.baseUrl),
        format: 'anthropic',
        auth: { type: 'header', name: 'x-api-key', key: ref('FAKE_KEY') },
      },
      refusing: openai('refusing', 'http://127.0.0.1:1/v1'),
      nowhere: openai('nowhere', 'http://no-such-host.invalid/v1'),
    },
    config: {
      models: {
        ab: to('a', 'b'),
        ac: to('a', 'c'),
        ca: to('c', 'a'),
        abc: to('a', 'b', 'c'),
        'refusing-b': to('refusing', 'b'),
      },
      routing: { retries: 0, backoff_ms: 5, circuit: { failures: 1000 }, ...routing },
      // Without a sink the admin listener tells what the trail remembers: the record is there with the reply.
      audit: { sinks: [] },
      ...more,
    },
  });
  const fakes = { a, b, c };
  return {
    ...fakes,
    gateway,
    says(replies) {
      for (const [name, fake] of Object.entries(fakes)) {
        const list = replies[name as keyof typeof fakes] ?? [{}];
        let turn = 0;
        fake.reset();
        fake.reply = () => {
          turn += 1;
          return list[Math.min(turn, list.length) - 1] as FakeReply;
        };
      }
    },
    async ask(language, model, stream) {
      const requestId = `f-${randomUUID()}`;
      const began = performance.now();
      const body = { model, stream, max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }] };
      const response = await call(gateway, paths[language], body, { 'x-request-id': requestId });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        text,
        error: response.ok ? {} : ((JSON.parse(text) as { error: Record<string, unknown> }).error ?? {}),
        ms: performance.now() - began,
        async record() {
          let found: readonly AuditRecord[] = [];
          await eventually('its record', async () => {
            found = (await recordsOf(gateway)).filter((record) => record.request_id === requestId);
            return found.length > 0;
          });
          if (found.length !== 1) throw new Error(`${found.length} records of one call`);
          return found[0] as AuditRecord;
        },
      };
    },
    async close() {
      await gateway.close();
      await Promise.all([a.close(), b.close(), c.close()]);
    },
  };
}
