import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ClientHouse, openaiModel, providers, startClients } from '../support/clients.ts';
import type { FakeReply } from '../support/fake-provider.ts';

let house: ClientHouse;
beforeAll(async () => {
  house = await startClients();
});
afterEach(() => house.check());
afterAll(() => house.close());

/** What a client throws, in the words both clients share. */
interface Told {
  readonly error: Error & { readonly headers?: Headers | undefined };
  readonly message: string;
  readonly code: unknown;
  readonly status: number | undefined;
  readonly retryAfter: string | null | undefined;
}

const clients = [
  {
    client: 'OpenAI',
    classes: OpenAI as unknown as Record<string, unknown>,
    async ask(model: string, stream: boolean, maxRetries: number): Promise<Told> {
      const body = { model, stream, messages: [{ role: 'user' as const, content: 'Hi' }] };
      const error = await house.openai.chat.completions.create(body, { maxRetries }).catch((thrown: unknown) => thrown);
      if (!(error instanceof OpenAI.APIError)) throw new Error(`no error of the API: ${String(error)}`);
      const { message, code, status } = error;
      return { error, message, code, status, retryAfter: error.headers?.get('retry-after') };
    },
  },
  {
    client: 'Anthropic',
    classes: Anthropic as unknown as Record<string, unknown>,
    async ask(model: string, stream: boolean, maxRetries: number): Promise<Told> {
      const body = { model, stream, max_tokens: 10, messages: [{ role: 'user' as const, content: 'Hi' }] };
      const error = await house.anthropic.messages.create(body, { maxRetries }).catch((thrown: unknown) => thrown);
      if (!(error instanceof Anthropic.APIError)) throw new Error(`no error of the API: ${String(error)}`);
      const told = error.error as { error: { message: string; code?: string; type: string } };
      const { message, code, type } = told.error;
      return {
        error,
        message,
        code: code ?? type,
        status: error.status,
        retryAfter: error.headers?.get('retry-after'),
      };
    },
  },
];

const journeys = clients.flatMap((client) => providers.map((provider) => ({ ...client, ...provider })));

describe.each(journeys)(
  "$client's client before a provider of the $format format",
  ({ client, format, model, ask, classes }) => {
    const sameFormat = client.toLowerCase() === format;

    /** Plain and streamed are refused alike. */
    async function both(reply: FakeReply, check: (told: Told) => void, maxRetries = 0): Promise<void> {
      for (const stream of [false, true]) {
        house.says(reply);
        check(await ask(model, stream, maxRetries));
        house.check();
      }
    }

    test('is told what is wrong with the request in the words of the provider', async () => {
      const error = {
        message: 'too many tokens: 9 > 8',
        type: 'invalid_request_error',
        code: 'context_length_exceeded',
      };
      await both({ status: 400, error }, (told) => {
        expect(told.error).toBeInstanceOf(classes.BadRequestError);
        expect(told.message).toContain('too many tokens: 9 > 8');
        // Anthropic's errors have a type and no code.
        const code = format === 'openai' ? 'context_length_exceeded' : 'invalid_request_error';
        expect(told.code).toBe(sameFormat && client === 'OpenAI' ? 'context_length_exceeded' : code);
        expect(house.calls).toHaveLength(1);
      });
    });

    test("never hears of the gateway's own credentials", async () => {
      for (const status of [401, 403]) {
        const error = { message: 'Incorrect API key provided: sk-…9f3. Account org-1', type: 'authentication_error' };
        await both(
          { status, error },
          (told) => {
            expect(told.error).toBeInstanceOf(classes.InternalServerError);
            expect(told.status).toBe(502);
            expect(told.code).toBe('upstream_auth');
            expect(JSON.stringify(told.error)).not.toMatch(/Incorrect|sk-|org-/);
            // It is refused until somebody changes the key: the client does not ask again.
            expect(house.calls).toHaveLength(1);
            expect(told.error.headers?.get('x-should-retry')).toBe('false');
          },
          2,
        );
      }
    });

    test('keeps 429 and the time to wait', async () => {
      const error = { message: 'Slow down.', type: 'rate_limit_error', code: 'rate_limit_exceeded' };
      await both({ status: 429, error, retryAfter: 7 }, (told) => {
        expect(told.error).toBeInstanceOf(classes.RateLimitError);
        expect(told.message).toContain('Slow down.');
        expect(told.retryAfter).toBe('7');
      });
    });

    test('keeps 500, 503 and 529', async () => {
      for (const status of [500, 503, 529]) {
        await both({ status, error: { message: 'Oh no.', type: 'overloaded_error' }, retryAfter: 2 }, (told) => {
          expect(told.error).toBeInstanceOf(classes.InternalServerError);
          expect(told.status).toBe(status);
          expect(told.message).toContain('Oh no.');
          expect(told.retryAfter).toBe('2');
        });
      }
    });

    test('asks again where the provider says that it may', async () => {
      house.says({});
      house.provider.reply = () => ({ status: 503, retryAfter: 0 });
      const told = await ask(model, false, 1);
      expect(told.status).toBe(503);
      expect(house.calls).toHaveLength(2);
    });

    test('is told when the first frame of a stream is an error, with its status', async () => {
      house.says({ firstFrameError: { message: 'Overloaded.', type: 'overloaded_error' } });
      const told = await ask(model, true, 0);
      expect(told.status).toBe(529);
      expect(told.message).toContain('Overloaded.');
    });

    test('is told when the provider hangs up before it answers', async () => {
      await both({ die: 'head' }, (told) => {
        expect(told.status).toBe(502);
        expect(told.code).toBe('upstream_error');
      });
    });

    test('gets headers of the provider with its error, without cookies and account', async () => {
      await both({ status: 400, headers: { 'x-trace': 'abc' } }, ({ error }) => {
        expect(error.headers?.get('x-trace')).toBe('abc');
        expect(error.headers?.get('x-llm-upstream-ratelimit-remaining-requests')).toBe('41');
        expect(error.headers?.get('x-llm-provider')).toBe(`fake-${format}`);
        expect(error.headers?.get('set-cookie')).toBeNull();
        expect(error.headers?.get('openai-organization') ?? error.headers?.get('anthropic-organization-id')).toBeNull();
        expect(error.headers?.get('x-request-id')).toMatch(/^ex_/);
      });
    });

    test('is told of a model that is not there, and nobody is asked', async () => {
      house.says({});
      const told = await ask('no-such-model', false, 2);
      expect(told.error).toBeInstanceOf(classes.NotFoundError);
      expect(told.code).toBe('model_not_found');
      expect(told.message).toContain('no-such-model');
      expect(house.provider.requests).toHaveLength(0);
      expect(house.calls).toHaveLength(1);
    });
  },
);

test('a wrong key is refused by the gateway, in both formats, and nobody is asked', async () => {
  house.says({});
  const openai = house.openai.withOptions({ apiKey: 'sk-wrong' });
  const anthropic = house.anthropic.withOptions({ apiKey: 'sk-wrong' });
  const messages = [{ role: 'user' as const, content: 'Hi' }];
  await expect(openai.chat.completions.create({ model: openaiModel, messages })).rejects.toThrow(
    OpenAI.AuthenticationError,
  );
  await expect(anthropic.messages.create({ model: openaiModel, max_tokens: 9, messages })).rejects.toThrow(
    Anthropic.AuthenticationError,
  );
  expect(house.provider.requests).toHaveLength(0);
  expect(house.calls).toHaveLength(2);
});

test('a wrong request names its field', async () => {
  house.says({});
  const messages = 'Hi' as unknown as OpenAI.ChatCompletionMessageParam[];
  const error = await house.openai.chat.completions.create({ model: openaiModel, messages }).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
  expect(error).toMatchObject({ code: 'invalid_request', param: 'messages', type: 'invalid_request_error' });
  expect(house.provider.requests).toHaveLength(0);
});
