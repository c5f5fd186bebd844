import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { expect } from 'vitest';
import type { FormatName } from '../../src/exchange/index.ts';
import type { AuditRecord } from '../../src/observe/index.ts';
import { type FakeProvider, type FakeReply, startFakeProvider } from './fake-provider.ts';
import { startGateway, type TestGateway, type TestGatewayOptions, teamKey } from './gateway.ts';
import { eventually } from './money.ts';
import { recordsOf } from './refusals.ts';
import { type Ending, wellFormed } from './well-formed.ts';

/** What a client's own `fetch` saw of one call. */
export interface SeenCall {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly format: FormatName;
  /** The body's bytes where it was an event stream. */
  readonly chunks: Uint8Array[];
  readonly streamed: boolean;
  /** The body came to its end, well or not; a client that goes away leaves it false. */
  over: boolean;
}

/** A gateway before a provider of both formats, and the vendors' own clients, unchanged but for their two settings. */
export interface ClientHouse {
  readonly provider: FakeProvider;
  readonly gateway: TestGateway;
  readonly openai: OpenAI;
  readonly anthropic: Anthropic;
  /** Every HTTP call of the clients, their retries too. */
  readonly calls: SeenCall[];
  /** For clients that take a `fetch`: the platform's, with a look at what passes. */
  readonly fetch: typeof fetch;
  /** Sets the script, forgets what was before. */
  says(reply: FakeReply): void;
  /** The body of the last request the provider received, parsed. */
  sent(): Record<string, unknown> & { messages: { role: string; content: unknown; [field: string]: unknown }[] };
  /** The audit record of the exchange with this `x-request-id`, once it is there. */
  record(requestId: string): Promise<AuditRecord>;
  /** Nothing came to the provider that must not, and every stream the clients read to its end keeps the format's grammar. */
  check(): void;
  /** How the stream of the last call ended, by the grammar of its format. */
  ending(): Ending;
  close(): Promise<void>;
}

export const openaiModel = 'gpt-4o';
export const anthropicModel = 'claude-haiku-4-5';

/** The same journeys go to a provider of each format. */
export const providers = [
  { format: 'openai', model: openaiModel },
  { format: 'anthropic', model: anthropicModel },
] as const;

export async function startClients(options: TestGatewayOptions = {}): Promise<ClientHouse> {
  const provider = await startFakeProvider({ key: 'upstream-secret-key' });
  const gateway = await startGateway({
    openai: provider.baseUrl,
    anthropic: provider.baseUrl,
    ...options,
    config: { routing: { retries: 0, circuit: { failures: 1000 } }, ...options.config },
  });
  const calls: SeenCall[] = [];
  const watched = watch(calls);
  const openai = new OpenAI({ baseURL: gateway.baseUrl, apiKey: teamKey, fetch: watched });
  const anthropic = new Anthropic({ baseURL: gateway.origin, apiKey: teamKey, fetch: watched });
  const house: ClientHouse = {
    provider,
    gateway,
    openai,
    anthropic,
    calls,
    fetch: watched,
    says(reply) {
      provider.reset();
      calls.length = 0;
      provider.reply = () => reply;
    },
    sent: () => provider.requests.at(-1)?.body as ReturnType<ClientHouse['sent']>,
    record: (requestId) => recordOf(gateway, requestId),
    check() {
      expect(provider.violations).toEqual([]);
      for (const call of calls) if (call.streamed && call.over) wellFormed(call.format, Buffer.concat(call.chunks));
    },
    ending() {
      const call = calls.at(-1);
      if (call === undefined) throw new Error('no call was made');
      return wellFormed(call.format, Buffer.concat(call.chunks));
    },
    async close() {
      await gateway.close();
      await provider.close();
    },
  };
  return house;
}

/** The platform's `fetch`; bodies pass through, an abort too. */
function watch(calls: SeenCall[]): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    const type = response.headers.get('content-type') ?? '';
    const call: SeenCall = {
      url: response.url,
      status: response.status,
      headers: response.headers,
      format: new URL(response.url).pathname === '/v1/messages' ? 'anthropic-messages' : 'openai-chat',
      chunks: [],
      streamed: type.startsWith('text/event-stream'),
      over: false,
    };
    calls.push(call);
    if (!call.streamed || response.body === null) return response;
    const look = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        call.chunks.push(chunk);
        controller.enqueue(chunk);
      },
      flush() {
        call.over = true;
      },
    });
    const { status, headers } = response;
    return new Response(response.body.pipeThrough(look), { status, headers });
  };
}

/** Waits until the trail's sink has the record: the client may be told before. */
async function recordOf(gateway: TestGateway, requestId: string): Promise<AuditRecord> {
  let found: AuditRecord | undefined;
  await eventually(`a record of ${requestId}`, async () => {
    found = (await recordsOf(gateway)).find((record) => record.request_id === requestId);
    return found !== undefined;
  });
  return found as AuditRecord;
}

/** Everything an async iterable gives. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
